// SPDX-License-Identifier: Apache-2.0
// Draws the marks of a figure by a pen: the screen's canvas, or SVG. One set of rules for both.
//
// A pen has line(points, style), area(points, style), boxes(list of [x, y, w, h], style),
// dots(xs, ys, radius, style); style: {stroke, fill, width, dash, alpha}. Points are [x, y] in pixels.

// The series of server/plot/theme.def, which says whose they are; tests/style compares them.
export const palettes = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a6f00"],
  dark: ["#56b4e9", "#e8752a", "#1dbb8f", "#d68fb7", "#e69f00", "#3a8fd0", "#f0e442"],
};

// Viridis in nine steps: as dark as it is high, and readable without colour.
const VIRIDIS = [
  [68, 1, 84],
  [71, 45, 123],
  [59, 82, 139],
  [44, 114, 142],
  [33, 145, 140],
  [40, 174, 128],
  [94, 201, 98],
  [173, 220, 48],
  [253, 231, 37],
];

export function heatColor(share) {
  const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  return `rgb(${VIRIDIS[i].map((from, c) => Math.round(from + (at - i) * (VIRIDIS[i + 1][c] - from))).join(",")})`;
}

const ENDS = [
  [0, 114, 178],
  [213, 94, 0],
];
const PAPER = { light: [255, 255, 255], dark: [24, 29, 35] };

/** Of signed numbers: blue below the middle, vermilion above it, as server/plot/palette.c has them. */
export function signedColor(share, dark) {
  const at = 2 * Math.min(Math.max(share, 0), 1) - 1;
  const end = ENDS[at < 0 ? 0 : 1];
  return `rgb(${PAPER[dark ? "dark" : "light"].map((from, c) => Math.round(from + Math.abs(at) * (end[c] - from))).join(",")})`;
}

/** The colour of a share of the range of a heat mark. */
export const heatMarkColor = (mark, share, dark) => (mark.signed ? signedColor(share, dark) : heatColor(share));

const good = Number.isFinite;

/** Runs of points without gaps. */
function runs(xs, ys, at) {
  const found = [];
  let run = [];
  for (let i = 0; i < xs.length; i++) {
    if (good(xs[i]) && good(ys[i])) run.push([at.x(xs[i]), at.y(ys[i])]);
    else if (run.length) {
      found.push(run);
      run = [];
    }
  }
  if (run.length) found.push(run);
  return found;
}

function drawBand(pen, mark, at, color) {
  let up = [];
  let down = [];
  const flush = () => {
    if (up.length > 1) pen.area([...up, ...down.reverse()], { fill: color, alpha: mark.alpha ?? 0.22 });
    up = [];
    down = [];
  };
  for (let i = 0; i < mark.x.length; i++) {
    if (good(mark.low[i]) && good(mark.high[i])) {
      up.push([at.x(mark.x[i]), at.y(mark.high[i])]);
      down.push([at.x(mark.x[i]), at.y(mark.low[i])]);
    } else flush();
  }
  flush();
}

function whiskers(pen, xs, low, high, at, style, cap) {
  for (let i = 0; i < xs.length; i++) {
    if (!good(low?.[i]) || !good(high?.[i]) || !good(xs[i])) continue;
    const [x, a, b] = [at.x(xs[i]), at.y(low[i]), at.y(high[i])];
    pen.line(
      [
        [x, a],
        [x, b],
      ],
      style,
    );
    if (cap)
      for (const y of [a, b])
        pen.line(
          [
            [x - cap, y],
            [x + cap, y],
          ],
          style,
        );
  }
}

function drawPoints(pen, mark, at, color) {
  const many = mark.x.length > 3000;
  if (mark.low && !many) whiskers(pen, mark.x, mark.low, mark.high, at, { stroke: color, width: 1, alpha: 0.5 });
  const xs = [];
  const ys = [];
  for (let i = 0; i < mark.x.length; i++) {
    const [x, y] = good(mark.x[i]) && good(mark.y[i]) ? [at.x(mark.x[i]), at.y(mark.y[i])] : [NaN, NaN];
    const inside = x >= at.left - 1 && x <= at.right + 1 && y >= at.top - 1 && y <= at.bottom + 1;
    if (mark.ring ? inside : good(x)) {
      xs.push(x);
      ys.push(y);
    }
  }
  if (mark.ring) pen.dots(xs, ys, mark.size + 1.5, { fill: "#ffffff" });
  pen.dots(xs, ys, mark.size ?? (many ? 1 : mark.x.length > 500 ? 1.8 : 2.8), {
    fill: color,
    alpha: many ? 0.5 : 0.75,
  });
}

function drawBars(pen, mark, at, color, ink) {
  const zero = at.y(0);
  const list = [];
  for (let i = 0; i < mark.top.length; i++) {
    if (!good(mark.top[i])) continue;
    const [a, b, y] = [at.x(mark.left[i]), at.x(mark.right[i]), at.y(mark.top[i])];
    list.push([a + 0.5, Math.min(y, zero), Math.max(b - a - 1, 0.5), Math.abs(zero - y)]);
  }
  pen.boxes(list, { fill: color, alpha: mark.alpha ?? 0.75 });
  const middle = mark.left.map((left, i) => (left + mark.right[i]) / 2);
  whiskers(pen, middle, mark.outerLow, mark.outerHigh, at, { stroke: ink, width: 1 }, 5);
  whiskers(pen, middle, mark.low, mark.high, at, { stroke: ink, width: 3 });
}

function drawHeat(pen, mark, at, dark) {
  const spread = mark.high - mark.low || 1;
  mark.z.forEach((line, j) =>
    line.forEach((z, i) => {
      if (!good(z)) return;
      const [a, b, c, d] = [at.x(mark.x[i]), at.x(mark.x[i + 1]), at.y(mark.y[j + 1]), at.y(mark.y[j])];
      pen.boxes([[a, c, b - a + 0.6, d - c + 0.6]], {
        fill: heatMarkColor(mark, (z - mark.low) / spread, dark),
      });
    }),
  );
}

/**
 * Marks with a ring are whole at the border, so they are drawn apart (rings) and not cut there.
 * at: {x(value), y(value), left, right, top, bottom} in pixels; colors: a palette; ink: of what is no data.
 */
export function drawMarks(pen, figure, at, colors, ink, rings) {
  for (const mark of figure.marks.filter((one) => Boolean(one.ring) === rings)) {
    const color = mark.ink ? ink : colors[(mark.color ?? 0) % colors.length];
    if (mark.kind === "band") drawBand(pen, mark, at, color);
    else if (mark.kind === "points") drawPoints(pen, mark, at, color);
    else if (mark.kind === "bars") drawBars(pen, mark, at, color, ink);
    else if (mark.kind === "heat") drawHeat(pen, mark, at, colors === palettes.dark);
    else if (mark.kind === "line") {
      for (const run of runs(mark.x, mark.y, at)) {
        if (run.length > 1) pen.line(run, { stroke: color, width: mark.width ?? 1.8, dash: mark.dash });
        else pen.dots([run[0][0]], [run[0][1]], 1.8, { fill: color });
      }
    } else if (mark.kind === "level" && good(mark.y)) {
      pen.line(
        [
          [at.left, at.y(mark.y)],
          [at.right, at.y(mark.y)],
        ],
        { stroke: color, width: 1, dash: [5, 4] },
      );
    } else if (mark.kind === "level" && good(mark.x)) {
      pen.line(
        [
          [at.x(mark.x), at.top],
          [at.x(mark.x), at.bottom],
        ],
        { stroke: color, width: 1, dash: [5, 4] },
      );
    } else if (mark.kind === "equal") {
      pen.line(
        [
          [at.x(at.lows[0]), at.y(at.lows[0])],
          [at.x(at.highs[0]), at.y(at.highs[0])],
        ],
        { stroke: ink, width: 1, dash: [5, 4] },
      );
    }
  }
}

/** A pen for a 2-d context of a canvas; scale: its pixels for each of CSS. */
export function canvasPen(context, scale) {
  const begin = (style) => {
    context.globalAlpha = style.alpha ?? 1;
    context.fillStyle = style.fill || "transparent";
    context.strokeStyle = style.stroke || "transparent";
    context.lineWidth = (style.width ?? 1) * scale;
    context.lineJoin = "round";
    context.setLineDash((style.dash || []).map((one) => one * scale));
    context.beginPath();
  };
  const trace = (points) => points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  return {
    line(points, style) {
      begin(style);
      trace(points);
      context.stroke();
    },
    area(points, style) {
      begin(style);
      trace(points);
      context.closePath();
      context.fill();
    },
    boxes(list, style) {
      begin(style);
      for (const box of list) context.rect(...box);
      context.fill();
    },
    dots(xs, ys, radius, style) {
      begin(style);
      const r = radius * scale;
      for (let i = 0; i < xs.length; i++) {
        if (radius <= 1) context.rect(xs[i] - r, ys[i] - r, 2 * r, 2 * r);
        else {
          context.moveTo(xs[i] + r, ys[i]);
          context.arc(xs[i], ys[i], r, 0, 2 * Math.PI);
        }
      }
      context.fill();
    },
  };
}

const short = (value) => String(Math.round(value * 100) / 100);
const pairs = (points) => points.map(([x, y]) => `${short(x)},${short(y)}`).join(" ");

/** A pen that writes SVG; .text() is what was written. */
export function svgPen() {
  const out = [];
  const look = (style) =>
    `fill="${style.fill || "none"}"${style.stroke ? ` stroke="${style.stroke}" stroke-width="${style.width ?? 1}" stroke-linejoin="round"` : ""}` +
    `${style.dash ? ` stroke-dasharray="${style.dash.join(" ")}"` : ""}${style.alpha !== undefined ? ` opacity="${style.alpha}"` : ""}`;
  return {
    text: () => out.join("\n"),
    line(points, style) {
      out.push(`<polyline points="${pairs(points)}" ${look(style)}/>`);
    },
    area(points, style) {
      out.push(`<polygon points="${pairs(points)}" ${look(style)}/>`);
    },
    boxes(list, style) {
      const d = list
        .map(([x, y, w, height]) => `M${short(x)} ${short(y)}h${short(w)}v${short(height)}h${short(-w)}z`)
        .join("");
      if (d) out.push(`<path d="${d}" ${look(style)}/>`);
    },
    dots(xs, ys, radius, style) {
      const d = xs.map((x, i) => `M${short(x)} ${short(ys[i])}h0`).join("");
      if (d)
        out.push(
          `<path d="${d}" fill="none" stroke="${style.fill}" stroke-width="${2 * radius}" stroke-linecap="round" opacity="${style.alpha ?? 1}"/>`,
        );
    },
  };
}
