// SPDX-License-Identifier: Apache-2.0
// Draws of the posterior of a version: traces, ranks and pairs of its parameters.
import { get, path } from "./api.js";
import { field, h, put } from "./dom.js";
import { plot } from "./plot.js";

const BINS = 20;

/** chains: how many a version's draws are of, one after another; 1: not of chains. */
export function chainsOf(diagnostics) {
  const list = diagnostics.report["chains.accept"] ?? diagnostics.report["chains.step_size"];
  const n = Array.isArray(list) ? list.length : list === undefined ? 1 : 1;
  return n > 0 && diagnostics.draws % n === 0 ? n : 1;
}

export function traceFigure(title, values, chains) {
  const n = values.length / chains;
  const steps = Array.from({ length: n }, (_, i) => i + 1);
  return { title: `Trace of ${title}`, x: { label: "draw" }, y: { label: title },
    marks: Array.from({ length: chains }, (_, c) => ({ kind: "line", width: 1, color: c, label: chains > 1 ? `chain ${c}` : undefined, x: steps, y: values.slice(c * n, (c + 1) * n) })) };
}

/** Vehtari and others (2021): of well mixed chains each has as many draws in every bin of the joint ranks. */
export function rankFigure(title, values, chains) {
  const n = values.length / chains;
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const bins = Math.min(BINS, Math.max(4, Math.floor(n / 5)));
  const counts = Array.from({ length: chains }, () => new Array(bins).fill(0));
  order.forEach((index, rank) => counts[Math.floor(index / n)][Math.floor((rank * bins) / values.length)]++);
  const edges = Array.from({ length: bins }, (_, i) => (i * values.length) / bins);
  const x = edges.flatMap((edge) => [edge, edge + values.length / bins]);
  return { title: `Ranks of ${title}`, x: { label: "rank among the draws of all chains" }, y: { label: "draws", min: 0 },
    marks: [...counts.map((list, c) => ({ kind: "line", label: `chain ${c}`, color: c, x, y: list.flatMap((one) => [one, one]) })), { kind: "level", y: n / bins, ink: true, label: "mixed" }] };
}

export function pairFigure(names, a, b, columns) {
  return { title: `${names[b]} over ${names[a]}`, x: { label: names[a] }, y: { label: names[b] }, marks: [{ kind: "points", label: `${columns[a].length} draws`, x: columns[a], y: columns[b] }] };
}

/** A card that loads the draws when it is asked to: a document of many MB may be behind it. */
export function drawsCard(context, diagnostics) {
  if (diagnostics.posterior.kind !== "draws") return null;
  const place = h("div", {});
  const megabytes = (diagnostics.draws * diagnostics.parameters * 20) / 1e6;
  const load = async () => {
    put(place, h("p", { role: "status" }, "The draws are being read …"));
    const document = await get(path`/v1/models/${context.model}/versions/${diagnostics.version}/export`, context);
    const draws = document.posterior.parameters;
    const chains = chainsOf(diagnostics);
    const which = h("input", { type: "number", min: "0", max: String(diagnostics.parameters - 1), value: context.query.get("parameter") ?? "0" });
    const other = h("input", { type: "number", min: "0", max: String(diagnostics.parameters - 1), value: context.query.get("with") ?? "1" });
    const plots = h("div.grid.wide", {});
    const draw = () => {
      const [a, b] = [which, other].map((one) => Math.min(Math.max(0, Math.round(Number(one.value) || 0)), diagnostics.parameters - 1));
      context.keep({ parameter: a, with: b, draws: 1 });
      const column = (k) => draws.map((one) => one[k]);
      const name = (k) => `parameter ${k}`;
      put(plots, plot(traceFigure(name(a), column(a), chains)), ...(chains > 1 ? [plot(rankFigure(name(a), column(a), chains))] : []),
        plot(pairFigure([name(a), name(b)], 0, 1, [column(a), column(b)])));
    };
    which.addEventListener("change", draw);
    other.addEventListener("change", draw);
    put(place, h("div.row", {}, field("Parameter", which), field("Pair with", other)), plots);
    draw();
  };
  const button = h("button", { type: "button", onclick: () => { button.remove(); load().catch(context.fail); } }, `Read the draws (about ${megabytes < 1 ? "1" : Math.ceil(megabytes)} MB)`);
  if (context.query.get("draws")) setTimeout(() => button.click());
  return h("section.card", {}, h("h2", {}, "Draws of the posterior"), h("p.note", {}, `${diagnostics.draws} draws of ${diagnostics.parameters} parameters${chainsOf(diagnostics) > 1 ? `, of ${chainsOf(diagnostics)} chains` : ""}.`), button, place);
}
