// SPDX-License-Identifier: Apache-2.0
// A figure on the screen: uPlot has the axes, the zoom and the crosshair, pen.js the marks.
import uPlot from "./uplot.js";
import { announce, h, put, save } from "./dom.js";
import { describe, extent, tickText, ticksOf, toCsv } from "./figure.js";
import { canvasPen, drawMarks, heatMarkColor, palettes } from "./pen.js";
import { toPng, toSvg } from "./picture.js";

const MAX_NEAR = 20000; // points of a mark among which the one next to the pointer is looked for
const alive = new Set();
const states = new WeakMap(); // of elements
/* What is out of sight is drawn once it comes into sight: a slider may move many plots. */
const sight = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const state = states.get(entry.target);
      state.seen = entry.isIntersecting;
      if (state.seen && state.stale) redraw(state);
    }
  },
  { rootMargin: "100px" },
);
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const isDark = () => style("--dark") === "1";

/** Letters and what depends on them grow with those of the page, as on a large screen. */
const unit = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;

function options(state, width, height) {
  const size = unit();
  /* A long title of an axis is written smaller, so that it is not cut. */
  const titleSize = (which) => {
    const room = which === "x" ? width - 70 * size : height - 50 * size;
    const full = 12 * size;
    return Math.max(0.7 * full, Math.min(full, (full * room) / (0.56 * full * (state.figure[which].label || "").length)));
  };
  const axis = (which, space) => ({
    stroke: style("--muted"),
    grid: { stroke: style("--line"), width: 1 },
    ticks: { stroke: style("--line"), width: 1, size: 4 },
    label: state.figure[which].label || "",
    labelSize: (!state.figure[which].label ? 0 : which === "x" ? 18 : 20) * size,
    labelFont: `${titleSize(which)}px system-ui, sans-serif`,
    font: `${11 * size}px system-ui, sans-serif`,
    space: space * size,
    gap: 3,
    size: (which === "x" ? (turned(state) ? 64 : 26) : 54) * size,
    rotate: which === "x" && turned(state) ? 35 : 0,
    splits: (u, _, low, high) =>
      ticksOf(
        state.figure[which],
        low,
        high,
        Math.max(2, (which === "x" ? u.bbox.width : u.bbox.height) / devicePixelRatio / space / size),
      ).map(([place]) => place),
    values: (_, places) =>
      places.map(
        (place) =>
          state.figure[which].ticks?.find(([one]) => one === place)?.[1] ?? tickText(Number(place.toPrecision(6))),
      ),
    filter: (_, places) => places,
  });
  return {
    width,
    height,
    legend: { show: false },
    padding: [8, 14, 0, 0],
    pxAlign: 0,
    scales: {
      x: { time: false, distr: state.figure.x.log ? 3 : 1, range: () => extent(state.figure, "x") },
      y: { distr: state.figure.y.log ? 3 : 1, range: () => extent(state.figure, "y") },
    },
    axes: [axis("x", 58), axis("y", 34)],
    series: [{}, { paths: () => null, points: { show: false } }],
    cursor: { points: { show: false }, drag: { x: true, y: true, uni: 12, setScale: true }, focus: { prox: -1 } },
    hooks: { draw: [(u) => paint(u, state)], setCursor: [(u) => readUnder(u, state)] },
  };
}

const turned = (state) =>
  unit() * (state.figure.x.ticks || []).reduce((sum, [, text]) => sum + 7 * text.length + 8, 70) > state.width;

function paint(u, state) {
  const { left, top, width, height } = u.bbox;
  const at = {
    left,
    right: left + width,
    top,
    bottom: top + height,
    x: (v) => u.valToPos(v, "x", true),
    y: (v) => u.valToPos(v, "y", true),
    lows: [Math.max(u.scales.x.min, u.scales.y.min)],
    highs: [Math.min(u.scales.x.max, u.scales.y.max)],
  };
  u.ctx.save();
  u.ctx.beginPath();
  u.ctx.rect(left, top, width, height);
  u.ctx.clip();
  const draw = (rings) =>
    drawMarks(
      canvasPen(u.ctx, devicePixelRatio),
      state.figure,
      at,
      palettes[isDark() ? "dark" : "light"],
      style("--ink"),
      rings,
    );
  draw(false);
  u.ctx.restore();
  draw(true);
}

function* pointsOf(mark) {
  if (mark.kind === "bars")
    for (let i = 0; i < mark.top.length; i++) yield [(mark.left[i] + mark.right[i]) / 2, mark.top[i], i];
  else if (mark.kind === "band") for (let i = 0; i < mark.x.length; i++) yield [mark.x[i], mark.high[i], i];
  else if (mark.kind === "line" || mark.kind === "points")
    for (let i = 0; i < mark.x.length; i++) yield [mark.x[i], mark.y[i], i];
}

function wordsFor(figure, mark, x, y, i) {
  const place = figure.x.ticks?.find(([one]) => Math.abs(one - x) < 1e-9)?.[1] ?? tickText(Number(x.toPrecision(5)));
  const error =
    mark.low && Number.isFinite(mark.low[i])
      ? ` (${tickText(Number(mark.low[i].toPrecision(4)))} to ${tickText(Number(mark.high[i].toPrecision(4)))})`
      : "";
  return `${mark.label ? `${mark.label}: ` : ""}${place}, ${y === null || y === undefined ? "–" : tickText(Number(y.toPrecision(5)))}${error}`;
}

function heatWords(heat, x, y) {
  const find = (edges, value) => edges.findIndex((edge, i) => value >= edge && value <= edges[i + 1]);
  const [i, j] = [find(heat.x, x), find(heat.y, y)];
  return i < 0 || j < 0
    ? ""
    : `${heat.label || "value"}: ${tickText(Number(x.toPrecision(4)))}, ${tickText(Number(y.toPrecision(4)))}: ${tickText(Number(heat.z[j][i].toPrecision(5)))}`;
}

/** The point next to the pointer, in words. */
function readUnder(u, state) {
  const { left, top } = u.cursor;
  if (left < 0 || state.byKey) return;
  let best = null;
  let distance = 900;
  const heat = state.figure.marks.find((mark) => mark.kind === "heat");
  for (const mark of state.figure.marks) {
    if (mark.x?.length > MAX_NEAR) continue;
    for (const [x, y, i] of pointsOf(mark)) {
      const d = (u.valToPos(x, "x") - left) ** 2 + (u.valToPos(y, "y") - top) ** 2;
      if (d < distance) {
        distance = d;
        best = wordsFor(state.figure, mark, x, y, i);
      }
    }
  }
  state.readout.textContent = best ?? (heat ? heatWords(heat, u.posToVal(left, "x"), u.posToVal(top, "y")) : "");
}

/** Arrow keys walk over the points, plus and minus zoom, 0 shows all. */
function onKey(event, state) {
  const u = state.u;
  const mark = state.figure.marks.find((one) => ["points", "line", "bars"].includes(one.kind));
  if (event.target !== state.stage || !u) return;
  if ((event.key === "ArrowRight" || event.key === "ArrowLeft") && mark) {
    const list = [...pointsOf(mark)]
      .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y))
      .sort((a, b) => a[0] - b[0]);
    if (!list.length) return;
    state.place = Math.min(Math.max((state.place ?? -1) + (event.key === "ArrowRight" ? 1 : -1), 0), list.length - 1);
    const [x, y, i] = list[state.place];
    state.byKey = true;
    u.setCursor({ left: u.valToPos(x, "x"), top: u.valToPos(y, "y") });
    state.byKey = false;
    state.readout.textContent = wordsFor(state.figure, mark, x, y, i);
    announce(state.readout.textContent);
  } else if (event.key === "+" || event.key === "-") {
    const factor = event.key === "+" ? 0.35 : 0.75;
    u.batch(() =>
      ["x", "y"].forEach((which) => {
        const log = state.figure[which].log;
        const [low, high] = [u.scales[which].min, u.scales[which].max].map((v) => (log ? Math.log(v) : v));
        const [middle, half] = [(low + high) / 2, (high - low) * factor];
        u.setScale(which, {
          min: log ? Math.exp(middle - half) : middle - half,
          max: log ? Math.exp(middle + half) : middle + half,
        });
      }),
    );
  } else if (event.key === "0") refit(state);
  else return;
  event.preventDefault();
}

const frame = (figure) => [extent(figure, "x"), extent(figure, "y")];
/** What the legend says of a figure: the words, and the ends of the colours. */
const keyText = (figure) => figure.marks.map((mark) => `${mark.label}${mark.low}${mark.high}${mark.kind}`).join();

function rekey(state) {
  const text = state.figure.marks.some((mark) => mark.kind === "heat") ? keyText(state.figure) : null;
  if (text === state.keyText) return;
  state.keyText = text;
  put(state.key, ...key(state.figure));
}

function redraw(state) {
  state.stale = false;
  rekey(state);
  if (state.u) refit(state);
}
function refit(state) {
  state.u.setData(frame(state.figure), true);
}

function key(figure) {
  const heat = figure.marks.find((mark) => mark.kind === "heat");
  const colors = palettes[isDark() ? "dark" : "light"];
  const chips = figure.marks
    .filter((mark) => mark.label && mark.kind !== "heat")
    .map((mark) => {
      const chip = h(`span.chip.${mark.kind}`, { "aria-hidden": "true" });
      chip.style.setProperty("--color", mark.ink ? style("--ink") : colors[(mark.color ?? 0) % colors.length]);
      return h("span.key", {}, chip, mark.label);
    });
  if (heat) {
    const bar = h("span.bar", { "aria-hidden": "true" });
    bar.style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((one) => heatMarkColor(heat, one, isDark())).join(",")})`;
    chips.unshift(
      h("span.key", {}, tickText(Number(heat.low.toPrecision(4))), bar, tickText(Number(heat.high.toPrecision(4)))),
    );
  }
  return chips;
}

function build(state) {
  state.width = Math.max(120, Math.floor(state.stage.clientWidth));
  const most = state.tall ? 520 : Math.min(Math.max(340, 0.45 * state.width), 520);
  const height = Math.round(Math.min(Math.max(state.width * 0.62, 170), most));
  state.u?.destroy();
  state.stale = false;
  state.u = new uPlot(options(state, state.width, height), frame(state.figure), state.stage);
}

function tools(state) {
  const name = () => state.figure.name || state.figure.title.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const button = (text, about, work) =>
    h("button.small", { type: "button", "aria-label": `${about} of ${state.figure.title}`, onclick: work }, text);
  return h(
    "div.tools",
    {},
    button("SVG", "Save the picture as SVG", () => save(`${name()}.svg`, "image/svg+xml", toSvg(state.figure))),
    button("PNG", "Save the picture as PNG", async () => save(`${name()}.png`, "image/png", await toPng(state.figure))),
    button("CSV", "Save the numbers as CSV", () => save(`${name()}.csv`, "text/csv", toCsv(state.figure))),
  );
}

/**
 * An element that shows a figure. element.show(figure) shows another one with the same axes.
 * more: {tall}.
 */
export function plot(figure, more = {}) {
  const state = { figure, u: null, tall: more.tall };
  state.stage = h("div.stage", {
    tabindex: "0",
    role: "img",
    "aria-label": describe(figure),
    onkeydown: (event) => onKey(event, state),
    onfocus: () => state.stage.setAttribute("aria-label", describe(state.figure)),
  });
  state.readout = h("output.readout", {});
  state.key = h("div.keys", {}, key(figure));
  const element = h(
    "figure.plot",
    {},
    h("figcaption", {}, h("span.title", {}, figure.title), tools(state)),
    state.key,
    state.stage,
    state.readout,
    figure.note ? h("p.note", {}, figure.note) : null,
  );
  state.element = element;
  state.watch = new ResizeObserver(() => {
    if (Math.abs(state.stage.clientWidth - (state.width ?? 0)) > 2) build(state);
  });
  state.watch.observe(state.stage);
  alive.add(state);
  states.set(element, state);
  sight.observe(element);
  element.figure = figure;
  element.show = (next) => {
    state.figure = next;
    element.figure = next;
    if (state.seen) redraw(state);
    else state.stale = true;
  };
  return element;
}

/** Plots that have left the page give back what they hold; the others take the colours of the theme. */
export function refreshPlots(recolor) {
  for (const state of alive) {
    if (!state.element.isConnected) {
      state.watch.disconnect();
      sight.unobserve(state.element);
      state.u?.destroy();
      alive.delete(state);
    } else if (recolor && state.u) {
      build(state);
      put(state.key, ...key(state.figure));
    }
  }
}
