// SPDX-License-Identifier: Apache-2.0
// The list of jobs.
import { get, json } from "./api.js";
import { action, ask, choose, field, h, number, put, seconds, table, time } from "./dom.js";

const duration = (one) =>
  one.started && one.finished ? seconds((new Date(one.finished) - new Date(one.started)) / 1000) : "–";

const messageOf = (one) => {
  const text = one.message ?? (one.warnings ?? []).map((w) => (w.code ?? w).replace(/_/g, " ")).join(", ");
  return text ? h("div.message", {}, text) : "";
};

export function jobColumns(context, withModel = true) {
  return [
    { name: "Job", cell: (one) => h("a", { href: `#/job/${one.id}` }, String(one.id)) },
    withModel
      ? { name: "Model", cell: (one) => h("a", { href: `#/model/${encodeURIComponent(one.model)}` }, one.model) }
      : null,
    { name: "Kind", cell: (one) => (one.kind === "train" ? "training" : one.kind) },
    { name: "State", cell: (one) => h(`span.tag.${one.state}`, {}, one.state) },
    {
      name: "Progress",
      right: true,
      cell: (one) => (one.state === "running" && one.progress ? `${number(100 * one.progress.fraction, 3)} %` : ""),
    },
    {
      name: "Version",
      right: true,
      cell: (one) => (one.version ? `${one.version}${one.promoted ? "" : " (not served)"}` : "–"),
    },
    { name: "Took", right: true, cell: duration },
    { name: "Asked for", cell: (one) => time(one.created) },
    { name: "Message", cell: messageOf },
    { name: "", cell: (one) => (["queued", "running"].includes(one.state) ? cancelButton(one, context.reload) : "") },
  ].filter(Boolean);
}

export const cancelButton = (job, after) =>
  action(
    "Cancel",
    async () => {
      if (!(await ask(`Shall job ${job.id} of ${job.model} stop? What it has done is lost.`, "Cancel the job"))) return;
      await json("DELETE", `/v1/jobs/${job.id}`);
      after();
    },
    ".small",
  );

export async function render(context) {
  const list = h("section.card", {});
  const state = choose(
    [{ value: "", text: "all" }, "queued", "running", "succeeded", "failed", "cancelled"],
    context.query.get("state") ?? "",
    (value) => {
      context.keep({ state: value });
      look();
    },
  );
  let text = "";
  const look = async () => {
    const { jobs } = await get(`/v1/jobs?limit=200${state.value ? `&state=${state.value}` : ""}`, context);
    const now = JSON.stringify(jobs);
    if (now !== text) put(list, table("Jobs", jobColumns(context), jobs, "No job is here."));
    text = now;
  };
  put(context.room, h("h1", {}, "Jobs"), field("State", state), list);
  await look();
  context.every(2, look);
}
