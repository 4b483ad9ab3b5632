// SPDX-License-Identifier: Apache-2.0
// What the columns of a model are: names, units, bounds, from its space, a version and its rows.
import { getOr, path } from "./api.js";
import { labelled } from "./dom.js";

/**
 * {inputs: [{name, unit, label, type, values, low, high, log, start, trained: [low, high]|null}],
 *  outputs: [{k, name, ref, unit, label}], version, data}, k: the number of the output, ref: what requests call it. version: the description of one, or null.
 */
export async function columnsOf(model, options = {}) {
  const [space, data, version] = await Promise.all([
    getOr(path`/v1/models/${model}/space`, null, options),
    getOr(path`/v1/models/${model}/data`, null, options),
    getOr(path`/v1/models/${model}/versions/${options.version ?? "@default"}`, null, options),
  ]);
  const given = space?.space ?? { inputs: [], outputs: [] };
  const stored = (kind) => (data?.columns ?? []).filter((one) => one[kind] !== undefined);
  const counted = (kind, n, from = 0) => Array.from({ length: Math.max(0, n - from) }, (_, i) => `${kind} ${from + i}`);
  const fieldOf = version?.output_reduction?.outputs;
  const named = (kind, list) =>
    version?.names?.[list] ??
    (given[list].length
      ? given[list].map((one) => one.name)
      : stored(kind).map((one, i) => one.name ?? `${kind} ${i}`));
  const names = (kind, list) => {
    const found = named(kind, list);
    if (!found.length) return counted(kind, (list === "outputs" ? fieldOf : null) ?? version?.architecture?.[list] ?? 0);
    // Of more than 4096 stored columns only the first are described.
    return list === "outputs" ? [...found, ...counted(kind, fieldOf ?? data?.outputs ?? 0, found.length)] : found;
  };
  const inputs = names("input", "inputs").map((name, i) => {
    const known = given.inputs.find((one) => one.name === name) ?? {};
    const column = stored("input")[i];
    const range = version?.training_range?.[i] ?? null;
    const unit = known.unit ?? version?.units?.inputs?.[i] ?? null;
    const [low, high] = known.bounds ?? range ?? (column ? [column.min, column.max] : [0, 1]);
    const log = /^log|_log/.test(known.distribution?.kind ?? "") && low > 0;
    const middle = log ? Math.sqrt(low * high) : (low + high) / 2;
    return {
      name,
      unit,
      label: labelled(name, unit),
      type: known.type ?? "real",
      values: known.values ?? null,
      low,
      high: high > low ? high : low + 1,
      log,
      bounded: Boolean(known.bounds),
      start:
        known.default ??
        (known.type === "category"
          ? known.values[0]
          : known.type === "integer"
            ? Math.round(middle)
            : Number(middle.toPrecision(4))),
      trained: known.type === "category" ? null : range,
    };
  });
  const units = new Map(given.outputs.map((one) => [one.name, one.unit]));
  const isNamed = Boolean(version?.names?.outputs ?? (given.outputs.length || stored("output")[0]?.name));
  const outputs = names("output", "outputs").map((name, k) => {
    const unit = units.get(name) ?? version?.units?.outputs?.[k] ?? null;
    return { k, name, ref: isNamed ? name : `y${k + 1}`, unit, label: labelled(name, unit) };
  });
  return { inputs, outputs, version, data };
}

/** n values of an input between its bounds: even, or even in the logarithm. */
export function ladder(input, n) {
  if (input.type === "category") return input.values;
  if (input.type === "integer") {
    const step = Math.max(1, Math.ceil((input.high - input.low) / (n - 1)));
    const values = [];
    for (let v = Math.ceil(input.low); v <= input.high; v += step) values.push(v);
    return values;
  }
  const f = (share) =>
    input.log ? input.low * (input.high / input.low) ** share : input.low + (input.high - input.low) * share;
  return Array.from({ length: n }, (_, i) => f(i / (n - 1)));
}
