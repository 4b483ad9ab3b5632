// SPDX-License-Identifier: Apache-2.0
// Predictions at stored rows: those that trained the version apart from those that did not.
import { json, path, request } from "./api.js";
import { readRows } from "./data.js";
import { histogram } from "./figure.js";
import { onlyThese } from "./outputs.js";

const MAX_PARITY = 5000;
const FEW = 10; // rows that did not train, below which the histogram is of all

/* In the order of drawing: what is to be believed lies above the rest. */
const PARTS = [
  { name: "unknown", label: "may have trained it", color: 2 },
  { name: "trained", label: "trained it", color: 0 },
  { name: "later", label: "came later", color: 3 },
  { name: "kept_out", label: "kept out of its training", color: 1 },
];

/** What each of the first n stored rows was to a version: names of PARTS. The rest of the answer is not read. */
async function readParts(context, version, n) {
  const stop = new AbortController();
  context.signal.addEventListener("abort", () => stop.abort());
  const answer = await request("GET", path`/v1/models/${context.model}/versions/${version}/rows`, {
    signal: stop.signal,
  });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let part = await reader.read();
  for (; !part.done && text.length < 1000 + 2 * n; part = await reader.read()) text += part.value;
  if (!part.done) {
    stop.abort();
    text = `${text.slice(0, text.lastIndexOf(","))}]}`;
  }
  const { parts, rows } = JSON.parse(text);
  return Array.from({ length: n }, (_, i) => parts[rows[i]] ?? "unknown");
}

/** {n, total, noisy, parts: [name], outputs: [{observed, mean, std}]} of the first stored rows. */
export async function predictRows(context, columns, version) {
  const rows = await readRows(context.model, columns, { ...context, max: MAX_PARITY });
  const inputs = Array.from({ length: rows.n }, (_, i) => rows.inputs.map((list) => list[i]));
  const result = version.noise ? "total_variance" : "variance";
  const [parts, answer] = await Promise.all([
    readParts(context, version.version, rows.n),
    json(
      "POST",
      path`/v1/models/${context.model}/versions/${version.version}/predict`,
      { inputs, return: ["mean", result], ...onlyThese(columns) },
      { signal: context.signal },
    ),
  ]);
  return {
    n: rows.n,
    total: rows.total,
    noisy: Boolean(version.noise),
    parts,
    outputs: columns.outputs.map((_, k) => ({
      observed: rows.outputs[k] ?? [],
      mean: answer.mean.map((one) => one[k]),
      std: answer[result].map((one) => Math.sqrt(Math.max(0, one[k]))),
    })),
  };
}

/** Which of the rows are of each part that there is: [{label, color, at: [place]}]. */
const groupsOf = (parts) =>
  PARTS.map((one) => ({ ...one, at: parts.flatMap((name, i) => (name === one.name ? [i] : [])) })).filter(
    (one) => one.at.length,
  );

export function parityFigure(column, rows, parts) {
  return {
    name: `parity-${column.name}`,
    title: `Parity of ${column.name}`,
    x: { label: `simulated ${column.label}` },
    y: { label: `predicted ${column.label}` },
    marks: [
      { kind: "equal" },
      ...groupsOf(parts).map(({ label, color, at }) => ({
        kind: "points",
        label: `${at.length} ${label}`,
        color,
        x: at.map((i) => rows.observed[i]),
        y: at.map((i) => rows.mean[i]),
        low: at.map((i) => rows.mean[i] - 2 * rows.std[i]),
        high: at.map((i) => rows.mean[i] + 2 * rows.std[i]),
      })),
    ],
  };
}

export function residualFigures(column, rows, parts) {
  const left = rows.mean.map((m, i) => rows.observed[i] - m);
  const unseen = parts.flatMap((name, i) => (name === "kept_out" || name === "later" ? [i] : []));
  const some = unseen.length >= FEW ? unseen : parts.map((_, i) => i);
  return [
    {
      name: `residuals-${column.name}`,
      title: `Residuals of ${column.name}`,
      x: { label: `predicted ${column.label}` },
      y: { label: `residual${column.unit ? ` (${column.unit})` : ""}` },
      marks: [
        { kind: "level", y: 0, ink: true },
        ...groupsOf(parts).map(({ label, color, at }) => ({
          kind: "points",
          label,
          color,
          x: at.map((i) => rows.mean[i]),
          y: at.map((i) => left[i]),
          low: at.map((i) => left[i] - 2 * rows.std[i]),
          high: at.map((i) => left[i] + 2 * rows.std[i]),
        })),
      ],
    },
    {
      name: `standardised-${column.name}`,
      title: `Standardised residuals of ${column.name}`,
      x: { label: "standard deviations", min: -5, max: 5 },
      y: { label: "rows" },
      marks: [
        {
          kind: "bars",
          label: some === unseen ? `the ${unseen.length} rows that did not train` : `all ${parts.length} rows`,
          color: some === unseen ? 1 : 0,
          ...histogram(
            some.map((i) => left[i] / rows.std[i]),
            40,
            -5,
            5,
          ),
        },
      ],
    },
  ];
}
