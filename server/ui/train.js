// SPDX-License-Identifier: Apache-2.0
// A training: a form made from the server's own description of solvers and settings, and its jobs.
import { get, json, path } from "./api.js";
import { action, choose, field, h, put, refusal, table } from "./dom.js";
import { jobColumns } from "./jobs.js";

/** The schema that a reference leads to. */
function resolve(schemas, node) {
  return node?.$ref ? resolve(schemas, schemas[node.$ref.split("/").pop()]) : node;
}

/** A control for one number, choice or switch, and how its value is read; undefined: left to the server. */
function control(schema) {
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  const shown = schema.default === undefined ? "by the server" : String(schema.default);
  if (schema.enum || type === "boolean") {
    const values = schema.enum?.filter((one) => one !== null) ?? [true, false];
    const select = choose(
      [
        { value: "", text: `default: ${shown}` },
        ...values.map((one) => ({ value: JSON.stringify(one), text: String(one) })),
      ],
      "",
    );
    return { element: select, read: () => (select.value === "" ? undefined : JSON.parse(select.value)) };
  }
  if (type !== "number" && type !== "integer") return null;
  const input = h("input", {
    type: "number",
    step: type === "integer" ? "1" : "any",
    placeholder: shown,
    min: schema.minimum,
    max: schema.maximum,
  });
  return { element: input, read: () => (input.value === "" ? undefined : Number(input.value)) };
}

const labelOf = (name) =>
  name
    .replace(/^./, (one) => one.toUpperCase())
    .replace(/_s$/, " (seconds)")
    .replace(/_mb$/, " (MB)")
    .replace(/_/g, " ");

/** Fields for the members of a schema; read() gives an object of those that were filled in, or undefined. */
function group(schemas, schema, skip = () => false) {
  const parts = [];
  const fields = [];
  for (const [name, raw] of Object.entries(schema.properties ?? {})) {
    if (skip(name)) continue;
    const one = control(resolve(schemas, raw));
    if (!one) continue;
    const box = field(
      labelOf(name),
      one.element,
      (raw.description ?? "").replace(/^Of [a-z_, ]+$/, "").replace(/`/g, "") || null,
    );
    parts.push({
      name,
      read: one.read,
      box,
      of: (raw.description ?? "").match(/^Of ([a-z_, ]+)$/)?.[1].split(", ") ?? null,
    });
    fields.push(box);
  }
  const read = () => {
    const found = parts
      .filter((one) => !one.box.hidden)
      .map((one) => [one.name, one.read()])
      .filter(([, value]) => value !== undefined);
    return found.length ? Object.fromEntries(found) : undefined;
  };
  return { parts, fields, read };
}

const TEXTS = {
  auto: "auto – compare solvers and take the best",
  ensemble: "ensemble – networks from different starts",
  evidence: "evidence – Bayesian network for few rows",
  nuts: "nuts – No-U-Turn sampler",
  conformal: "conformal – ensemble with guaranteed intervals",
};
const GROUPS = [
  ["architecture", "Network", "TrainArchitecture"],
  ["settings", "Settings of the solver", "SolverSettings"],
  ["optimizer", "Optimizer"],
  ["noise", "Noise"],
  ["prior", "Prior"],
  ["split", "Rows kept out"],
  ["scaling", "Scaling"],
  ["calibration", "Intervals"],
  ["gate", "Gate"],
  ["limits", "Limits"],
];

function form(context, schemas) {
  const request = schemas.TrainRequest.properties;
  const solvers = resolve(schemas, request.solver).enum;
  const solver = choose(
    ["auto", ...solvers.filter((one) => one !== "auto")].map((one) => ({ value: one, text: TEXTS[one] ?? one })),
    context.query.get("solver") ?? "auto",
    () => follow(),
  );
  const single = group(schemas, {
    properties: Object.fromEntries(
      ["seed", "start", "precision", "budget_s", "promote", "priority"].map((one) => [one, request[one]]),
    ),
  });
  const groups = GROUPS.map(([name, title]) => ({
    name,
    title,
    ...group(
      schemas,
      resolve(schemas, request[name]),
      (one) => name === "architecture" && (one === "inputs" || one === "outputs"),
    ),
  }));
  const boxes = groups.map(
    (one) => (one.box = h("details", {}, h("summary", {}, one.title), h("div.row", {}, one.fields))),
  );
  const settings = groups.find((one) => one.name === "settings");
  const follow = () => {
    context.keep({ solver: solver.value === "auto" ? null : solver.value });
    const name = solver.value === "conformal" ? "ensemble" : solver.value;
    for (const one of settings.parts) one.box.hidden = one.of !== null && !one.of.includes(name);
    settings.box.hidden = settings.parts.every((one) => one.box.hidden);
    for (const one of single.parts) if (one.name === "budget_s") one.box.hidden = name !== "auto";
  };
  follow();
  const send = async () => {
    const body = { solver: solver.value, ...single.read() };
    for (const one of groups) {
      const value = one.box.hidden ? undefined : one.read();
      if (value !== undefined) body[one.name] = value;
    }
    const job = await json("POST", path`/v1/models/${context.model}/train`, body);
    location.hash = `#/job/${job.id}`;
  };
  return h(
    "section.card",
    {},
    h("h2", {}, "Train"),
    h(
      "p.note",
      {},
      "Nothing needs to be filled in: “auto” compares solvers and networks on these rows and trains the best one.",
    ),
    field("Solver", solver),
    h("div.row", {}, single.fields),
    boxes,
    action("Train", send, ".strong"),
  );
}

export async function render(context) {
  const place = h("section.card", {}, h("h2", {}, "Trainings"));
  const list = h("div", {});
  place.append(list);
  let schemas;
  try {
    schemas = (await get("/openapi.json", context)).components.schemas;
  } catch (error) {
    if (error.status === 401) throw error;
    put(context.room, refusal(error));
    return;
  }
  put(context.room, form(context, schemas), place);
  context.every(2, async () => {
    const { jobs } = await get(`/v1/jobs?limit=200&model=${encodeURIComponent(context.model)}`, context);
    const trainings = jobs.filter((one) => one.kind === "train");
    put(list, table("Trainings", jobColumns(context, false), trainings, "None was asked for yet."));
  });
}
