// SPDX-License-Identifier: Apache-2.0
// Points to simulate next: the form, the points as a table, and on maps.
import { json, path } from "./api.js";
import { action, choose, facts, field, h, number, put, save, time } from "./dom.js";
import { mapWith, pointsTable } from "./onmap.js";

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

export function suggestCard(context, columns) {
  const n = h("input", { type: "number", min: "1", max: "200", value: "8" });
  const criterion = choose(
    CRITERIA.map((one) => ({ value: one, text: one.replace(/_/g, " ") })),
    "integrated_variance",
  );
  const output = choose(
    columns.outputs.map((one) => ({ value: one.ref, text: one.label })),
    columns.outputs[0]?.ref,
  );
  const goal = choose(["min", "max"], "min");
  const threshold = h("input", { type: "number", step: "any" });
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
  if (columns.version.output_reduction)
    return h(
      "section.card",
      {},
      h("h2", {}, "Points to simulate next"),
      h("p.empty", {}, "No points are suggested for outputs that are a field; optimise or analyse single outputs of it."),
    );
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
      field("Threshold (level set, failure)", threshold),
    ),
    field("Keep them as pending, so that others are not given the same", hold),
    action("Suggest", send, ".strong"),
    result,
  );
}
