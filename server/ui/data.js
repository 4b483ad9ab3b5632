// SPDX-License-Identifier: Apache-2.0
// The rows of a model: uploads, columns, pairs, and how much of the input space they cover.
import { getOr, lines, path } from "./api.js";
import { choose, facts, field, h, number, put, table, time } from "./dom.js";
import { histogram } from "./figure.js";
import { plot } from "./plot.js";
import { chosenOutputs } from "./outputs.js";
import { columnsOf } from "./space.js";
import { uploader } from "./upload.js";

export const MAX_ROWS = 100000;
const MAX_NUMBERS = 2000000; // of all rows that are read together
const FENCE = 10; // interquartile ranges, as in the server's COLUMN_FENCE
const FEW = 20; // rows below which no value is called far
const SHOWN = 24; // histograms at first

/** Fields of a line of CSV, quotes taken off. */
export function splitCsv(line) {
  if (!line.includes('"')) return line.split(",");
  const fields = [];
  let at = 0;
  while (at <= line.length) {
    if (line[at] === '"') {
      let text = "";
      for (at++; at < line.length; at++) {
        if (line[at] !== '"') text += line[at];
        else if (line[at + 1] === '"') text += line[at++];
        else break;
      }
      fields.push(text);
      at += 2;
    } else {
      const end = line.indexOf(",", at);
      fields.push(line.slice(at, end < 0 ? undefined : end));
      at = end < 0 ? line.length + 1 : end + 1;
    }
  }
  return fields;
}

/**
 * {inputs: [column], outputs: [column], n, more}: columns of numbers, categories as their text, NaN where nothing is.
 * columns: whose chosen outputs are kept, in their order; of models with many outputs fewer rows are read.
 */
export async function readRows(model, columns, { batch, max = MAX_ROWS, signal } = {}) {
  const query = batch ? `?format=csv&batch=${batch}` : "?format=csv";
  const fit = Math.floor(MAX_NUMBERS / (columns.inputs.length + columns.total));
  const rowsRead = Math.max(1, columns.total > columns.outputs.length ? Math.min(max, fit) : max);
  const answer = await lines(path`/v1/models/${model}/data/rows` + query, rowsRead, signal);
  const [head, ...body] = answer.lines.filter((one) => one !== "").map(splitCsv);
  const n = Number(answer.headers.get("Surrogate-Inputs"));
  const hasStatus = head?.at(-1) === "status" && head.length > n + Number(answer.headers.get("Surrogate-Outputs"));
  const column = (j) =>
    body.map((row) => (row[j] === "" ? NaN : Number.isNaN(Number(row[j])) ? row[j] : Number(row[j])));
  const last = (head?.length ?? 0) - (hasStatus ? 1 : 0);
  const some = columns.total > columns.outputs.length;
  const places = some ? columns.outputs.map((one) => n + one.k) : Array.from({ length: last - n }, (_, k) => n + k);
  return {
    inputs: Array.from({ length: Math.min(n, last) }, (_, j) => column(j)),
    outputs: places.map(column),
    n: body.length,
    more: answer.more,
    total: Number(answer.headers.get("Surrogate-Rows")),
  };
}

function columnFigure(column, values, isInput) {
  const title = `${isInput ? "Input" : "Output"} ${column.label}`;
  const texts = values.filter((one) => typeof one === "string");
  if (texts.length) {
    const names = [...new Set(texts)];
    return {
      title,
      x: { label: column.label, ticks: names.map((one, i) => [i, one]), min: -0.6, max: names.length - 0.4 },
      y: { label: "rows" },
      marks: [
        {
          kind: "bars",
          left: names.map((_, i) => i - 0.4),
          right: names.map((_, i) => i + 0.4),
          top: names.map((one) => texts.filter((other) => other === one).length),
        },
      ],
    };
  }
  const log = column.log && values.every((one) => !(one <= 0));
  const bars = histogram(log ? values.map(Math.log) : values, 24);
  if (log) for (const side of ["left", "right"]) bars[side] = bars[side].map(Math.exp);
  return {
    title,
    x: { label: column.label, log },
    y: { label: "rows" },
    marks: [{ kind: "bars", color: isInput ? 0 : 2, ...bars }],
  };
}

/** Which share of 10 x 10 cells of each pair of inputs has a row; the smallest ones first. */
function coverage(columns, rows) {
  const cells = columns.inputs.map((input, i) => {
    const f = input.log ? Math.log : (v) => v;
    return rows.inputs[i]?.map((v) =>
      typeof v === "string"
        ? (input.values?.indexOf(v) ?? 0)
        : Math.min(9, Math.max(0, Math.floor((10 * (f(v) - f(input.low))) / (f(input.high) - f(input.low))))),
    );
  });
  const found = [];
  for (let i = 0; i < cells.length && i < 30; i++) {
    for (let j = i + 1; j < cells.length && j < 30; j++) {
      const ni = columns.inputs[i].values?.length ?? 10;
      const nj = columns.inputs[j].values?.length ?? 10;
      const seen = new Set(cells[i].map((a, k) => a * 1000 + cells[j][k]));
      found.push({
        a: columns.inputs[i].name,
        b: columns.inputs[j].name,
        share: seen.size / (ni * nj),
        of: Math.min(1, rows.n / (ni * nj)),
      });
    }
  }
  return found.sort((a, b) => a.share - b.share);
}

/** The stored columns that are shown: {one, isInput, at: its place among the columns' inputs or outputs}. */
function shownOf(columns, data) {
  const places = new Map(columns.outputs.map((one, place) => [one.k, place]));
  return (data.columns ?? []).flatMap((one) => {
    const isInput = one.input !== undefined;
    const at = isInput ? one.input : (places.get(one.output) ?? (columns.outputs.length ? -1 : one.output));
    return at < 0 ? [] : [{ one, isInput, at }];
  });
}

function summary(columns, data) {
  return table(
    "Columns",
    [
      { name: "Column", cell: (one) => one.label },
      { name: "", cell: (one) => one.role },
      { name: "Least", right: true, cell: (one) => number(one.min) },
      {
        name: "Quartiles",
        right: true,
        cell: (one) => (one.quartiles ?? []).map((q) => number(q, 3)).join("  ") || "–",
      },
      { name: "Greatest", right: true, cell: (one) => number(one.max) },
      { name: "Mean", right: true, cell: (one) => number(one.mean) },
      { name: "Standard deviation", right: true, cell: (one) => number(one.std) },
      { name: "Missing", right: true, cell: (one) => number(one.missing ?? 0) },
      { name: "Of the bounds", right: true, cell: (one) => one.covered },
    ],
    shownOf(columns, data).map(({ one, isInput, at }) => {
      const column = (isInput ? columns.inputs : columns.outputs)[at];
      const covered =
        isInput && column?.bounded && column.type === "real"
          ? `${number(100 * Math.max(0, (Math.min(one.max, column.high) - Math.max(one.min, column.low)) / (column.high - column.low)), 3)} %`
          : "–";
      return { ...one, label: column?.label ?? one.name ?? "", role: isInput ? "input" : "output", covered };
    }),
  );
}

function pairsView(context, columns, rows) {
  const all = [
    ...columns.inputs.map((one, i) => ({ ...one, values: rows.inputs[i] })),
    ...columns.outputs.map((one, i) => ({ ...one, values: rows.outputs[i] })),
  ];
  const names = all.map((one, i) => ({ value: i, text: one.label }));
  let [a, b] = (context.query.get("pair") ?? `0,${columns.inputs.length}`).split(",").map(Number);
  const place = h("div", {});
  const draw = () => {
    context.keep({ pair: `${a},${b}` });
    const [x, y] = [all[a], all[b]];
    if (!x || !y) return;
    const log = (one) => Boolean(one.log && one.values.every((v) => !(v <= 0)));
    put(
      place,
      plot(
        {
          title: `${y.name} over ${x.name}`,
          x: { label: x.label, log: log(x) },
          y: { label: y.label, log: log(y) },
          marks: [{ kind: "points", label: `${rows.n} rows`, x: x.values, y: y.values }],
        },
        { tall: true },
      ),
    );
  };
  const pick = (which, value) => {
    if (which === "a") a = Number(value);
    else b = Number(value);
    draw();
  };
  draw();
  return h(
    "section.card",
    {},
    h("h2", {}, "Pairs"),
    h(
      "div.row",
      {},
      field(
        "Across",
        choose(names, a, (v) => pick("a", v)),
      ),
      field(
        "Up",
        choose(names, b, (v) => pick("b", v)),
      ),
    ),
    place,
  );
}

export async function render(context) {
  const at = path`/v1/models/${context.model}`;
  const [known, data, batches] = await Promise.all([
    columnsOf(context.model, context),
    getOr(`${at}/data`, null, context),
    getOr(`${at}/data/batches?limit=1000`, { batches: [] }, context),
  ]);
  const { columns, choice } = chosenOutputs(context, known);
  const upload = h(
    "section.card",
    {},
    h("h2", {}, "Upload"),
    uploader({
      model: () => context.model,
      isNew: !data?.columns?.length && !columns.outputs.length,
      done: () => setTimeout(context.reload, 2500),
    }),
  );
  if (!data || !data.rows) {
    put(context.room, h("p.empty", {}, "No rows are stored yet."), upload);
    return;
  }
  const outliers = batches.batches.reduce((sum, one) => sum + (one.outliers ?? 0), 0);
  const plots = h("div.grid", {});
  const more = h("div", {});
  put(
    context.room,
    h(
      "section.card",
      {},
      h("h2", {}, "Rows"),
      facts([
        ["Rows", number(data.rows)],
        ["Runs that failed", number(data.failed_rows)],
        ["Batches", number(data.batches)],
        ["Values far from the others", number(outliers)],
        ["First", time(data.first)],
        ["Last", time(data.last)],
      ]),
      choice,
      summary(columns, data),
      columns.version
        ? null
        : h(
            "p",
            {},
            "No version was trained on these rows yet. ",
            h("a", { href: `#/model/${encodeURIComponent(context.model)}/train` }, "Train one"),
          ),
    ),
    upload,
    more,
    plots,
    h(
      "section.card",
      {},
      h("h2", {}, "Batches"),
      table(
        "Batches",
        [
          { name: "Batch", right: true, cell: (one) => number(one.batch) },
          { name: "Rows", right: true, cell: (one) => number(one.rows) },
          { name: "Again", right: true, cell: (one) => number(one.duplicates) },
          { name: "Outliers", right: true, cell: (one) => number(one.outliers) },
          { name: "Format", cell: (one) => one.format },
          {
            name: "Source",
            cell: (one) => decodeURIComponent((one.source ?? "–").replace(/%(?![0-9A-Fa-f]{2})/g, "%25")),
          },
          { name: "Received", cell: (one) => time(one.created) },
        ],
        [...batches.batches].reverse(),
      ),
    ),
  );
  const rows = await readRows(context.model, columns, context);
  const failed = rows.outputs.length
    ? rows.outputs[0].map((_, i) => rows.outputs.every((list) => Number.isNaN(list[i])))
    : [];
  const holes = coverage(columns, rows);
  const far = outliersOf(columns, rows, data);
  put(
    more,
    pairsView(context, columns, rows),
    far.length ? outliersView(far) : "",
    failed.some(Boolean) && columns.inputs.length > 1 ? failedView(columns, rows, failed) : "",
    holes.length
      ? h(
          "section.card",
          {},
          h("h2", {}, "Coverage of the input space"),
          h(
            "p.note",
            {},
            "Each pair of inputs is cut into 10 by 10 cells between the bounds. The pairs with most empty cells come first; no more cells than rows can be filled.",
          ),
          table(
            "Coverage",
            [
              { name: "Inputs", cell: (one) => `${one.a}, ${one.b}` },
              { name: "Cells with rows", right: true, cell: (one) => `${number(100 * one.share, 3)} %` },
              { name: "Possible", right: true, cell: (one) => `${number(100 * one.of, 3)} %` },
            ],
            holes.slice(0, 6),
          ),
        )
      : "",
    rows.more || rows.total > rows.n ? h("p.note", {}, `Plots show the first ${rows.n} of ${rows.total} rows.`) : "",
  );
  const all = [
    ...columns.inputs.map((one, i) => [one, rows.inputs[i], true]),
    ...columns.outputs.map((one, i) => [one, rows.outputs[i], false]),
  ];
  const show = (list) =>
    list.forEach(([one, values, isInput]) => plots.append(plot(columnFigure(one, values ?? [], isInput))));
  show(all.slice(0, SHOWN));
  if (all.length > SHOWN) {
    const button = h(
      "button",
      {
        type: "button",
        onclick: () => {
          button.remove();
          show(all.slice(SHOWN));
        },
      },
      `Show the other ${all.length - SHOWN} columns`,
    );
    plots.after(button);
  }
}

/** Values farther from the quartiles than ten times their distance, as the server counts them. */
export function outliersOf(columns, rows, data) {
  const found = [];
  for (const { one, isInput, at } of shownOf(columns, data)) {
    const [q1, , q3] = one.quartiles ?? [0, 0, 0];
    const far = FENCE * (q3 - q1);
    if (!(far > 0) || data.rows < FEW) continue;
    (isInput ? rows.inputs : rows.outputs)[at]?.forEach((value, i) => {
      if (value < q1 - far || value > q3 + far)
        found.push({
          row: i,
          name: (isInput ? columns.inputs : columns.outputs)[at]?.label ?? one.name,
          value,
          usual: [q1 - far, q3 + far],
        });
    });
  }
  return found;
}

function outliersView(list) {
  return h(
    "section.card",
    {},
    h("h2", {}, "Values far from the others"),
    h(
      "p.note",
      {},
      `More than ${FENCE} interquartile ranges from the quartiles.${list.length > 50 ? ` The first 50 of ${list.length}.` : ""}`,
    ),
    table(
      "Outliers",
      [
        { name: "Row", right: true, cell: (one) => number(one.row) },
        { name: "Column", cell: (one) => one.name },
        { name: "Value", right: true, cell: (one) => number(one.value, 6) },
        { name: "Usual", right: true, cell: (one) => `${number(one.usual[0], 3)} to ${number(one.usual[1], 3)}` },
      ],
      list.slice(0, 50),
    ),
  );
}

function failedView(columns, rows, failed) {
  const pick = (wanted) => ({
    x: rows.inputs[0].filter((_, i) => failed[i] === wanted),
    y: rows.inputs[1].filter((_, i) => failed[i] === wanted),
  });
  return h(
    "div",
    {},
    plot({
      title: "Where runs failed",
      x: { label: columns.inputs[0].label, log: columns.inputs[0].log },
      y: { label: columns.inputs[1].label, log: columns.inputs[1].log },
      marks: [
        { kind: "points", label: "gave outputs", color: 0, ...pick(false) },
        { kind: "points", label: "failed", color: 1, size: 3.6, ...pick(true) },
      ],
    }),
  );
}
