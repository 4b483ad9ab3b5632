// SPDX-License-Identifier: Apache-2.0
// What an analysis found, as pictures: each table of its answer by the kind of its axes, whatever the analysis.
import { h, number, table } from "./dom.js";
import { edgesAlong } from "./onmap.js";
import { plot } from "./plot.js";

const MAX_NUMBERS = 200; // rows of the table of numbers
const MAX_FIGURES = 24; // that are drawn; the answer of the job has them all
const TITLES = {
  std: "Standard deviation",
  mu_star: "Mean absolute effect",
  mu: "Mean effect",
  sigma: "Spread of the effect",
  effect: "Shapley effects",
  second: "Second order",
  derivative_measure: "Derivative-based measure",
  partial_dependence: "Dependence",
};

const AXES = { effect: "share of the variance", second: "share of the variance" };

const axisWords = (name) => AXES[name] ?? titleOf(name).toLowerCase();
const titleOf = (name) => TITLES[name] ?? name.replace(/_/g, " ").replace(/^./, (one) => one.toUpperCase());
const pick = (values, place) => place.reduce((one, i) => one?.[i], values);
const isLabelled = (axis) => axis.labels !== undefined;

/** The table once for each output: {name, output, axes, at(key, ...place)}; axes without that of outputs. */
export function partsOf(one) {
  const where = one.axes.findIndex((axis) => axis.name === "output");
  const axes = one.axes.filter((_, i) => i !== where);
  const outputs = where < 0 ? [null] : one.axes[where].labels;
  return outputs.map((output, k) => ({
    name: one.name,
    output,
    axes,
    at: (key, ...place) => pick(one[key], where < 0 ? place : [...place.slice(0, where), k, ...place.slice(where)]),
  }));
}

/** "Dependence of T on k". */
const headOf = (part, more = "", name = titleOf(part.name)) => {
  const title = `${name}${part.output === null ? "" : ` of ${part.output}`}${more}`;
  return { title, name: title.replace(/\W+/g, "-") };
};

/** Bars with both errors over labels; a line with its 95 % interval over numbers. */
function alongFigure(part, { units, isLog }) {
  const [axis] = part.axes;
  const places = axis.labels ?? axis.values;
  const list = (key) => places.map((_, i) => part.at(key, i));
  const [estimate, error, lower, upper] = ["estimate", "sampling_error", "lower", "upper"].map(list);
  if (isLabelled(axis))
    return {
      ...headOf(part),
      x: { label: "", ticks: places.map((one, i) => [i, one]), min: -0.6, max: places.length - 0.4 },
      y: { label: axisWords(part.name) },
      marks: [
        {
          kind: "bars",
          left: places.map((_, i) => i - 0.36),
          right: places.map((_, i) => i + 0.36),
          top: estimate,
          low: estimate.map((v, i) => v - 1.96 * error[i]),
          high: estimate.map((v, i) => v + 1.96 * error[i]),
          outerLow: lower,
          outerHigh: upper,
        },
      ],
      note: "Thick: 95 % from the finite number of points. Thin: 95 % of that and of what the surrogate does not know.",
    };
  const isDensity = part.name === "density";
  return {
    ...headOf(part, isDensity || axis.name === "level" ? "" : ` on ${axis.name}`),
    x: { label: units(isDensity ? part.output : axis.name), log: isDensity ? false : isLog(axis.name) },
    y: isDensity ? { label: "density", min: 0 } : { label: units(part.output) },
    marks: [
      { kind: "band", label: "95 % interval", x: places, low: lower, high: upper },
      { kind: "line", label: "estimate", x: places, y: estimate },
      ...(axis.name === "level" ? [{ kind: "points", x: places, y: estimate, size: 4 }] : []),
    ],
  };
}

/** Two axes: a map of the estimate, and over numbers one of what the surrogate does not know. */
function mapFigure(part, { units, isLog }, key) {
  const [b, a] = part.axes;
  const places = part.axes.some(isLabelled) ? "" : ` on ${b.name} and ${a.name}`;
  const side = (axis) =>
    isLabelled(axis)
      ? {
          axis: { label: "", ticks: axis.labels.map((one, i) => [i, one]) },
          edges: [...axis.labels, ""].map((_, i) => i - 0.5),
          n: axis.labels.length,
        }
      : {
          axis: { label: units(axis.name), log: isLog(axis.name) },
          edges: edgesAlong(axis.values, isLog(axis.name)),
          n: axis.values.length,
        };
  const [x, y] = [side(a), side(b)];
  const z = Array.from({ length: y.n }, (_, j) => Array.from({ length: x.n }, (__, i) => part.at(key, j, i)));
  const all = z.flat();
  let [low, high] = [all.reduce((p, q) => Math.min(p, q)), all.reduce((p, q) => Math.max(p, q))];
  const signed = part.axes.some(isLabelled) && low < 0;
  if (signed) high = Math.max(-low, high);
  if (signed) low = -high;
  const head = headOf(part, places, key === "estimate" ? undefined : "Standard deviation");
  return {
    ...head,
    x: x.axis,
    y: y.axis,
    marks: [
      {
        kind: "heat",
        label: head.title,
        x: x.edges,
        y: y.edges,
        z,
        low,
        high,
        signed,
      },
    ],
  };
}

/** The figures of a table; none: it has one number for each output. words: {units(name): a name with its unit, isLog(name)}. */
export function tableFigures(one, words) {
  return partsOf(one).flatMap((part) => partFigures(part, words));
}

/** How many figures a part has. */
function figuresOf(part) {
  if (part.axes.length === 2 && !part.axes.some(isLabelled)) return 2;
  return part.axes.length === 1 || part.axes.length === 2 ? 1 : 0;
}

function partFigures(part, words) {
  if (part.axes.length === 1) return [alongFigure(part, words)];
  if (part.axes.length !== 2) return [];
  const figures = [mapFigure(part, words, "estimate")];
  if (!part.axes.some(isLabelled)) figures.push(mapFigure(part, words, "surrogate_error"));
  return figures;
}

/** All that an analysis found. */
export function tablesView(result, columns) {
  const all = [...columns.inputs, ...columns.outputs];
  const find = (name) => all.find((one) => (one.ref ?? one.name) === name);
  const words = { units: (name) => find(name)?.label ?? name ?? "", isLog: (name) => find(name)?.log ?? false };
  const tables = result.tables ?? [];
  const parts = tables.flatMap(partsOf);
  const single = parts.filter((part) => part.axes.length === 0);
  const drawn = parts.filter(figuresOf);
  const total = drawn.reduce((sum, part) => sum + figuresOf(part), 0);
  const figures = drawn.slice(0, MAX_FIGURES).flatMap((part) => partFigures(part, words)); // of thousands only these
  return [
    single.length
      ? table(
          "Numbers",
          [
            { name: "Number", cell: (one) => titleOf(one.name) },
            { name: "Output", cell: (one) => one.output ?? "" },
            { name: "Estimate", right: true, cell: (one) => number(one.at("estimate")) },
            { name: "95 % from", right: true, cell: (one) => number(one.at("lower")) },
            { name: "to", right: true, cell: (one) => number(one.at("upper")) },
          ],
          single.slice(0, MAX_NUMBERS),
        )
      : null,
    single.length > MAX_NUMBERS
      ? h("p.note", {}, `The first ${MAX_NUMBERS} of ${single.length} numbers are shown; the result of the job has all.`)
      : null,
    total > MAX_FIGURES
      ? h("p.note", {}, `The first ${MAX_FIGURES} of ${total} pictures are shown; the result of the job has all numbers.`)
      : null,
    h(
      "div.grid.wide",
      {},
      figures.slice(0, MAX_FIGURES).map((one) => plot(one)),
    ),
  ];
}
