// SPDX-License-Identifier: Apache-2.0
// Points on maps of what the model says, over two inputs that may be chosen.
import { choose, field, h, number, put, table } from "./dom.js";
import { askMap, trainedBox } from "./explore.js";
import { edgesOf } from "./figure.js";
import { plot } from "./plot.js";

/** The borders of cells around values; of an axis in logarithms, half way in these. */
export const edgesAlong = (values, log) =>
  log ? edgesOf(values.map(Math.log)).map(Math.exp) : edgesOf(values);

/** The standard deviation of an output over two inputs, with points on it. */
export async function mapWith(context, columns, place, title, point) {
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
      size: point.length > 20 ? 3 : 5,
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
            x: edgesAlong(x.values, p.log),
            y: edgesAlong(y.values, q.log),
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

export function pointsTable(columns, points, more = []) {
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

