// SPDX-License-Identifier: Apache-2.0
// The list of models, and the way to a new one.
import { get, getOr, path } from "./api.js";
import { field, h, number, put, table, time } from "./dom.js";
import { uploader } from "./upload.js";

const DETAILS = 24; // models whose versions are asked for; the others are asked for when they come into sight

function sparkline(errors) {
  const list = errors.filter((one) => one !== null);
  if (!list.length) return "–";
  const [low, high] = [Math.min(...list), Math.max(...list)];
  const x = (i) => 3 + (list.length > 1 ? (104 * i) / (list.length - 1) : 52);
  const y = (value) => 23 - (high > low ? (20 * (value - low)) / (high - low) : 10);
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const part = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    picture.append(element);
  };
  picture.setAttribute("class", "spark");
  picture.setAttribute("viewBox", "0 0 110 26");
  picture.setAttribute("role", "img");
  picture.setAttribute(
    "aria-label",
    `Relative error over ${list.length} versions: ${list.map((one) => number(one, 3)).join(", ")}`,
  );
  part("path", { d: list.map((value, i) => `${i ? "L" : "M"}${x(i)} ${y(value)}`).join("") });
  part("circle", { cx: x(list.length - 1), cy: y(list.at(-1)), r: 2.6 });
  return picture;
}

/** Fills the cells of a row that need more than the list says. */
async function fill(model, cells, jobs, signal) {
  const at = (v) => getOr(path`/v1/models/${model.name}/versions/${v}`, null, { signal });
  const last = jobs.find((one) => one.model === model.name && one.kind === "train");
  put(cells.job, last ? h("a", { href: `#/job/${last.id}` }, h(`span.tag.${last.state}`, {}, last.state)) : "–");
  if (!model.default_version) return;
  const details = await get(path`/v1/models/${model.name}`, { signal });
  const recent = details.versions
    .map((one) => one.version)
    .sort((a, b) => a - b)
    .slice(-12);
  const versions = await Promise.all(recent.map(at));
  const served = versions.find((one) => one?.version === model.default_version) ?? (await at(model.default_version));
  const relative = served?.scores?.relative_error;
  put(cells.error, relative === undefined || relative === null ? "–" : `${number(100 * relative, 3)} %`);
  put(
    cells.warnings,
    ...(details.model.warnings || []).map((one) => h("span.tag.warn", { title: one.text }, one.code)),
  );
  put(cells.spark, sparkline(versions.filter(Boolean).map((one) => one.scores?.relative_error ?? null)));
}

function newModel() {
  const name = h("input", { type: "text", pattern: "[A-Za-z0-9._-]+", spellcheck: "false", autocomplete: "off" });
  const upload = uploader({
    model: () => name.value.trim(),
    isNew: true,
    done: () => {
      location.hash = `#/model/${encodeURIComponent(name.value.trim())}/data`;
    },
  });
  return h(
    "details",
    {},
    h("summary", {}, "New model from a table of simulation runs"),
    h("section.card", {}, field("Name of the model", name, "Letters, digits, and . _ -"), upload),
  );
}

export async function render(context) {
  const [{ models }, jobs] = await Promise.all([
    get("/v1/models", context),
    get("/v1/jobs?limit=1000", context).then((one) => one.jobs),
  ]);
  const filter = h("input", { type: "search", oninput: () => draw() });
  const place = h("div", {});
  const cells = new Map(
    models.map((one) => [
      one.name,
      { error: h("span", {}, ""), warnings: h("div.warnings", {}), job: h("span", {}, ""), spark: h("span", {}) },
    ]),
  );
  const wanted = new Set();
  const want = (model) => {
    if (wanted.has(model.name)) return null;
    wanted.add(model.name);
    return fill(model, cells.get(model.name), jobs, context.signal).catch(context.fail);
  };
  const watch = new IntersectionObserver((seen) =>
    seen
      .filter((one) => one.isIntersecting)
      .forEach((one) => want(models.find((model) => model.name === one.target.dataset.model))),
  );
  const draw = () => {
    const shown = models.filter((one) => one.name.toLowerCase().includes(filter.value.toLowerCase()));
    put(
      place,
      table(
        "Models",
        [
          {
            name: "Model",
            cell: (one) =>
              h("a", { href: `#/model/${encodeURIComponent(one.name)}`, "data-model": one.name }, one.name),
          },
          { name: "Rows", right: true, cell: (one) => number(one.rows) },
          { name: "Versions", right: true, cell: (one) => number(one.versions) },
          {
            name: "Served",
            right: true,
            cell: (one) => (one.default_version ? `version ${one.default_version}` : "none yet"),
          },
          { name: "Relative error", right: true, cell: (one) => cells.get(one.name).error },
          { name: "Over versions", cell: (one) => cells.get(one.name).spark },
          { name: "Last training", cell: (one) => cells.get(one.name).job },
          { name: "Warnings", cell: (one) => cells.get(one.name).warnings },
          { name: "Created", cell: (one) => time(one.created) },
        ],
        shown,
        models.length
          ? "No model has such a name."
          : "There is no model yet. Upload a table of simulation runs below: inputs first, outputs last.",
      ),
    );
    for (const element of place.querySelectorAll("[data-model]")) watch.observe(element);
  };
  context.signal.addEventListener("abort", () => watch.disconnect());
  const create = newModel();
  create.open = !models.length;
  put(
    context.room,
    h("h1", {}, "Models"),
    h("section.card", {}, models.length > 8 ? field("Find a model", filter) : null, place),
    create,
  );
  draw();
  await Promise.all(models.slice(0, DETAILS).map(want));
}
