// SPDX-License-Identifier: Apache-2.0
// Sliders for the inputs, and what the model says along them.
import { json, path } from "./api.js";
import { choose, field, h, number, put } from "./dom.js";
import { edgesOf } from "./figure.js";
import { askField, fieldFigures, layoutOf } from "./fields.js";
import { chosenOutputs, onlyThese } from "./outputs.js";
import { plot } from "./plot.js";
import { columnsOf, ladder } from "./space.js";

const POINTS = 41; // of a slice
const CELLS = 36; // a side of a map
const ALL_SLICES = 24; // plots that "along every input" may make

/** Asks for one answer at a time, and next for the newest place of the sliders: those between are left out. */
export function newest(ask, take, fail) {
  let running = false;
  let next = null;
  return async function go(what) {
    next = what;
    if (running) return;
    running = true;
    while (next !== null) {
      const now = next;
      next = null;
      try {
        take(await ask(now), now);
      } catch (error) {
        next = null;
        fail(error);
      }
    }
    running = false;
  };
}

const axisOf = (input) =>
  input.type === "category"
    ? { label: input.label, ticks: input.values.map((one, i) => [i, String(one)]) }
    : { label: input.label, log: input.log };
const places = (input, values) => (input.type === "category" ? values.map((_, i) => i) : values);

function outside(columns, at) {
  return columns.inputs.filter((one, i) => one.trained && (at[i] < one.trained[0] || at[i] > one.trained[1]));
}

/** Slices along the inputs `along`, by output: {x, mean, std, total} for each. */
async function askSlices(context, columns, noisy, at, along) {
  const ladders = along.map((i) => ladder(columns.inputs[i], POINTS));
  const inputs = along.flatMap((i, a) => ladders[a].map((value) => at.map((old, j) => (j === i ? value : old))));
  const answer = await json(
    "POST",
    path`/v1/models/${context.model}/versions/${columns.version.version}/predict`,
    {
      inputs: [...inputs, at],
      return: ["mean", "std", ...(noisy ? ["total_variance"] : [])],
      ...onlyThese(columns),
    },
    { signal: context.signal },
  );
  let row = 0;
  const slices = along.map((i, a) => {
    const from = row;
    row += ladders[a].length;
    const part = (list, k, f = (v) => v) => list.slice(from, row).map((one) => f(one[k]));
    return {
      input: i,
      x: places(columns.inputs[i], ladders[a]),
      by: columns.outputs.map((_, k) => ({
        mean: part(answer.mean, k),
        std: part(answer.std, k),
        total: noisy ? part(answer.total_variance, k, (v) => Math.sqrt(Math.max(0, v))) : null,
      })),
    };
  });
  return {
    slices,
    here: columns.outputs.map((_, k) => ({ mean: answer.mean[row][k], std: answer.std[row][k] })),
    warnings: answer.warnings,
  };
}

export function sliceFigure(columns, slice, k, at) {
  const input = columns.inputs[slice.input];
  const { mean, std, total } = slice.by[k];
  const band = (s, sign) => mean.map((m, i) => m + 2 * sign * s[i]);
  const here = input.type === "category" ? input.values.indexOf(at[slice.input]) : at[slice.input];
  const beyond =
    input.trained && input.type !== "category"
      ? slice.x.map((x) => x < input.trained[0] || x > input.trained[1])
      : slice.x.map(() => false);
  const keep = (list, wanted) =>
    list.map((value, i) =>
      beyond[i] === wanted || (beyond[i - 1] === wanted && !wanted) || (beyond[i + 1] === wanted && wanted)
        ? value
        : null,
    );
  return {
    name: `slice-${columns.outputs[k].name}-${input.name}`,
    title: `${columns.outputs[k].name} along ${input.name}`,
    x: axisOf(input),
    y: { label: columns.outputs[k].label },
    marks: [
      ...(total
        ? [
            {
              kind: "band",
              label: "± 2 with noise",
              ink: true,
              alpha: 0.14,
              x: slice.x,
              low: band(total, -1),
              high: band(total, 1),
            },
          ]
        : []),
      { kind: "band", label: "± 2 standard deviations", color: 0, x: slice.x, low: band(std, -1), high: band(std, 1) },
      { kind: "line", label: "mean", color: 0, x: slice.x, y: keep(mean, false) },
      ...(beyond.some(Boolean)
        ? [
            {
              kind: "line",
              label: "outside the training range",
              color: 1,
              dash: [4, 3],
              x: slice.x,
              y: keep(mean, true),
            },
          ]
        : []),
      { kind: "level", x: here, ink: true },
    ],
  };
}

function mapFigures(columns, answer, x, y, k, noisy, at) {
  const [a, b] = [columns.inputs[x.i], columns.inputs[y.i]];
  const field2 = (name) => y.values.map((_, j) => x.values.map((__, i) => answer[name][j * x.values.length + i][k]));
  const heat = (title, z) => {
    const all = z.flat();
    const [low, high] = [all.reduce((p, q) => Math.min(p, q)), all.reduce((p, q) => Math.max(p, q))];
    const log = (one, edges) => (one.log ? edgesOf(edges.map(Math.log)).map(Math.exp) : edgesOf(edges));
    return {
      name: title.replace(/ /g, "-"),
      title,
      x: axisOf(a),
      y: axisOf(b),
      marks: [
        { kind: "heat", label: title, x: log(a, places(a, x.values)), y: log(b, places(b, y.values)), z, low, high },
        ...trainedBox(a, b),
        {
          kind: "points",
          label: "the sliders",
          color: 1,
          size: 5,
          ring: true,
          x: [a.type === "category" ? a.values.indexOf(at[x.i]) : at[x.i]],
          y: [b.type === "category" ? b.values.indexOf(at[y.i]) : at[y.i]],
        },
      ],
    };
  };
  return [
    heat(`Mean of ${columns.outputs[k].name}`, field2("mean")),
    heat(`Standard deviation of ${columns.outputs[k].name}`, field2("std")),
  ];
}

/** The border of what the model was trained on, where it runs inside the map. */
export function trainedBox(a, b) {
  if (!a.trained || !b.trained) return [];
  const [[l, r], [d, u]] = [a.trained, b.trained];
  return [{ kind: "line", label: "training range", color: 1, width: 1.5, x: [l, r, r, l, l], y: [d, d, u, u, d] }];
}

/** Predictions on a grid over two inputs. */
export async function askMap(context, columns, at, i, j, cells = CELLS) {
  const x = { i, values: ladder(columns.inputs[i], cells) };
  const y = { i: j, values: ladder(columns.inputs[j], cells) };
  const inputs = y.values.flatMap((v) => x.values.map((u) => at.map((old, c) => (c === i ? u : c === j ? v : old))));
  const answer = await json(
    "POST",
    path`/v1/models/${context.model}/versions/${columns.version.version}/predict`,
    { inputs, return: ["mean", "std"], ...onlyThese(columns) },
    { signal: context.signal },
  );
  return { answer, x, y };
}

function slider(input, value, onchange) {
  const id = `at-${Math.random().toString(36).slice(2)}`;
  const label = h("label", { for: id }, input.label);
  if (input.type === "category") {
    const select = choose(input.values, value, (text) => onchange(input.values.find((one) => String(one) === text)));
    select.id = id;
    return { element: h("div.slider", {}, label, select), mark: () => {} };
  }
  const steps = 400;
  const f = input.log ? Math.log : (v) => v;
  const back = input.log ? Math.exp : (v) => v;
  const [low, high] = [f(input.low), f(input.high)];
  const share = (v) => Math.round(((f(v) - low) / (high - low)) * steps);
  const valueAt = (s) => {
    const v = back(low + ((high - low) * s) / steps);
    return input.type === "integer" ? Math.round(v) : Number(v.toPrecision(6));
  };
  const range = h("input", {
    id,
    type: "range",
    min: "0",
    max: String(steps),
    value: String(share(value)),
    "aria-valuetext": `${number(value)} ${input.unit ?? ""}`,
    oninput: () => {
      const v = valueAt(Number(range.value));
      box.value = String(v);
      range.setAttribute("aria-valuetext", `${number(v)} ${input.unit ?? ""}`);
      onchange(v);
    },
  });
  const box = h("input", {
    type: "number",
    step: "any",
    value: String(value),
    "aria-label": `${input.label}, number`,
    onchange: () => {
      const v = Number(box.value);
      if (Number.isFinite(v) && box.value !== "") {
        range.value = String(share(v));
        onchange(v);
      }
    },
  });
  const element = h("div.slider", {}, label, box, range);
  return { element, mark: (isOutside) => element.classList.toggle("outside", isOutside) };
}

function readAt(columns, text) {
  const parts = text
    ? text.split(",").map((one) => {
        try {
          return decodeURIComponent(one);
        } catch {
          return one;
        }
      })
    : [];
  return columns.inputs.map((one, i) => {
    if (parts[i] === undefined || parts[i] === "") return one.start;
    if (one.type === "category") return one.values.find((value) => String(value) === parts[i]) ?? one.start;
    return Number.isFinite(Number(parts[i])) ? Number(parts[i]) : one.start;
  });
}

export async function render(context) {
  const known = await columnsOf(context.model, { ...context, version: context.query.get("version") ?? "@default" });
  const { columns, choice } = chosenOutputs(context, known);
  if (!columns.version) {
    put(context.room, h("p.empty", {}, "No version yet: upload rows and train first."));
    return;
  }
  const noisy = Boolean(columns.version.noise);
  const at = readAt(columns, context.query.get("at"));
  const many = columns.inputs.length * columns.outputs.length > ALL_SLICES;
  let along = context.query.get("along") ?? (many ? "0" : "all");
  let [mx, my, mk] = (context.query.get("map") ?? "0,1,0").split(",").map(Number);
  if (!columns.inputs[mx] || !columns.inputs[my] || !columns.outputs[mk]) [mx, my, mk] = [0, 1, 0];
  if (along !== "all" && !columns.inputs[along]) along = "0";
  const plots = h("div.grid", {});
  const maps = h("div.grid.wide", {});
  const note = h("p", { role: "status" });
  const here = h("p.note", { id: "speed" });
  let figures = [];
  const count = { updates: 0, since: performance.now() };
  const drawSlices = (answer) => {
    const wanted = answer.slices.flatMap((slice) => columns.outputs.map((_, k) => sliceFigure(columns, slice, k, at)));
    const same =
      figures.length === wanted.length &&
      figures.every(
        (one, i) => one.figure.title === wanted[i].title && one.figure.marks.length === wanted[i].marks.length,
      );
    if (same) figures.forEach((one, i) => one.show(wanted[i]));
    else {
      figures = wanted.map((one) => plot(one));
      put(plots, ...figures);
    }
    const beyond = outside(columns, at);
    note.className = beyond.length ? "warning" : "note";
    note.textContent = beyond.length
      ? `This point lies outside the training range of ${beyond.map((one) => one.name).join(", ")}: the model extrapolates.`
      : "This point lies inside the range of the rows that trained the model.";
    sliders.forEach((one, i) => one.mark(beyond.includes(columns.inputs[i])));
    count.updates++;
    const now = performance.now();
    if (now - count.since > 1000) {
      here.dataset.updates = (count.updates / ((now - count.since) / 1000)).toFixed(1);
      Object.assign(count, { updates: 0, since: now });
    }
    put(
      values,
      ...answer.here.map((one, k) =>
        h(
          "div",
          {},
          h("dt", {}, columns.outputs[k].label),
          h("dd", {}, `${number(one.mean, 5)} ± ${number(2 * one.std, 2)}`),
        ),
      ),
    );
  };
  const list = () => (along === "all" ? columns.inputs.map((_, i) => i) : [Number(along)]);
  const slices = newest((what) => askSlices(context, columns, noisy, what.at, what.along), drawSlices, context.fail);
  const map = newest(
    (what) => askMap(context, columns, what.at, what.i, what.j),
    ({ answer, x, y }) => {
      const wanted = mapFigures(columns, answer, x, y, mk, noisy, at);
      const old = [...maps.children];
      if (
        old.length === 2 &&
        old.every(
          (one, i) =>
            one.figure.title === wanted[i].title &&
            one.figure.x.label === wanted[i].x.label &&
            one.figure.y.label === wanted[i].y.label,
        )
      )
        old.forEach((one, i) => one.show(wanted[i]));
      else put(maps, ...wanted.map((one) => plot(one)));
    },
    context.fail,
  );
  const layout = layoutOf(columns.version);
  const whole = h("div.grid.wide", {});
  const askForField = newest(
    (what) => askField(context, columns, layout, what),
    (answer) => {
      const wanted = fieldFigures(layout, answer);
      const old = [...whole.children];
      if (old.length) old.forEach((one, i) => one.show(wanted[i]));
      else put(whole, ...wanted.map((one) => plot(one)));
    },
    context.fail,
  );
  const mapOpen = h("details", {
    ontoggle: () => {
      context.keep({ map: mapOpen.open ? `${mx},${my},${mk}` : null });
      askForMap();
    },
  });
  const askForMap = () => {
    if (mapOpen.open && columns.inputs.length > 1 && mx !== my) map({ at: [...at], i: mx, j: my });
  };
  let kept = 0;
  const moved = () => {
    slices({ at: [...at], along: list() });
    if (layout) askForField([...at]);
    askForMap();
    clearTimeout(kept);
    kept = setTimeout(() => context.keep({ at: at.map((v) => encodeURIComponent(v)).join(",") }), 250);
  };
  const sliders = columns.inputs.map((one, i) =>
    slider(one, at[i], (value) => {
      at[i] = value;
      moved();
    }),
  );
  const values = h("dl.facts", {});
  const names = columns.inputs.map((one, i) => ({ value: i, text: one.label }));
  const pickMap = (part, value) => {
    if (part === "x") mx = Number(value);
    else if (part === "y") my = Number(value);
    else mk = Number(value);
    context.keep({ map: `${mx},${my},${mk}` });
    askForMap();
  };
  mapOpen.append(
    h("summary", {}, "Map over two inputs"),
    h(
      "div.row",
      {},
      field(
        "Across",
        choose(names, mx, (v) => pickMap("x", v)),
      ),
      field(
        "Up",
        choose(names, my, (v) => pickMap("y", v)),
      ),
      field(
        "Output",
        choose(
          columns.outputs.map((one, k) => ({ value: k, text: one.label })),
          mk,
          (v) => pickMap("k", v),
        ),
      ),
    ),
    maps,
  );
  const pick = choose([...(many ? [] : [{ value: "all", text: "every input" }]), ...names], along, (value) => {
    along = value;
    context.keep({ along: value });
    moved();
  });
  put(
    context.room,
    h("p.note", {}, `Version ${columns.version.version} answers.`),
    h(
      "div.split",
      {},
      h(
        "section.card",
        { "aria-label": "Inputs" },
        h("h2", {}, "Inputs"),
        sliders.map((one) => one.element),
        h(
          "button",
          {
            type: "button",
            onclick: () => {
              context.keep({ at: null });
              context.reload();
            },
          },
          "Back to the middle",
        ),
      ),
      h(
        "div",
        {},
        h("section.card", {}, h("h2", {}, "At this point"), values, note, here),
        layout
          ? h(
              "section.card",
              {},
              h("h2", {}, "The field"),
              h(
                "p.note",
                {},
                `${columns.total} outputs${layout.step > 1 ? `, of which ${layout.places.length} are drawn` : ""}.`,
              ),
              whole,
            )
          : null,
        choice,
        field("Slices along", pick),
        plots,
        columns.inputs.length > 1 ? mapOpen : null,
      ),
    ),
  );
  moved();
  if (context.query.get("map")) mapOpen.open = true;
}
