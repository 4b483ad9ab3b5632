// SPDX-License-Identifier: Apache-2.0
// Uploading a file of rows by dragging it onto the page, or by choosing it.
import { json, path } from "./api.js";
import { bytes, facts, field, h, number, put, refusal, withheld } from "./dom.js";

const TYPES = {
  csv: "text/csv",
  txt: "text/csv",
  dat: "text/csv",
  tsv: "text/tab-separated-values",
  json: "application/json",
  npy: "application/x-npy",
  npz: "application/x-npz",
};

function told(answer) {
  const notes = [];
  if (answer.failed_rows) notes.push(`${answer.failed_rows} runs without outputs`);
  if (answer.duplicates?.count) notes.push(`${answer.duplicates.count} rows that were stored already`);
  if (answer.outliers?.count) notes.push(`${answer.outliers.count} values far from the others`);
  return h(
    "div",
    { role: "status" },
    h("p.done", {}, `${answer.rows} rows are stored as batch ${answer.batch}.`),
    facts([
      ["Rows in all", number(answer.total_rows)],
      ["Inputs", (answer.names?.inputs ?? []).join(", ") || number(answer.inputs)],
      ["Outputs", (answer.names?.outputs ?? []).join(", ") || number(answer.outputs)],
      notes.length ? ["To look at", notes.join("; ")] : null,
    ]),
    (answer.warnings || []).map((one) =>
      h(
        "p.warning",
        {},
        `${one.name ?? `column ${one.input ?? one.output}`}: ${one.code.replace(/_/g, " ")}${one.rows ? ` in ${one.rows} rows` : ""}`,
      ),
    ),
  );
}

/** A refusal with the place in the file that it names, and the line itself. */
async function why(error, file) {
  const line = error.problem?.line ?? Number([...error.message.matchAll(/\bline (\d+)/g)].at(-1)?.[1] ?? 0);
  let text = null;
  if (line > 0 && file.size < 5e7 && !/\.np[yz]$/.test(file.name)) text = (await file.text()).split(/\r?\n/)[line - 1];
  return h(
    "div",
    {},
    refusal(error),
    text !== null && text !== undefined
      ? h("p", {}, `Line ${line} of the file: `, h("code", {}, text.slice(0, 300)))
      : null,
  );
}

/** options: model() a name, isNew, done(answer). */
export function uploader(options) {
  const off = withheld("write");
  if (off) return h("p.note", {}, off);
  const outputs = h("input", { type: "number", min: "1", value: "1" });
  const missing = h("input", { type: "checkbox" });
  const place = h("div", {});
  const send = async (file) => {
    const name = options.model();
    if (!name) {
      put(place, refusal({ message: "The model needs a name first." }));
      return;
    }
    const query = new URLSearchParams();
    if (options.isNew) query.set("outputs", outputs.value);
    if (missing.checked) query.set("missing", "allow");
    put(place, h("p", { role: "status" }, `${file.name} (${bytes(file.size)}) is being sent …`));
    try {
      const type = TYPES[file.name.split(".").pop().toLowerCase()] ?? "text/csv";
      const answer = await json("POST", `${path`/v1/models/${name}/data`}?${query}`, file, {
        headers: { "Content-Type": type, "Surrogate-Source": encodeURIComponent(file.name).slice(0, 200) },
      });
      put(place, told(answer));
      options.done?.(answer);
    } catch (error) {
      put(place, await why(error, file));
    }
  };
  const input = h("input", {
    type: "file",
    accept: Object.keys(TYPES)
      .map((one) => `.${one}`)
      .join(","),
    onchange: () => {
      if (input.files.length) send(input.files[0]);
      input.value = "";
    },
  });
  const zone = h(
    "div.drop",
    {
      ondragover: (event) => {
        event.preventDefault();
        zone.classList.add("over");
      },
      ondragleave: () => zone.classList.remove("over"),
      ondrop: (event) => {
        event.preventDefault();
        zone.classList.remove("over");
        if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
      },
    },
    h("p", {}, "Drag a file here: a table with names in its first line (CSV, TSV), JSON, or NumPy."),
    field("or choose it", input),
  );
  return h(
    "div",
    {},
    options.isNew ? field("How many of the last columns are outputs", outputs) : null,
    field("Outputs may be missing", missing, "Empty cells stand for outputs that a run did not give."),
    zone,
    place,
  );
}
