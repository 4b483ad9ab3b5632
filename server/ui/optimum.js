// SPDX-License-Identifier: Apache-2.0
// Where the best answer lies: of one output, or the best trade-offs between two.
import { json, path } from "./api.js";
import { action, choose, facts, field, h, number, put, table } from "./dom.js";
import { mapWith, pointsTable } from "./onmap.js";
import { plot } from "./plot.js";

const extreme = (objective) => `${objective.goal === "max" ? "Greatest" : "Least"} ${objective.output}`;
const levels = (list) => `${number(list[0])} to ${number(list.at(-1))}`;

/** The best point for one output, and how well the posterior knows it. */
function bestView(columns, objective, { draws, optimum }) {
  return [
    facts([
      [extreme(objective), number(optimum.value, 5)],
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
  ];
}

/** Trade-offs of two outputs that no other point betters in both: of the mean, and of each draw of the posterior. */
export function frontFigure(columns, objectives, { draws, front }) {
  const labels = objectives.map((one) => columns.outputs.find((other) => other.ref === one.output).label);
  const along = (values) => values.slice().sort((a, b) => a[0] - b[0]);
  const best = along(front.values);
  const axis = (list, i) => list.map((one) => one[i]);
  return {
    name: `front-${objectives.map((one) => one.output).join("-")}`,
    title: `Pareto front of ${objectives.map((one) => one.output).join(" and ")}`,
    x: { label: `${labels[0]}, ${objectives[0].goal}` },
    y: { label: `${labels[1]}, ${objectives[1].goal}` },
    marks: [
      ...(draws?.fronts ?? []).map((one, i) => ({
        kind: "line",
        label: i ? undefined : `if one of ${draws.fronts.length} draws were the truth`,
        color: 5,
        width: 1,
        x: axis(along(one.values), 0),
        y: axis(along(one.values), 1),
      })),
      { kind: "line", color: 0, x: axis(best, 0), y: axis(best, 1) },
      { kind: "points", label: "front", color: 0, size: 3.5, x: axis(best, 0), y: axis(best, 1) },
    ],
  };
}

function frontView(columns, objectives, answer) {
  const { points, values } = answer.front;
  return [
    h("div.grid.wide", {}, plot(frontFigure(columns, objectives, answer))),
    h(
      "details",
      {},
      h("summary", {}, `The ${points.length} points of the front`),
      pointsTable(
        columns,
        points,
        objectives.map((one, k) => ({ name: one.output, right: true, cell: (row) => number(values[row.i][k], 5) })),
      ),
    ),
  ];
}

export function optimumCard(context, columns) {
  const output = choose(
    columns.outputs.map((one) => ({ value: one.ref, text: one.label })),
    columns.outputs[0]?.ref,
  );
  const goal = choose(["min", "max"], "max");
  const of = choose(
    [
      { value: "mean", text: "the mean" },
      { value: "bound", text: "a cautious bound (2 standard deviations)" },
    ],
    "mean",
  );
  const second = choose(
    [
      { value: "", text: "none: one output alone" },
      ...columns.outputs.map((one) => ({ value: one.ref, text: one.label })),
    ],
    "",
  );
  const goalOfSecond = choose(["min", "max"], "max");
  const controls = [output, goal, of, second, goalOfSecond];
  const result = h("div", {});
  const objective = (name, to) => ({
    output: name,
    goal: to,
    of: of.value,
    ...(of.value === "bound" ? { k: to === "max" ? -2 : 2 } : {}),
  });
  const ask = (body) =>
    json("POST", path`/v1/models/${context.model}/optimize`, body, { signal: context.signal });
  const send = async () => {
    if (second.value === output.value) throw new Error("Two different outputs are needed.");
    context.keep({
      optimum: controls
        .slice(0, second.value ? 5 : 3)
        .map((one) => encodeURIComponent(one.value))
        .join(","),
    });
    const map = h("div", {});
    const objectives = [objective(output.value, goal.value), objective(second.value, goalOfSecond.value)];
    const answer = await ask(second.value ? { objectives } : { objective: objectives[0] });
    const { points } = second.value ? answer.front : { points: [answer.optimum.point] };
    put(result, second.value ? frontView(columns, objectives, answer) : bestView(columns, objectives[0], answer), map);
    await mapWith(context, columns, map, second.value ? "best trade-offs" : "optimum", points);
  };
  const given = context.query.get("optimum")?.split(",").map(decodeURIComponent);
  if (given) {
    controls.forEach((one, i) => {
      one.value = given[i] ?? one.value;
    });
    send().catch(context.fail);
  }
  return h(
    "section.card",
    {},
    h("h2", {}, "Optimum"),
    h("div.row", {}, field("Output", output), field("Goal", goal), field("Of", of)),
    columns.outputs.length > 1
      ? h("div.row", {}, field("Weighed against", second), field("Goal of that", goalOfSecond))
      : null,
    action("Find it", send, ".strong", "read"),
    result,
  );
}
