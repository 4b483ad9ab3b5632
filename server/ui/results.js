// SPDX-License-Identifier: Apache-2.0
// What an analysis or a calibration found, as pictures.
import { facts, h, number, table } from "./dom.js";
import { histogram } from "./figure.js";
import { edgesAlong, pointsTable } from "./onmap.js";
import { plot } from "./plot.js";
import { tablesView } from "./tables.js";

const MAX_OUTPUTS = 24; // whose indices are drawn
const MAX_CORNER = 5; // inputs whose pairs are shown
const MAX_PREDICTIVE = 100; // observed numbers that are listed
const labelOf = (columns, name) => columns.outputs.find((one) => one.ref === name)?.label ?? name;

export function sobolFigure(result, output) {
  const find = (name) => result.tables.find((one) => one.name === name);
  const first = find("first");
  const total = find("total");
  const k = first.axes[0].labels.indexOf(output);
  const names = first.axes[1].labels;
  const bars = (one, color, label, from, to) => ({
    kind: "bars",
    color,
    label,
    left: names.map((_, i) => i + from),
    right: names.map((_, i) => i + to),
    top: one.estimate[k],
    low: one.estimate[k].map((v, i) => v - 1.96 * one.sampling_error[k][i]),
    high: one.estimate[k].map((v, i) => v + 1.96 * one.sampling_error[k][i]),
    outerLow: one.lower[k],
    outerHigh: one.upper[k],
  });
  return {
    name: `sobol-${output}`,
    title: `Sobol’ indices of ${output}`,
    x: { label: "", ticks: names.map((one, i) => [i, one]), min: -0.6, max: names.length - 0.4 },
    y: { label: "share of the variance" },
    marks: [bars(first, 0, "first order", -0.38, -0.02), bars(total, 1, "total", 0.02, 0.38)],
    note: "Thick: 95 % from the finite number of points. Thin: 95 % of that and of what the surrogate does not know.",
  };
}

function densityFigure(one, samples, i, label) {
  return {
    title: `Posterior of ${one.name}`,
    x: { label },
    y: { label: "samples" },
    marks: [
      {
        kind: "bars",
        ...histogram(
          samples.map((row) => row[i]),
          40,
        ),
      },
      { kind: "level", x: one.mean, ink: true, label: "mean" },
    ],
  };
}

/** The corner plot: each parameter alone, and each pair. */
function cornerView(result, columns) {
  const names = result.parameters.slice(0, 6);
  const labels = names.map((one) => columns.inputs.find((other) => other.name === one.name)?.label ?? one.name);
  const parts = [];
  const corner = h("div.corner", {});
  corner.style.setProperty("--columns", String(names.length));
  const place = (figure, i, j) => {
    const element = plot(figure);
    element.style.gridArea = `${i + 1} / ${j + 1}`;
    parts.push(element);
  };
  names.forEach((one, i) => {
    place(densityFigure(one, result.samples, i, labels[i]), i, i);
    for (let j = 0; j < i; j++)
      place(
        {
          title: `${one.name} over ${names[j].name}`,
          x: { label: labels[j] },
          y: { label: labels[i] },
          marks: [{ kind: "points", x: result.samples.map((row) => row[j]), y: result.samples.map((row) => row[i]) }],
        },
        i,
        j,
      );
  });
  corner.append(...parts);
  return [
    facts([
      ["Log evidence", number(result.log_evidence)],
      ["Divergent steps", number(result.divergent)],
      ["Outside the training range", `${number(100 * result.outside_training_range, 3)} %`],
    ]),
    (result.warnings ?? []).map((one) => h("p.warning", {}, one.text ?? String(one))),
    table(
      "Parameters",
      [
        { name: "Parameter", cell: (one) => one.name },
        { name: "Mean", right: true, cell: (one) => number(one.mean) },
        { name: "Standard deviation", right: true, cell: (one) => number(one.std, 3) },
        { name: "R-hat", right: true, cell: (one) => number(one.rhat, 5) },
        { name: "Bulk ESS", right: true, cell: (one) => number(one.ess_bulk, 3) },
        { name: "Tail ESS", right: true, cell: (one) => number(one.ess_tail, 3) },
      ],
      result.parameters,
    ),
    corner,
    result.predictive?.length
      ? [
          h("h3", {}, "What the posterior says of the observations"),
          table(
            "Predictive",
            [
              { name: "Experiment", right: true, cell: (one) => String(one.experiment + 1) },
              { name: "Output", cell: (one) => labelOf(columns, one.output) },
              { name: "Observed", right: true, cell: (one) => number(one.observed) },
              { name: "Mean", right: true, cell: (one) => number(one.mean) },
              { name: "95 % from", right: true, cell: (one) => number(one.lower) },
              { name: "to", right: true, cell: (one) => number(one.upper) },
            ],
            result.predictive.slice(0, MAX_PREDICTIVE),
          ),
        ]
      : null,
    result.next?.points?.length
      ? [h("h3", {}, "Points to simulate next"), pointsTable(columns, result.next.points)]
      : null,
  ];
}

/** The border of cells, and how the axis is written: of a category by its members. */
function sideOf(one, columns) {
  const input = columns.inputs.find((other) => other.name === one.name) ?? { label: one.name };
  if (one.values.some((value) => typeof value === "string") || one.values.length < 2)
    return {
      axis: { label: input.label, ticks: one.values.map((value, i) => [i, String(value)]) },
      edges: [...one.values, ""].map((_, i) => i - 0.5),
      places: one.values.map((_, i) => i),
    };
  return {
    axis: { label: input.label, log: input.log },
    edges: edgesAlong(one.values, input.log),
    places: one.values,
  };
}

/** By two inputs: what is lowest in a cell, or how much of it is left. z [cells of a][cells of b]. */
function pairFigure(title, [a, b], z, [low, high], points) {
  return {
    title,
    x: a.axis,
    y: b.axis,
    marks: [
      {
        kind: "heat",
        label: title,
        x: a.edges,
        y: b.edges,
        z: b.places.map((_, j) => a.places.map((__, i) => z[i][j])),
        low,
        high,
      },
      points,
    ],
  };
}

/** A history match: the lowest implausibility below the diagonal, the share that is left above it. */
function historyView(result, columns) {
  const { cutoff } = result.request;
  const shown = result.inputs.slice(0, MAX_CORNER);
  const sides = shown.map((one) => sideOf(one, columns));
  const place = shown.map((one) => columns.inputs.findIndex((other) => other.name === one.name));
  const most = result.pairs.flatMap((one) => one.depth.flat()).reduce((a, b) => Math.max(a, b ?? 0), 0);
  const corner = h("div.corner", {});
  corner.style.setProperty("--columns", String(shown.length));
  const put = (figure, i, j) => {
    const element = plot(figure);
    element.style.gridArea = `${i + 1} / ${j + 1}`;
    corner.append(element);
  };
  const on = (i, j) => ({
    kind: "points",
    label: "to simulate next",
    color: 1,
    size: 3,
    ring: true,
    x: result.points.map((one) => one[place[i]]),
    y: result.points.map((one) => one[place[j]]),
  });
  shown.forEach((one, i) => {
    put(
      {
        title: `Implausibility along ${one.name}`,
        x: sides[i].axis,
        y: { label: "implausibility", min: 0 },
        marks: [
          { kind: "line", x: sides[i].places, y: one.minimum },
          { kind: "points", x: sides[i].places, y: one.minimum, size: 2.5 },
          { kind: "level", y: cutoff, ink: true, label: `ruled out above ${number(cutoff)}` },
        ],
      },
      i,
      i,
    );
    for (let j = 0; j < i; j++) {
      const pair = result.pairs.find((two) => two.inputs[0] === shown[j].name && two.inputs[1] === one.name);
      if (!pair) continue;
      const across = [sides[j], sides[i]];
      const names = `${shown[j].name} and ${one.name}`;
      put(pairFigure(`Implausibility of ${names}`, across, pair.minimum, [0, 2 * cutoff], on(j, i)), i, j);
      put(pairFigure(`Left of ${names}`, across, pair.depth, [0, most], on(j, i)), j, i);
    }
  });
  return [
    facts([
      ...result.waves.map((one) => [
        `Left after version ${one.version}`,
        `${number(100 * one.share, 3)} % (${number(100 * one.lower, 3)} to ${number(100 * one.upper, 3)})`,
      ]),
      ["Lowest implausibility", number(result.least, 3)],
    ]),
    (result.warnings ?? []).map((one) => h("p.warning", {}, one.text ?? String(one))),
    h(
      "p.note",
      {},
      `Above an implausibility of ${number(cutoff)} inputs are ruled out; of what is not shown the lowest counts, and colours end at twice that. Above the diagonal: the share of each cell that is left.`,
    ),
    corner,
    shown.length < result.inputs.length
      ? h("p.note", {}, `The first ${shown.length} of ${result.inputs.length} inputs are shown.`)
      : null,
    result.points.length
      ? [
          h("h3", {}, "Points for the next wave"),
          pointsTable(columns, result.points, [
            { name: "Implausibility", right: true, cell: (one) => number(result.implausibility[one.i], 3) },
          ]),
        ]
      : null,
  ];
}

export function resultView(result, columns) {
  if (result.kind === "sobol") {
    const bars = result.tables.find((one) => one.name === "first").axes[0].labels.slice(0, MAX_OUTPUTS);
    const others = result.tables.filter((one) => one.name !== "first" && one.name !== "total");
    return [
      h(
        "div.grid.wide",
        {},
        bars.map((name) => plot(sobolFigure(result, name))),
      ),
      ...tablesView({ ...result, tables: others }, columns),
    ];
  }
  if (result.kind === "history") return historyView(result, columns);
  if (result.kind === "calibration") return cornerView(result, columns);
  return tablesView(result, columns);
}
