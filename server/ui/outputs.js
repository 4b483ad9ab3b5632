// SPDX-License-Identifier: Apache-2.0
// Which outputs of a model with many of them a view shows: a few, chosen as in requests, and kept in the link.
import { field, h, put, refusal } from "./dom.js";

export const MAX_OUTPUTS = 24; // that a view goes through; of more there is a choice
const FIRST = 4; // shown where none are chosen

/** The numbers of the outputs that a text names: names, numbers from 0, a:b and a:b:step (without b), with commas. */
export function numbersOf(outputs, text) {
  const byName = new Map(outputs.map((one, k) => [one.name, k]));
  const found = new Set();
  for (const part of text.split(",").map((one) => one.trim())) {
    if (part === "") continue;
    const range = part.match(/^(\d*):(\d*)(?::(\d+))?$/);
    const first = range ? Number(range[1]) : (byName.get(part) ?? (/^\d+$/.test(part) ? Number(part) : NaN));
    const end = range ? (range[2] === "" ? outputs.length : Number(range[2])) : first + 1;
    const step = range && range[3] !== undefined ? Number(range[3]) : 1;
    if (!(first < outputs.length && end > first && end <= outputs.length && step > 0))
      throw new Error(
        `“${part}” is no output: neither a name, nor a number from 0 to ${outputs.length - 1}, nor a range first:end or first:end:step.`,
      );
    for (let k = first; k < end && found.size <= MAX_OUTPUTS; k += step) found.add(k);
  }
  if (!found.size) throw new Error("No output is named.");
  if (found.size > MAX_OUTPUTS) throw new Error(`More than ${MAX_OUTPUTS} outputs are not shown at once.`);
  return [...found];
}

/**
 * The columns with the outputs that the link chooses, or the first few of many, and what says so:
 * {columns, choice: element|null}. columns.total: how many outputs there are.
 */
export function chosenOutputs(context, columns) {
  const total = columns.outputs.length;
  if (total <= MAX_OUTPUTS) return { columns: { ...columns, total }, choice: null };
  const text = context.query.get("outputs") ?? `0:${FIRST}`;
  let places = Array.from({ length: FIRST }, (_, k) => k);
  const wrong = h("div", {});
  try {
    places = numbersOf(columns.outputs, text);
  } catch (error) {
    put(wrong, refusal(error));
  }
  const input = h("input", { type: "text", value: text, spellcheck: "false", autocomplete: "off", size: "16" });
  const take = (event) => {
    event.preventDefault();
    try {
      numbersOf(columns.outputs, input.value);
    } catch (error) {
      put(wrong, refusal(error));
      return;
    }
    context.keep({ outputs: input.value.trim() });
    context.reload();
  };
  const choice = h(
    "form",
    { onsubmit: take },
    h(
      "div.row",
      {},
      field("Outputs", input, `${places.length} of ${total} are shown. Names, numbers from 0, or first:end`),
      h("div.field.low", {}, h("button", {}, "Show them")),
    ),
    wrong,
  );
  return { columns: { ...columns, outputs: places.map((k) => columns.outputs[k]), total }, choice };
}

/** What a request for predictions needs so that the answer has the columns' outputs alone, in their order. */
export const onlyThese = (columns) =>
  columns.total > columns.outputs.length ? { outputs: columns.outputs.map((one) => one.k) } : {};
