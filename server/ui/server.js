// SPDX-License-Identifier: Apache-2.0
// How the server is, from its own metrics: one request for them every two seconds, which no prediction waits for.
import { get, getOr, request } from "./api.js";
import { bytes, facts, h, number, put, seconds, table } from "./dom.js";
import { plot } from "./plot.js";

const KEPT = 300; // looks that the plots show: ten minutes

/** [{name, labels, value}] of the text format of Prometheus. */
export function parseMetrics(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const match = line.match(/^(\w+)(?:\{(.*)\})? (\S+)/);
    if (match)
      found.push({
        name: match[1],
        labels: Object.fromEntries(
          [...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((one) => [one[1], one[2]]),
        ),
        value: Number(match[3]),
      });
  }
  return found;
}

/** The value below which a share of what the buckets counted lies, between their bounds by a straight line. */
export function quantile(buckets, share) {
  const total = buckets.at(-1)?.count ?? 0;
  if (!total) return null;
  const wanted = share * total;
  const i = buckets.findIndex((one) => one.count >= wanted);
  const [low, below] = i > 0 ? [buckets[i - 1].bound, buckets[i - 1].count] : [0, 0];
  if (!Number.isFinite(buckets[i].bound)) return low;
  return low + ((buckets[i].bound - low) * (wanted - below)) / Math.max(buckets[i].count - below, 1e-9);
}

function bucketsOf(samples, chosen) {
  const sums = new Map();
  for (const one of samples) {
    if (one.name !== "surrogated_request_duration_seconds_bucket" || !chosen(one.labels.route)) continue;
    const bound = one.labels.le === "+Inf" ? Infinity : Number(one.labels.le);
    sums.set(bound, (sums.get(bound) ?? 0) + one.value);
  }
  return [...sums].sort((a, b) => a[0] - b[0]).map(([bound, count]) => ({ bound, count }));
}

const PREDICTS = /predict|infer|evaluate|umbridge/;
const difference = (now, old) => now.map((one, i) => ({ bound: one.bound, count: one.count - (old?.[i]?.count ?? 0) }));
const sum = (samples, name, chosen = () => true) =>
  samples.filter((one) => one.name === name && chosen(one.labels)).reduce((total, one) => total + one.value, 0);

function look(samples, at) {
  return {
    at,
    requests: sum(samples, "surrogated_requests_total"),
    predictions: sum(samples, "surrogated_requests_total", (one) => PREDICTS.test(one.route)),
    rows: sum(samples, "surrogated_predicted_rows_total"),
    queue: sum(samples, "surrogated_queue_requests"),
    memory: sum(samples, "process_resident_memory_bytes"),
    buckets: bucketsOf(samples, (route) => PREDICTS.test(route)),
  };
}

function rates(history) {
  const x = [];
  const out = { x, requests: [], predictions: [], p50: [], p99: [], queue: [], memory: [] };
  for (let i = 1; i < history.length; i++) {
    const [old, now] = [history[i - 1], history[i]];
    const time = (now.at - old.at) / 1000;
    x.push((now.at - history.at(-1).at) / 1000);
    const restarted = now.requests < old.requests;
    out.requests.push(restarted ? null : (now.requests - old.requests) / time);
    out.predictions.push(restarted ? null : (now.predictions - old.predictions) / time);
    const buckets = restarted ? [] : difference(now.buckets, old.buckets);
    out.p50.push(scaled(quantile(buckets, 0.5)));
    out.p99.push(scaled(quantile(buckets, 0.99)));
    out.queue.push(now.queue);
    out.memory.push(now.memory / 1e6);
  }
  return out;
}
const scaled = (value) => (value === null ? null : 1000 * value);

function figures(r) {
  const x = { label: "seconds ago", max: 0, min: Math.min(-20, r.x[0] ?? -20) };
  const line = (y, label, color) => ({ kind: "line", label, color, x: r.x, y });
  return [
    {
      title: "Requests a second",
      x,
      y: { label: "1/s", min: 0 },
      marks: [line(r.requests, "all", 0), line(r.predictions, "predictions", 1)],
    },
    {
      title: "Latency of predictions",
      x,
      y: { label: "ms", min: 0 },
      marks: [line(r.p50, "half of them below", 0), line(r.p99, "99 % below", 1)],
    },
    { title: "Predictions in the queue", x, y: { label: "requests", min: 0 }, marks: [line(r.queue, undefined, 0)] },
    { title: "Memory of the process", x, y: { label: "MB", min: 0 }, marks: [line(r.memory, undefined, 0)] },
  ];
}

/** The replicas that have told of themselves, with how many changes each is behind. */
function replicasTable(samples) {
  const here = sum(samples, "surrogated_registry_version");
  const known = samples.filter((one) => one.name === "surrogated_replica_version");
  if (!known.length) return null;
  const silent = (name) => sum(samples, "surrogated_replica_silent_seconds", (one) => one.replica === name);
  const behind = (one) => Math.max(0, here - one.value);
  return h(
    "section.card",
    {},
    h("h2", {}, "Replicas"),
    table(
      "Replicas",
      [
        { name: "Replica", cell: (one) => one.labels.replica },
        { name: "Version of the registry", right: true, cell: (one) => String(one.value) },
        {
          name: "Behind",
          right: true,
          cell: (one) => (behind(one) ? h("span.tag.warn", {}, `${behind(one)} changes`) : "–"),
        },
        { name: "Heard", right: true, cell: (one) => `${seconds(silent(one.labels.replica))} ago` },
      ],
      known,
    ),
  );
}

export async function render(context) {
  const head = h("section.card", {});
  const plots = h("div.grid.wide", {});
  const replicas = h("div", {});
  const more = h("div", {});
  const history = [];
  let shown = null;
  let status = null;
  let registryVersion = null; // of what the server has: a replica that is behind its primary has a lower one
  put(context.room, h("h1", {}, "Server"), head, replicas, plots, more);
  const tell = async (samples) => {
    const value = (name, chosen) => sum(samples, name, chosen);
    const build = samples.find((one) => one.name === "surrogated_build_info")?.labels ?? {};
    const all = bucketsOf(samples, (route) => PREDICTS.test(route));
    const ready = await getOr("/readyz", null, context).catch((error) => ({
      status: "not ready",
      reasons: error.problem?.reasons,
    }));
    const reloads = value("surrogated_replica_reloads_total");
    put(
      head,
      facts([
        ["State", h(`span.tag${ready?.status === "ready" ? "" : ".bad"}`, {}, ready?.status ?? "not ready")],
        ["Version", build.version ?? "–"],
        ["Kernels", build.kernels ?? "–"],
        ["Models in memory", number(value("surrogated_models_loaded"))],
        ["Connections", number(value("surrogated_connections"))],
        ["Predictions so far", number(value("surrogated_requests_total", (one) => PREDICTS.test(one.route)))],
        ["Rows predicted", number(value("surrogated_predicted_rows_total"))],
        ["Half were answered within", seconds(quantile(all, 0.5))],
        ["99 % within", seconds(quantile(all, 0.99))],
        ["Memory", `${bytes(value("surrogated_memory_bytes"))} of ${bytes(value("surrogated_memory_budget_bytes"))}`],
        registryVersion === null ? null : ["Version of the registry", registryVersion],
        ["Registry", bytes(value("surrogated_registry_bytes"))],
        ["Disk free", bytes(value("surrogated_disk_free_bytes"))],
        ["Refused, queue full", number(value("surrogated_requests_rejected_total"))],
        value("surrogated_registry_file_version") > value("surrogated_registry_version")
          ? [
              "Behind its file",
              `${number(value("surrogated_registry_file_version") - value("surrogated_registry_version"))} changes`,
            ]
          : null,
        status?.read_only || reloads
          ? [
              "Replica",
              `${number(reloads)} changes followed, ${number(value("surrogated_replica_failures_total"))} failed`,
            ]
          : status
            ? ["Role", "primary"]
            : null,
      ]),
    );
    put(replicas, replicasTable(samples));
    (ready?.reasons ?? []).forEach((one) => head.append(h("p.warning", {}, `${one.part}: ${one.reason}`)));
    const routes = samples
      .filter((one) => one.name === "surrogated_request_duration_seconds_count" && one.value > 0)
      .sort((a, b) => b.value - a.value)
      .slice(0, 20);
    put(
      more,
      h(
        "details",
        { open: more.querySelector("details")?.open },
        h("summary", {}, "Requests by route"),
        table(
          "Requests by route",
          [
            { name: "Route", cell: (one) => one.labels.route },
            { name: "Requests", right: true, cell: (one) => number(one.value) },
            {
              name: "Half within",
              right: true,
              cell: (one) =>
                seconds(
                  quantile(
                    bucketsOf(samples, (route) => route === one.labels.route),
                    0.5,
                  ),
                ),
            },
            {
              name: "99 % within",
              right: true,
              cell: (one) =>
                seconds(
                  quantile(
                    bucketsOf(samples, (route) => route === one.labels.route),
                    0.99,
                  ),
                ),
            },
          ],
          routes,
        ),
      ),
    );
  };
  const poll = async () => {
    const answer = await request("GET", "/metrics", context);
    registryVersion = answer.headers.get("X-Registry-Version");
    const samples = parseMetrics(await answer.text());
    history.push(look(samples, Date.now()));
    if (history.length > KEPT) history.shift();
    await tell(samples);
    const wanted = figures(rates(history));
    if (shown) shown.forEach((one, i) => one.show(wanted[i]));
    else {
      shown = wanted.map((one) => plot(one));
      put(plots, ...shown);
    }
  };
  await poll();
  setTimeout(() => {
    if (!context.signal.aborted) poll().catch(context.fail);
  }, 700);
  try {
    status = await get("/v1/status", context);
  } catch {
    /* a token below admin may not see it */
  }
  context.every(2, poll);
}
