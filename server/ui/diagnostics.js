// SPDX-License-Identifier: Apache-2.0
// How far a version can be trusted: scores and calibration on rows that did not train, and what the solver reported.
import { get, path } from "./api.js";
import { choose, facts, field, h, number, put, table } from "./dom.js";
import { drawsCard } from "./draws.js";
import { histogram } from "./figure.js";
import { choiceTable } from "./job.js";
import { chosenOutputs } from "./outputs.js";
import { parityFigure, predictRows, residualFigures } from "./parity.js";
import { plot } from "./plot.js";
import { columnsOf } from "./space.js";

const LEVELS = Array.from({ length: 19 }, (_, i) => (i + 1) / 20);
const COVERED = [0.5, 0.9, 0.95];

/** Shares of kept-out rows below each quantile, with what 95 % of honest models of so many rows would show. */
export function calibrationFigure(scores, outputs, k) {
  const x = [0, ...LEVELS, 1];
  const half = (p) => 1.96 * Math.sqrt((p * (1 - p)) / Math.max(1, scores.rows));
  return {
    name: `calibration-${outputs[k].name}`,
    title: `Calibration of ${outputs[k].name}`,
    x: { label: "level of the quantile", min: 0, max: 1 },
    y: { label: "share of rows below", min: 0, max: 1 },
    marks: [
      {
        kind: "band",
        label: `expected of ${scores.rows} rows`,
        ink: true,
        x,
        low: x.map((p) => p - half(p)),
        high: x.map((p) => p + half(p)),
      },
      { kind: "equal" },
      { kind: "points", label: "observed", x: LEVELS, y: scores.calibration[outputs[k].k], size: 3 },
      { kind: "line", x, y: [0, ...scores.calibration[outputs[k].k], 1], width: 1.2 },
    ],
  };
}

/** The probability integral transform falls between two levels as often as their shares differ: flat if honest. */
export function pitFigure(scores, outputs, k) {
  const steps = [0, ...scores.calibration[outputs[k].k], 1];
  const top = steps.slice(1).map((value, i) => (value - steps[i]) * scores.rows);
  return {
    name: `pit-${outputs[k].name}`,
    title: `PIT of ${outputs[k].name}`,
    x: { label: "quantile at which the row lies", min: 0, max: 1 },
    y: { label: "rows", min: 0 },
    marks: [
      { kind: "bars", left: top.map((_, i) => i / 20), right: top.map((_, i) => (i + 1) / 20), top },
      { kind: "level", y: scores.rows / 20, ink: true, label: "as it should be" },
    ],
  };
}

function coverageFigure(scores, outputs) {
  const shown = outputs.slice(0, 8);
  return {
    name: "coverage",
    title: "Coverage of central intervals",
    x: { label: "level", min: 0.4, max: 1 },
    y: {
      label: "share of rows inside",
      min: Math.min(0.3, ...shown.flatMap((one) => scores.coverage[one.k] ?? [])),
      max: 1.02,
    },
    marks: [
      { kind: "equal" },
      ...shown.map((one, k) => ({ kind: "line", color: k, x: COVERED, y: scores.coverage[one.k] })),
      ...shown.map((one, k) => ({
        kind: "points",
        color: k,
        label: one.name,
        size: 4,
        x: COVERED,
        y: scores.coverage[one.k],
      })),
    ],
  };
}

function namedBars(title, label, names, values) {
  return {
    title,
    x: { label: "", ticks: names.map((one, i) => [i, one]), min: -0.6, max: names.length - 0.4 },
    y: { label, min: 0 },
    marks: [{ kind: "bars", left: names.map((_, i) => i - 0.4), right: names.map((_, i) => i + 0.4), top: values }],
  };
}

/** What the solver reported: chains, effective parameters, relevance, and all else by name. */
function reported(diagnostics, columns) {
  const { report } = diagnostics;
  const parts = [];
  const list = (name) => (report[name] === undefined ? null : [report[name]].flat());
  for (const [name, what, axis] of [
    ["predictions.rhat", "R-hat of predictions", "R-hat"],
    ["predictions.ess_bulk", "Bulk ESS of predictions", "bulk effective sample size"],
    ["predictions.ess_tail", "Tail ESS of predictions", "tail effective sample size"],
    ["parameters.rhat", "R-hat of parameters", "R-hat"],
  ]) {
    if (list(name)?.length > 1)
      parts.push(
        plot({
          title: what,
          x: { label: axis },
          y: { label: "how many" },
          marks: [
            { kind: "bars", ...histogram(list(name), 20) },
            ...(name.endsWith("rhat") ? [{ kind: "level", x: 1.05, ink: true, label: "1.05: mixed below" }] : []),
          ],
        }),
      );
  }
  const relevance = list("evidence.relevance");
  if (relevance)
    parts.push(
      plot(
        namedBars(
          "Relevance of the inputs",
          "relative to the most relevant",
          columns.inputs.map((one) => one.name),
          relevance,
        ),
      ),
    );
  const prefix = "evidence.effective_parameters.";
  const groups = Object.keys(report).filter((one) => one.startsWith(prefix));
  if (groups.length) {
    const names = groups.flatMap((one) =>
      one === `${prefix}inputs`
        ? list(one).map((_, i) => `of ${columns.inputs[i]?.name ?? i}`)
        : [one.slice(prefix.length).replace(/_/g, " ")],
    );
    parts.push(
      plot(namedBars("Effective parameters", "parameters that the rows determine", names, groups.flatMap(list))),
    );
  }
  for (const name of ["chains.accept", "chains.ebfmi"]) {
    if (list(name))
      parts.push(
        plot(
          namedBars(
            name === "chains.accept" ? "Acceptance by chain" : "E-BFMI by chain",
            "",
            list(name).map((_, i) => `chain ${i}`),
            list(name),
          ),
        ),
      );
  }
  const rows = Object.entries(report)
    .filter(([name]) => !name.startsWith("auto."))
    .map(([name, value]) => ({ name, value: [value].flat() }));
  const spread = (values) =>
    values.length <= 8
      ? values.map((v) => number(v)).join(", ")
      : `${values.length} numbers, ${number(values.reduce((a, b) => Math.min(a, b)))} to ${number(values.reduce((a, b) => Math.max(a, b)))}`;
  return [
    h("div.grid", {}, parts),
    h(
      "details",
      {},
      h("summary", {}, "All numbers that the solver reported"),
      table(
        "Report",
        [
          { name: "Name", cell: (one) => one.name },
          { name: "Value", cell: (one) => spread(one.value) },
        ],
        rows,
      ),
    ),
  ];
}

function scoresCard(diagnostics, columns) {
  const { scores } = diagnostics;
  if (!scores)
    return h(
      "section.card",
      {},
      h("h2", {}, "Scores"),
      h(
        "p.empty",
        {},
        "No rows were kept out of this version's training, so it has no scores. The plots below are of stored rows.",
      ),
    );
  const at = (name) => (row) => number(scores[name]?.[row.k], 3);
  return h(
    "section.card",
    {},
    h("h2", {}, "Scores on rows that did not train"),
    facts([
      ["Rows", number(scores.rows)],
      scores.folds ? ["Cross-validation", `${scores.folds} folds`] : null,
      ["Relative error", `${number(100 * scores.relative_error, 3)} %`],
      scores.rmse_of_all === undefined ? null : ["RMSE over all outputs", number(scores.rmse_of_all, 3)],
    ]),
    scores.rmse === null
      ? h("p.note", {}, "Of so many outputs there are no scores of each.")
      : table(
          "Scores",
          [
            { name: "Output", cell: (one) => one.label },
            { name: "RMSE", right: true, cell: at("rmse") },
            { name: "of its range", right: true, cell: (one) => share(scores, one.k) },
            { name: "CRPS", right: true, cell: at("crps") },
            { name: "NLL", right: true, cell: at("nll") },
            ...COVERED.map((level, i) => ({
              name: `Inside ${100 * level} %`,
              right: true,
              cell: (one) => (scores.coverage?.[one.k] ? `${number(100 * scores.coverage[one.k][i], 3)} %` : "–"),
            })),
          ],
          columns.outputs,
        ),
  );
}

/** How well the modes of a field hold it, and how honest its intervals are over all outputs; null: it is none. */
function fieldCard({ report }, columns) {
  if (report["reduction.modes"] === undefined) return null;
  const percent = (value) => (Number.isFinite(value) ? `${number(100 * value, 3)} %` : "–");
  const covered = [report["field.coverage"] ?? []].flat();
  return h(
    "section.card",
    {},
    h("h2", {}, "The field"),
    facts([
      ["Outputs", number(columns.total)],
      ["Modes", number(report["reduction.modes"])],
      ["Of the variance of rows that trained", percent(report["reduction.explained"])],
      ["Of the variance of fields that did not train", percent(report["field.explained"])],
      ...COVERED.map((level, i) => [`Inside ${100 * level} %, over all outputs`, percent(covered[i])]),
    ]),
  );
}

function share(scores, k) {
  const range = scores.output_range?.[k];
  return range && range[1] > range[0] && Number.isFinite(scores.rmse?.[k])
    ? `${number((100 * scores.rmse[k]) / (range[1] - range[0]), 3)} %`
    : "–";
}

export async function render(context) {
  const model = await get(path`/v1/models/${context.model}`, context);
  if (!model.versions.length) {
    put(context.room, h("p.empty", {}, "No version yet: upload rows and train first."));
    return;
  }
  const wanted = Number(context.query.get("version")) || model.model.default_version || model.versions.at(-1).version;
  const [known, diagnostics] = await Promise.all([
    columnsOf(context.model, { ...context, version: wanted }),
    get(path`/v1/models/${context.model}/versions/${wanted}/diagnostics`, context),
  ]);
  const { columns, choice } = chosenOutputs(context, known);
  const version = choose(
    model.versions.map((one) => ({ value: one.version, text: `${one.version}${one.default ? " (served)" : ""}` })),
    wanted,
    (value) => {
      context.keep({ version: value });
      context.reload();
    },
  );
  const output = choose(
    columns.outputs.map((one, k) => ({ value: k, text: one.label })),
    context.query.get("output") ?? 0,
    (value) => {
      context.keep({ output: value === "0" ? null : value });
      draw();
    },
  );
  const kept = h("div.grid", {});
  const parity = h("div.grid", {});
  const note = h("p.note", {});
  let rows = null;
  const draw = () => {
    const k = Math.min(Number(output.value) || 0, columns.outputs.length - 1);
    put(
      kept,
      ...(diagnostics.scores?.calibration?.[columns.outputs[k].k]
        ? [
            plot(calibrationFigure(diagnostics.scores, columns.outputs, k)),
            plot(pitFigure(diagnostics.scores, columns.outputs, k)),
            plot(coverageFigure(diagnostics.scores, columns.outputs)),
          ]
        : []),
    );
    if (rows)
      put(
        parity,
        plot(parityFigure(columns.outputs[k], rows.outputs[k], rows.parts)),
        ...residualFigures(columns.outputs[k], rows.outputs[k], rows.parts).map((one) => plot(one)),
      );
  };
  put(
    context.room,
    h("div.row", {}, field("Version", version), field("Output", output)),
    choice,
    facts([
      ["Solver", diagnostics.solver],
      ["Draws", number(diagnostics.draws)],
      ["Parameters", number(diagnostics.parameters)],
      ["Posterior", diagnostics.posterior.kind],
      ["Seed", number(diagnostics.seed)],
      ["Precision", diagnostics.precision],
    ]),
    ...diagnostics.warnings.map((one) =>
      h("p.warning", {}, h("strong", {}, one.code.replace(/_/g, " ")), " ", one.text),
    ),
    fieldCard(diagnostics, columns) ?? "",
    scoresCard(diagnostics, columns),
    kept,
    note,
    parity,
    ...reported(diagnostics, columns),
    diagnostics.auto ? choiceTable({ current: null, ...diagnostics.auto }) : "",
    drawsCard(context, diagnostics) ?? "",
  );
  draw();
  if (!columns.data?.rows) return;
  rows = await predictRows(context, columns, columns.version);
  const which = rows.n === rows.total ? `all ${rows.n}` : `the first ${rows.n} of ${rows.total}`;
  note.textContent = `Parity and residuals are of ${which} stored rows. Those that did not train the version are the ones to believe. Bars are two standard deviations${rows.noisy ? ", noise included" : " of the model"}.`;
  draw();
}
