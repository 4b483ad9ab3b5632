// SPDX-License-Identifier: Apache-2.0
// Outputs that are a field: the whole of it at one point, as a curve or as maps over its coordinates.
import { json, path } from "./api.js";
import { edgesOf } from "./figure.js";

const MAX_PLACES = 40000; // that are asked for; of more every second, third, ...

const ordered = (values, places) => places.slice().sort((a, b) => values[a] - values[b]);
const every = (n, step) => Array.from({ length: Math.ceil(n / step) }, (_, i) => i * step);

/**
 * How the field of a version is drawn: {kind: "curve", x, places, label} or {kind: "map", x, y, places}, where
 * places are the numbers of the outputs, of a map those of one y after the other; null: it has no such picture.
 */
export function layoutOf(version) {
  const n = version?.output_reduction?.outputs ?? 0;
  if (n < 2) return null;
  const given = version.settings?.output_reduction?.coordinates ?? null;
  const axes = given?.axes ?? null;
  if (axes?.length === 2 && axes.every((one) => one.length > 1)) {
    const step = Math.max(1, Math.ceil(Math.sqrt(n / MAX_PLACES)));
    const [x, y] = axes.map((one) => ordered(one, every(one.length, step)));
    if (x.length < 2 || y.length < 2) return null;
    return {
      kind: "map",
      step,
      x: x.map((i) => axes[0][i]),
      y: y.map((j) => axes[1][j]),
      places: y.flatMap((j) => x.map((i) => i * axes[1].length + j)),
    };
  }
  const list = axes ? (axes.length === 1 ? axes[0] : null) : given;
  if (axes && !list) return null;
  const along = list?.map((one) => (Array.isArray(one) ? (one.length === 1 ? one[0] : NaN) : one));
  if (along && (along.length !== n || along.some(Number.isNaN))) return null;
  const step = Math.ceil(n / MAX_PLACES);
  const places = along ? ordered(along, every(n, step)) : every(n, step);
  return {
    kind: "curve",
    step,
    x: along ? places.map((k) => along[k]) : places,
    places,
    label: along ? "coordinate" : "number of the output",
  };
}

/** Mean and standard deviation at the layout's places, of one point. */
export async function askField(context, columns, layout, at) {
  const { version } = columns;
  const answer = await json(
    "POST",
    path`/v1/models/${context.model}/versions/${version.version}/predict`,
    {
      inputs: [at],
      return: ["mean", "std"],
      ...(layout.step > 1 ? { outputs: layout.places } : {}),
    },
    { signal: context.signal },
  );
  const of = (list) => (layout.step > 1 ? list : layout.places.map((k) => list[k]));
  return { mean: of(answer.mean[0]), std: of(answer.std[0]) };
}

export function fieldFigures(layout, { mean, std }) {
  if (layout.kind === "curve")
    return [
      {
        name: "field",
        title: "The field at this point",
        x: { label: layout.label },
        y: { label: "output" },
        marks: [
          {
            kind: "band",
            label: "± 2 standard deviations",
            color: 0,
            x: layout.x,
            low: mean.map((m, i) => m - 2 * std[i]),
            high: mean.map((m, i) => m + 2 * std[i]),
          },
          { kind: "line", label: "mean", color: 0, x: layout.x, y: mean },
        ],
      },
    ];
  const n = layout.x.length;
  const heat = (name, title, values) => ({
    name,
    title,
    x: { label: "first coordinate" },
    y: { label: "second coordinate" },
    marks: [
      {
        kind: "heat",
        label: title,
        x: edgesOf(layout.x),
        y: edgesOf(layout.y),
        z: layout.y.map((_, j) => values.slice(j * n, (j + 1) * n)),
        low: values.reduce((p, q) => Math.min(p, q)),
        high: values.reduce((p, q) => Math.max(p, q)),
      },
    ],
  });
  return [
    heat("field-mean", "Mean of the field at this point", mean),
    heat("field-std", "Standard deviation of the field at this point", std),
  ];
}
