// SPDX-License-Identifier: Apache-2.0
// A plot as data, apart from where it is drawn.
//
// figure: {name, title, x: axis, y: axis, marks: [..], note}
// axis:   {label, min, max, log, ticks: [[place, text], ..]}; min and max come from the marks where absent
// marks, each with `label` and `color`, a number of the palette:
//   line    x, y [n], dash                 band     x, low, high [n]
//   points  x, y [n], low, high [n] (bars of errors), size, ring (a white edge)
//   bars    left, right, top [n], low, high, outerLow, outerHigh [n] (two errors)
//   heat    x [n + 1], y [m + 1] edges, z [m][n], low, high, signed (colours for both sides of the middle)
//   level   y or x: one number             equal    the line y = x
// A value that is null or no finite number leaves a gap.

const good = Number.isFinite;

function* valuesOf(mark, which) {
  if (mark.kind === "heat") yield* which === "x" ? mark.x : mark.y;
  else if (mark.kind === "bars") {
    const lists =
      which === "x" ? [mark.left, mark.right] : [mark.top, mark.low, mark.high, mark.outerLow, mark.outerHigh];
    for (const list of lists) yield* list || [];
    if (which === "y") yield 0;
  } else if (mark.kind === "level") {
    if (good(mark[which])) yield mark[which];
  } else if (mark.kind !== "equal") {
    const lists = which === "x" ? [mark.x] : [mark.y, mark.low, mark.high];
    for (const list of lists) yield* list || [];
  }
}

/** [low, high] of an axis, with some room around what is drawn. */
export function extent(figure, which) {
  const axis = figure[which];
  let low = Infinity;
  let high = -Infinity;
  for (const mark of figure.marks) {
    for (const value of valuesOf(mark, which)) {
      if (good(value) && !(axis.log && value <= 0)) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
  }
  if (low > high) [low, high] = axis.log ? [0.1, 1] : [0, 1];
  const tight =
    figure.marks.some((mark) => mark.kind === "heat") ||
    (which === "x" && figure.marks.every((mark) => mark.kind !== "points" && mark.kind !== "equal"));
  if (axis.log) {
    const room = tight || low === high ? 1 : (high / low) ** 0.05;
    return [axis.min ?? (low === high ? low / 2 : low / room), axis.max ?? (low === high ? high * 2 : high * room)];
  }
  if (low === high) {
    const half = Math.abs(low) / 10 || 0.5;
    low -= half;
    high += half;
  }
  const room = tight ? 0 : 0.05 * (high - Math.min(low, axis.min ?? low));
  const onZero = which === "y" && figure.marks.some((mark) => mark.kind === "bars");
  return [axis.min ?? (onZero && low === 0 ? 0 : low - room), axis.max ?? high + room];
}

/** Places of ticks between low and high, about `n` of them: 1, 2 or 5 times a power of ten. */
export function ticksOf(axis, low, high, n) {
  if (axis.ticks) return axis.ticks.filter(([place]) => place >= low && place <= high);
  const found = [];
  if (axis.log) {
    const decades = Math.log10(high / low);
    const factors = decades > 4 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
    const every = Math.max(1, Math.ceil(decades / n));
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += every) {
      for (const factor of factors) {
        const place = Number(`${factor}e${e}`);
        if (place >= low && place <= high) found.push([place, tickText(place)]);
      }
    }
    if (found.length >= 2) return found;
  }
  const raw = (high - low) / Math.max(n, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const steps = [0.5, 1, 2, 5, 10].map((one) => one * power);
  let at = Math.max(1, steps.findIndex((one) => one >= raw * 0.999));
  const count = (step) => Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
  if (count(steps[at]) < 2) at--; // one number alone tells no scale
  const step = steps[at];
  const places = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++)
    places.push([i * step, tickText(Number((i * step).toPrecision(12)))]);
  return places;
}

export function tickText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3
    ? value
        .toExponential(2)
        .replace(/\.?0+e/, "e")
        .replace("e+", "e")
    : String(Number(value.toPrecision(6)));
}

const quote = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
const cell = (value) => (value === null || value === undefined || Number.isNaN(value) ? "" : quote(String(value)));

function columnsOf(mark) {
  switch (mark.kind) {
    case "line":
      return [
        ["x", mark.x],
        ["y", mark.y],
      ];
    case "band":
      return [
        ["x", mark.x],
        ["low", mark.low],
        ["high", mark.high],
      ];
    case "points":
      return [
        ["x", mark.x],
        ["y", mark.y],
        ["low", mark.low],
        ["high", mark.high],
      ];
    case "bars":
      return [
        ["left", mark.left],
        ["right", mark.right],
        ["y", mark.top],
        ["low", mark.low],
        ["high", mark.high],
        ["outer_low", mark.outerLow],
        ["outer_high", mark.outerHigh],
      ];
    case "level":
      return [
        ["x", [mark.x ?? null]],
        ["y", [mark.y ?? null]],
      ];
    default:
      return [];
  }
}

/** All numbers as CSV, each with all its digits: a block of rows for each mark, which its label begins. */
export function toCsv(figure) {
  const names = ["mark", "x", "y", "low", "high", "left", "right", "outer_low", "outer_high", "z"];
  const rows = [];
  for (const mark of figure.marks) {
    const label = mark.label || mark.kind;
    if (mark.kind === "heat") {
      const middle = (edges, i) => (edges[i] + edges[i + 1]) / 2;
      mark.z.forEach((line, j) =>
        line.forEach((z, i) => rows.push({ mark: label, x: middle(mark.x, i), y: middle(mark.y, j), z })),
      );
      continue;
    }
    const columns = columnsOf(mark).filter(([, list]) => list);
    for (let i = 0; i < (columns[0]?.[1].length ?? 0); i++)
      rows.push(Object.fromEntries([["mark", label], ...columns.map(([name, list]) => [name, list[i]])]));
  }
  const used = names.filter((name) => rows.some((row) => row[name] !== undefined && row[name] !== null));
  return [used.join(","), ...rows.map((row) => used.map((name) => cell(row[name])).join(","))].join("\n") + "\n";
}

/** In words, for those who do not see it. */
export function describe(figure) {
  const [x, y] = ["x", "y"].map((which) => extent(figure, which).map(tickText).join(" to "));
  const kinds = figure.marks.map((mark) => mark.label).filter(Boolean);
  return `${figure.title}. ${figure.x.label || "x"} from ${x}, ${figure.y.label || "y"} from ${y}.${kinds.length ? ` Shown: ${kinds.join(", ")}.` : ""}`;
}

/** The borders of cells around values. */
export const edgesOf = (values) => {
  const middle = values.slice(1).map((v, i) => (v + values[i]) / 2);
  return [2 * values[0] - middle[0], ...middle, 2 * values.at(-1) - middle.at(-1)];
};

/** A histogram of numbers: {left, right, top}. */
export function histogram(values, bins = 20, low, high) {
  const list = values.filter(good);
  low ??= list.reduce((a, b) => Math.min(a, b), Infinity);
  high ??= list.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!list.length || !good(low)) return { left: [], right: [], top: [] };
  if (low === high) {
    low -= 0.5;
    high += 0.5;
  }
  const width = (high - low) / bins;
  const top = new Array(bins).fill(0);
  for (const value of list)
    if (value >= low && value <= high) top[Math.min(bins - 1, Math.floor((value - low) / width))]++;
  return { left: top.map((_, i) => low + i * width), right: top.map((_, i) => low + (i + 1) * width), top };
}
