// SPDX-License-Identifier: Apache-2.0
// A figure as a file: SVG with axes of its own, and PNG made of that. Always light, for paper.
import { extent, tickText, ticksOf } from "./figure.js";
import { drawMarks, heatMarkColor, palettes, svgPen } from "./pen.js";

const WIDTH = 640;
const HEIGHT = 420;
const INK = "#1a1a1a"; // of server/plot/theme.def too
const GRID = "#e6e8eb";

const safe = (text) =>
  String(text).replace(/[&<>"]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[one]);

function scale(axis, [low, high], from, to) {
  const f = axis.log ? Math.log : (value) => value;
  const [a, b] = [f(low), f(high)];
  return (value) => from + ((f(value) - a) / (b - a)) * (to - from);
}

function label(x, y, text, more = "") {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${safe(text)}</text>`;
}

/** The marks' names in lines that end before the edge: {text, lines}. */
function legend(figure, colors, left, top) {
  const shown = figure.marks.filter((mark) => mark.label && mark.kind !== "heat");
  let [x, line] = [left, 0];
  const words = shown.map((mark) => {
    const color = mark.ink ? INK : colors[(mark.color ?? 0) % colors.length];
    const faint = mark.kind === "band" ? 0.3 : 1;
    const width = 28 + 6.2 * mark.label.length;
    if (x > left && x + width - 12 > WIDTH) {
      x = left;
      line++;
    }
    const y = top + 15 * line;
    const text = `<rect x="${x}" y="${y - 8}" width="12" height="8" fill="${color}" opacity="${faint}"/>${label(x + 16, y, mark.label)}`;
    x += width;
    return text;
  });
  return { text: words.join("\n"), lines: line + 1 };
}

function colorBar(mark, x, top, bottom) {
  const steps = 32;
  const height = (bottom - top) / steps;
  const boxes = Array.from(
    { length: steps },
    (_, i) =>
      `<rect x="${x}" y="${(bottom - (i + 1) * height).toFixed(2)}" width="12" height="${(height + 0.5).toFixed(2)}" fill="${heatMarkColor(mark, (i + 0.5) / steps, false)}"/>`,
  );
  return [
    ...boxes,
    label(x + 16, top + 8, tickText(Number(mark.high.toPrecision(4)))),
    label(x + 16, bottom, tickText(Number(mark.low.toPrecision(4)))),
  ].join("\n");
}

export function toSvg(figure) {
  const heat = figure.marks.find((mark) => mark.kind === "heat");
  const names = legend(figure, palettes.light, 74, 40);
  const box = { left: 74, right: WIDTH - (heat ? 84 : 18), top: 37 + 15 * names.lines, bottom: HEIGHT - 52 };
  const [ex, ey] = [extent(figure, "x"), extent(figure, "y")];
  const at = {
    ...box,
    x: scale(figure.x, ex, box.left, box.right),
    y: scale(figure.y, ey, box.bottom, box.top),
    lows: [Math.max(ex[0], ey[0])],
    highs: [Math.min(ex[1], ey[1])],
  };
  const marks = [false, true].map((rings) => {
    const pen = svgPen();
    drawMarks(pen, figure, at, palettes.light, INK, rings);
    return pen.text();
  });
  const turned = figure.x.ticks && figure.x.ticks.length > 6;
  const xs = ticksOf(figure.x, ...ex, 7).map(([place, text]) => {
    const x = at.x(place);
    return (
      `<path d="M${x.toFixed(1)} ${box.top}V${box.bottom}" stroke="${GRID}"/>` +
      (turned
        ? label(
            x,
            box.bottom + 12,
            text,
            `text-anchor="end" transform="rotate(-35 ${x.toFixed(1)} ${box.bottom + 12})"`,
          )
        : label(x, box.bottom + 17, text, 'text-anchor="middle"'))
    );
  });
  const ys = ticksOf(figure.y, ...ey, 6).map(([place, text]) => {
    const y = at.y(place);
    return (
      `<path d="M${box.left} ${y.toFixed(1)}H${box.right}" stroke="${GRID}"/>` +
      label(box.left - 8, y + 4, text, 'text-anchor="end"')
    );
  });
  const middle = (box.top + box.bottom) / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="${INK}" role="img" aria-label="${safe(figure.title)}">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<clipPath id="inside"><rect x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}"/></clipPath>
${label(box.left, 20, figure.title, 'font-size="14" font-weight="bold"')}
${names.text}
${[...xs, ...ys].join("\n")}
<g clip-path="url(#inside)">
${marks[0]}
</g>
<rect x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}" fill="none" stroke="${INK}" stroke-width=".8"/>
${marks[1]}
${label((box.left + box.right) / 2, HEIGHT - 12, figure.x.label || "", 'text-anchor="middle"')}
${label(18, middle, figure.y.label || "", `text-anchor="middle" transform="rotate(-90 18 ${middle})"`)}
${heat ? colorBar(heat, box.right + 14, box.top, box.bottom) : ""}
</svg>
`;
}

/** A Blob of image/png at twice the size of the SVG. */
export async function toPng(figure) {
  const image = new Image();
  const address = URL.createObjectURL(new Blob([toSvg(figure)], { type: "image/svg+xml" }));
  try {
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * WIDTH;
    canvas.height = 2 * HEIGHT;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((done) => {
      canvas.toBlob(done, "image/png");
    });
  } finally {
    URL.revokeObjectURL(address);
  }
}
