// SPDX-License-Identifier: Apache-2.0
// What next: points to simulate, what matters, what explains observations, and where the best answer lies.
import { follow, get, getOr, json, path } from "./api.js";
import { action, choose, facts, field, h, number, put, save, table, time } from "./dom.js";
import { askMap, trainedBox } from "./explore.js";
import { histogram } from "./figure.js";
import { plot } from "./plot.js";
import { columnsOf } from "./space.js";
import { tablesView } from "./tables.js";

const CRITERIA = [
  "integrated_variance",
  "variance",
  "d_optimal",
  "expected_improvement",
  "lower_confidence",
  "thompson",
  "level_set",
  "failure_boundary",
];
const edges = (values, log) => {
  const f = log ? values.map(Math.log) : values;
  const middle = f.slice(1).map((v, i) => (v + f[i]) / 2);
  const all = [2 * f[0] - middle[0], ...middle, 2 * f.at(-1) - middle.at(-1)];
  return log ? all.map(Math.exp) : all;
};

/** The standard deviation of an output over two inputs, with points on it. */
async function mapWith(context, columns, place, title, point) {
  const real = columns.inputs.map((one, i) => [one, i]).filter(([one]) => one.type !== "category");
  if (real.length < 2) {
    put(place);
    return;
  }
  const names = real.map(([one, i]) => ({ value: i, text: one.label }));
  let [a, b, k] = (context.query.get("axes") ?? `${real[0][1]},${real[1][1]},0`).split(",").map(Number);
  if (!columns.inputs[a] || !columns.inputs[b] || !columns.outputs[k]) [a, b, k] = [real[0][1], real[1][1], 0];
  const shown = h("div.grid.wide", {});
  const draw = async () => {
    const at = columns.inputs.map((one) => one.start);
    const [p, q] = [columns.inputs[a], columns.inputs[b]];
    const points = {
      kind: "points",
      label: title,
      color: 1,
      size: 5,
      ring: true,
      x: point.map((one) => one[a]),
      y: point.map((one) => one[b]),
    };
    if (!columns.version || a === b) return;
    const { answer, x, y } = await askMap(context, columns, at, a, b, 30);
    const heat = (name, what) => {
      const z = y.values.map((_, j) => x.values.map((__, i) => answer[what][j * x.values.length + i][k]));
      const all = z.flat();
      return plot({
        title: `${name} of ${columns.outputs[k].name}`,
        x: { label: p.label, log: p.log },
        y: { label: q.label, log: q.log },
        marks: [
          {
            kind: "heat",
            label: name,
            x: edges(x.values, p.log),
            y: edges(y.values, q.log),
            z,
            low: Math.min(...all),
            high: Math.max(...all),
          },
          ...trainedBox(p, q),
          points,
        ],
      });
    };
    put(shown, heat("Standard deviation", "std"), heat("Mean", "mean"));
  };
  const pick = (f) => (value) => {
    f(Number(value));
    context.keep({ axes: `${a},${b},${k}` });
    draw().catch(context.fail);
  };
  put(
    place,
    h(
      "div.row",
      {},
      field(
        "Across",
        choose(
          names,
          a,
          pick((v) => {
            a = v;
          }),
        ),
      ),
      field(
        "Up",
        choose(
          names,
          b,
          pick((v) => {
            b = v;
          }),
        ),
      ),
      field(
        "Output",
        choose(
          columns.outputs.map((one, i) => ({ value: i, text: one.label })),
          k,
          pick((v) => {
            k = v;
          }),
        ),
      ),
    ),
    h("p.note", {}, "The other inputs are at the middle of their bounds."),
    shown,
  );
  await draw();
}

function pointsTable(columns, points, more = []) {
  return table(
    "Points",
    [
      { name: "", right: true, cell: (one) => String(one.i + 1) },
      ...columns.inputs.map((input, j) => ({ name: input.label, right: true, cell: (one) => number(one.point[j]) })),
      ...more,
    ],
    points.map((point, i) => ({ point, i })),
  );
}

function suggestCard(context, columns) {
  const n = h("input", { type: "number", min: "1", max: "200", value: "8" });
  const criterion = choose(
    CRITERIA.map((one) => ({ value: one, text: one.replace(/_/g, " ") })),
    "integrated_variance",
  );
  const output = choose(
    columns.outputs.map((one) => ({ value: one.name, text: one.label })),
    columns.outputs[0]?.name,
  );
  const goal = choose(["min", "max"], "min");
  const threshold = h("input", { type: "number", step: "any", placeholder: "of level set, failure" });
  const hold = h("input", { type: "checkbox" });
  const result = h("div", {});
  const send = async () => {
    const body = { n: Number(n.value), criterion: criterion.value };
    if (!["integrated_variance", "variance", "d_optimal"].includes(criterion.value))
      Object.assign(body, { output: output.value, goal: goal.value });
    if (threshold.value !== "") body.threshold = Number(threshold.value);
    if (!hold.checked) body.hold_s = 0;
    context.keep({
      suggest: hold.checked
        ? null
        : [n.value, criterion.value, output.value, goal.value, threshold.value].map(encodeURIComponent).join(","),
    });
    const answer = await json("POST", path`/v1/models/${context.model}/suggest`, body, { signal: context.signal });
    const map = h("div", {});
    const csv =
      [columns.inputs.map((one) => one.name).join(","), ...answer.points.map((one) => one.join(","))].join("\n") + "\n";
    put(
      result,
      facts([
        ["Variance before", number(answer.variance?.before)],
        ["once they are simulated", number(answer.variance?.after)],
        answer.ids ? ["Pending until", time(answer.expires)] : null,
      ]),
      pointsTable(columns, answer.points, [
        { name: "Score", right: true, cell: (one) => number(answer.suggestions[one.i].score) },
      ]),
      h(
        "p",
        {},
        h(
          "button",
          { type: "button", onclick: () => save(`${context.model}-points.csv`, "text/csv", csv) },
          "Save the points as CSV",
        ),
      ),
      map,
    );
    await mapWith(context, columns, map, "suggested", answer.points);
  };
  const given = context.query.get("suggest")?.split(",").map(decodeURIComponent);
  if (given) {
    [n, criterion, output, goal, threshold].forEach((one, i) => {
      one.value = given[i] ?? one.value;
    });
    send().catch(context.fail);
  }
  return h(
    "section.card",
    {},
    h("h2", {}, "Points to simulate next"),
    h(
      "div.row",
      {},
      field("How many", n),
      field("Criterion", criterion),
      field("Output", output),
      field("Goal", goal),
      field("Threshold", threshold),
    ),
    field("Keep them as pending, so that others are not given the same", hold),
    action("Suggest", send, ".strong"),
    result,
  );
}

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

function densityFigure(one, samples, i) {
  return {
    title: `Posterior of ${one.name}`,
    x: { label: one.name },
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
function cornerView(result) {
  const names = result.parameters.slice(0, 6);
  const parts = [];
  const corner = h("div.corner", {});
  corner.style.setProperty("--columns", String(names.length));
  const place = (figure, i, j) => {
    const element = plot(figure);
    element.style.gridArea = `${i + 1} / ${j + 1}`;
    parts.push(element);
  };
  names.forEach((one, i) => {
    place(densityFigure(one, result.samples, i), i, i);
    for (let j = 0; j < i; j++)
      place(
        {
          title: `${one.name} over ${names[j].name}`,
          x: { label: names[j].name },
          y: { label: one.name },
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
  ];
}

function resultView(result, columns) {
  if (result.kind === "sobol")
    return [
      h(
        "div.grid.wide",
        {},
        result.tables
          .find((one) => one.name === "first")
          .axes[0].labels.slice(0, 24)
          .map((name) => plot(sobolFigure(result, name))),
      ),
    ];
  if (result.kind === "calibration") return cornerView(result);
  return tablesView(result, columns);
}

const OTHERS = [
  { value: "propagate", text: "what the outputs are when inputs vary (densities, quantiles)" },
  { value: "slices", text: "outputs along each input" },
  { value: "morris", text: "elementary effects (Morris)" },
  { value: "shapley", text: "Shapley effects" },
  { value: "active_subspace", text: "active subspace" },
];

function analysesCard(context, columns, jobs) {
  const place = h("div", {});
  const show = async (id) => {
    context.keep({ job: id });
    const state = h("p", { role: "status" }, `Job ${id} …`);
    put(place, state);
    await follow(
      id,
      (name, document) => {
        state.textContent =
          name === "progress"
            ? `Job ${id}: ${number(100 * document.fraction, 3)} %`
            : `Job ${id}: ${document.state}${document.message ? `. ${document.message}` : ""}`;
      },
      context.signal,
    );
    const result = await getOr(`/v1/jobs/${id}/result`, null, context);
    if (result)
      put(
        place,
        h(
          "h3",
          {},
          `${result.kind.replace(/_/g, " ").replace(/^./, (one) => one.toUpperCase())}, job ${id}, version ${result.version}`,
        ),
        ...resultView(result, columns),
      );
  };
  const ask = async (route, body) => show((await json("POST", path`/v1/models/${context.model}` + route, body)).id);
  const observed = columns.outputs.map((one) => ({
    one,
    value: h("input", { type: "number", step: "any" }),
    sigma: h("input", { type: "number", step: "any", min: "0" }),
  }));
  const calibrate = () => {
    const used = observed.filter((one) => one.value.value !== "");
    if (!used.length || used.some((one) => one.sigma.value === ""))
      throw new Error("An observation needs its value and its standard deviation, of one output at least.");
    return ask("/calibrations", {
      outputs: used.map(({ one }) => one.name),
      experiments: [{ outputs: [used.map((one) => Number(one.value.value))] }],
      sigma: Object.fromEntries(used.map((one) => [one.one.name, Number(one.sigma.value)])),
    });
  };
  const kind = choose(OTHERS, OTHERS[0].value);
  const failing = columns.outputs.map((one) => one.name);
  const of = choose(failing, failing[0]);
  const side = choose(["above", "below"], "above");
  const limit = h("input", { type: "number", step: "any" });
  const failure = () => {
    if (limit.value === "") throw new Error("The limit beyond which a run fails is missing.");
    return ask("/analyses", { kind: "failure", region: [{ output: of.value, [side.value]: Number(limit.value) }] });
  };
  const done = jobs.filter((one) => one.kind !== "train");
  if (context.query.get("job")) show(context.query.get("job")).catch(context.fail);
  return h(
    "section.card",
    {},
    h("h2", {}, "What matters, and what explains observations"),
    h(
      "p",
      {},
      action("Sobol’ indices", () => ask("/analyses", { kind: "sobol" }), ".strong"),
    ),
    h(
      "details",
      {},
      h("summary", {}, "Other analyses"),
      h("div.row", {}, field("Analysis", kind)),
      action("Analyse", () => ask("/analyses", { kind: kind.value })),
      h("div.row", {}, field("A run fails if output", of), field("lies", side), field("the limit", limit)),
      action("Probability of failure", failure),
    ),
    h(
      "details",
      {},
      h("summary", {}, "Calibrate the inputs to an observation"),
      observed.map(({ one, value, sigma }) =>
        h("div.row", {}, field(`Observed ${one.label}`, value), field("Its standard deviation", sigma)),
      ),
      action("Calibrate", calibrate, ".strong"),
    ),
    place,
    done.length
      ? h(
          "details",
          {},
          h("summary", {}, "Earlier ones"),
          table(
            "Analyses",
            [
              {
                name: "Job",
                cell: (one) =>
                  h(
                    "button.small",
                    { type: "button", onclick: () => show(one.id).catch(context.fail) },
                    String(one.id),
                  ),
              },
              { name: "Kind", cell: (one) => one.kind },
              { name: "State", cell: (one) => h(`span.tag.${one.state}`, {}, one.state) },
              { name: "Asked for", cell: (one) => time(one.created) },
            ],
            done,
          ),
        )
      : null,
  );
}

function optimumCard(context, columns) {
  const output = choose(
    columns.outputs.map((one) => ({ value: one.name, text: one.label })),
    columns.outputs[0]?.name,
  );
  const goal = choose(["min", "max"], "max");
  const of = choose(
    [
      { value: "mean", text: "the mean" },
      { value: "bound", text: "a cautious bound (2 standard deviations)" },
    ],
    "mean",
  );
  const result = h("div", {});
  const send = async () => {
    const objective = { output: output.value, goal: goal.value, of: of.value };
    context.keep({ optimum: [output.value, goal.value, of.value].map(encodeURIComponent).join(",") });
    if (of.value === "bound") objective.k = goal.value === "max" ? -2 : 2;
    const answer = await json(
      "POST",
      path`/v1/models/${context.model}/optimize`,
      { objective },
      { signal: context.signal },
    );
    const map = h("div", {});
    const { draws, optimum } = answer;
    const levels = (list) => `${number(list[0])} to ${number(list.at(-1))}`;
    put(
      result,
      facts([
        [`${goal.value === "max" ? "Greatest" : "Least"} ${output.value}`, number(optimum.value, 5)],
        draws ? ["90 % of the draws say", levels(draws.value.quantiles)] : null,
      ]),
      table(
        "Optimum",
        [
          { name: "Input", cell: (one) => one.label },
          { name: "At", right: true, cell: (one) => number(optimum.point[one.i], 5) },
          {
            name: "90 % of the draws say",
            right: true,
            cell: (one) => (draws?.inputs?.[one.i]?.quantiles ? levels(draws.inputs[one.i].quantiles) : "–"),
          },
        ],
        columns.inputs.map((one, i) => ({ ...one, i })),
      ),
      map,
    );
    await mapWith(context, columns, map, "optimum", [optimum.point]);
  };
  const given = context.query.get("optimum")?.split(",").map(decodeURIComponent);
  if (given) {
    [output, goal, of].forEach((one, i) => {
      one.value = given[i] ?? one.value;
    });
    send().catch(context.fail);
  }
  return h(
    "section.card",
    {},
    h("h2", {}, "Optimum"),
    h("div.row", {}, field("Output", output), field("Goal", goal), field("Of", of)),
    action("Find it", send, ".strong", "read"),
    result,
  );
}

export async function render(context) {
  const [columns, { jobs }] = await Promise.all([
    columnsOf(context.model, context),
    get(`/v1/jobs?limit=200&model=${encodeURIComponent(context.model)}`, context),
  ]);
  if (!columns.version) {
    put(context.room, h("p.empty", {}, "No version yet: upload rows and train first."));
    return;
  }
  put(context.room, suggestCard(context, columns), analysesCard(context, columns, jobs), optimumCard(context, columns));
}
