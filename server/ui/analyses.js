// SPDX-License-Identifier: Apache-2.0
// What matters, what may fail, and what explains observations: jobs that this page asks for, and their results.
import { follow, getOr, json, path } from "./api.js";
import { action, choose, field, h, number, put, table, time } from "./dom.js";
import { onlyThese } from "./outputs.js";
import { resultView } from "./results.js";

const OTHERS = [
  { value: "propagate", text: "what the outputs are when inputs vary (densities, quantiles)" },
  { value: "slices", text: "outputs along each input" },
  { value: "morris", text: "elementary effects (Morris)" },
  { value: "shapley", text: "Shapley effects" },
  { value: "active_subspace", text: "active subspace" },
];

const NAMES = { sobol: "Sobol’ indices", history: "History match", morris: "Elementary effects", shapley: "Shapley effects" };
const nameOf = (kind) => NAMES[kind] ?? kind.replace(/_/g, " ").replace(/^./, (one) => one.toUpperCase());

export function analysesCard(context, columns, jobs) {
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
          `${nameOf(result.kind)}, job ${id}, version ${result.version}`,
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
  const observation = () => {
    const used = observed.filter((one) => one.value.value !== "");
    if (!used.length || used.some((one) => one.sigma.value === ""))
      throw new Error("An observation needs its value and its standard deviation, of one output at least.");
    return {
      outputs: used.map(({ one }) => one.ref),
      experiments: [{ outputs: [used.map((one) => Number(one.value.value))] }],
      sigma: Object.fromEntries(used.map((one) => [one.one.ref, Number(one.sigma.value)])),
    };
  };
  const some = onlyThese(columns).outputs ? { outputs: columns.outputs.map((one) => one.ref) } : {};
  const calibrate = () => ask("/calibrations", observation());
  const ruleOut = () => ask("/calibrations", { kind: "history", ...observation(), next: 10, hold_s: 0 });
  const kind = choose(OTHERS, OTHERS[0].value);
  const failing = columns.outputs.map((one) => ({ value: one.ref, text: one.name }));
  const of = choose(failing, failing[0]?.value);
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
      action("Sobol’ indices", () => ask("/analyses", { kind: "sobol", ...some }), ".strong"),
    ),
    h(
      "details",
      {},
      h("summary", {}, "Other analyses"),
      h("div.row", {}, field("Analysis", kind)),
      action("Analyse", () => ask("/analyses", { kind: kind.value, ...some })),
      h("div.row", {}, field("A run fails if output", of), field("lies", side), field("the limit", limit)),
      action("Probability of failure", failure),
    ),
    h(
      "details",
      {},
      h("summary", {}, "Calibrate the inputs to an observation, or rule out what cannot explain it"),
      observed.map(({ one, value, sigma }) =>
        h("div.row", {}, field(`Observed ${one.label}`, value), field("Its standard deviation", sigma)),
      ),
      h(
        "div.row",
        {},
        action("Calibrate", calibrate, ".strong"),
        action("Rule out inputs (history matching)", ruleOut),
      ),
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
