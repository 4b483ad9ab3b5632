// SPDX-License-Identifier: Apache-2.0
// One job, alive: progress, losses, the candidates of a choice, and how it ended.
import { follow, get, getOr } from "./api.js";
import { facts, h, number, put, seconds, table, time } from "./dom.js";
import { cancelButton } from "./jobs.js";
import { plot } from "./plot.js";

export function choiceTable(choice) {
  if (!choice) return null;
  const outcome = (one) =>
    h(
      `span.tag${one.outcome === "chosen" ? "" : ["failed", "dropped"].includes(one.outcome) ? ".bad" : ".warn"}`,
      {},
      one.outcome.replace("_", " "),
    );
  return h(
    "section.card",
    {},
    h("h2", {}, "How the solver is chosen"),
    h(
      "p.note",
      {},
      choice.folds
        ? `Scores are minus the log density of rows that were left out, in ${choice.scored_folds} of ${choice.folds} folds: the lower, the better.`
        : "Nothing was compared.",
    ),
    table(
      "Candidates",
      [
        { name: "Candidate", cell: (one) => one.name },
        { name: "Solver", cell: (one) => one.solver },
        { name: "Network", cell: (one) => `${one.width} x ${one.layers}, ${one.basis}` },
        {
          name: "Outcome",
          cell: (one) => (choice.current === one.name ? h("span.tag.running", {}, "at work") : outcome(one)),
        },
        {
          name: "Score",
          right: true,
          cell: (one) => (one.score === null ? "–" : `${number(one.score)} ± ${number(one.standard_error, 2)}`),
        },
        {
          name: "Behind the best",
          right: true,
          cell: (one) => (one.gap === null ? "–" : `${number(one.gap, 3)} ± ${number(one.gap_error, 2)}`),
        },
        { name: "Time", right: true, cell: (one) => seconds(one.seconds) },
        { name: "Why", cell: (one) => one.why ?? "" },
      ],
      choice.candidates,
    ),
  );
}

/** Losses over steps, on a scale of logarithms where all are above zero and some far above others. */
export function lossFigure(curves, id) {
  const all = curves.members
    .flatMap((one) => [...one.loss, ...(one.validation_loss ?? [])])
    .filter((one) => one !== null);
  const log = all.length > 0 && all.every((one) => one > 0) && Math.max(...all) > 50 * Math.min(...all);
  const few = curves.members.length <= 8;
  const marks = curves.members.flatMap((one, i) => [
    {
      kind: "line",
      label: few ? `member ${one.member}` : i === 0 ? "training" : undefined,
      color: few ? i : 0,
      x: one.step,
      y: one.loss,
      width: few ? 1.8 : 1,
    },
    ...(one.validation_loss?.some((value) => value !== null)
      ? [
          {
            kind: "line",
            label: i === 0 ? "rows kept out (dashed)" : undefined,
            color: few ? i : 1,
            x: one.step,
            y: one.validation_loss,
            dash: [5, 3],
            width: 1.2,
          },
        ]
      : []),
  ]);
  return { name: `job-${id}-loss`, title: "Loss", x: { label: "step" }, y: { label: "loss", log }, marks };
}

export async function render(context) {
  const { id } = context;
  let job = await get(`/v1/jobs/${id}`, context);
  const head = h("section.card", {});
  const bar = h("progress", { max: "1", "aria-label": "Progress" });
  const words = h("p", { role: "status" });
  const choice = h("div", {});
  const losses = h("div", {});
  const found = h("div", {}); // the error and the way on stand before all that led there
  const end = h("div", {});
  let drawn = 0;
  const drawLosses = async (force) => {
    if (job.kind !== "train" || (!force && performance.now() - drawn < 1000)) return;
    drawn = performance.now();
    const curves = await getOr(`/v1/jobs/${id}/curves`, { members: [] }, context);
    const figure = lossFigure(curves, id);
    if (!figure.marks.some((one) => one.x.length > 1)) return;
    const shown = losses.firstChild;
    if (shown && shown.figure.marks.length === figure.marks.length && shown.figure.y.log === figure.y.log)
      shown.show(figure);
    else put(losses, plot(figure, { tall: true }));
  };
  const tell = (progress) => {
    if (progress?.fraction !== undefined) bar.value = progress.fraction;
    const parts = [`${number(100 * (progress?.fraction ?? 0), 3)} %`];
    if (progress?.members > 1) parts.push(`member ${progress.member + 1} of ${progress.members}`);
    if (progress?.steps) parts.push(`step ${progress.step} of ${progress.steps}`);
    if (progress?.loss !== null && progress?.loss !== undefined) parts.push(`loss ${number(progress.loss, 3)}`);
    if (progress?.eta_s !== null && progress?.eta_s !== undefined) parts.push(`about ${seconds(progress.eta_s)} left`);
    words.textContent = job.state === "running" ? parts.join(", ") : job.state;
    if (progress?.auto) put(choice, choiceTable(progress.auto));
  };
  const drawHead = () => {
    const running = ["queued", "running"].includes(job.state);
    put(
      head,
      facts([
        ["State", h(`span.tag.${job.state}`, {}, job.state)],
        ["Model", h("a", { href: `#/model/${encodeURIComponent(job.model)}` }, job.model)],
        ["Solver", job.request?.solver ?? job.request?.kind ?? job.kind],
        ["Asked for", time(job.created)],
        ["Began", time(job.started)],
        ["Ended", time(job.finished)],
        ["Attempts", number(job.attempts)],
        job.version
          ? [
              "Version",
              h(
                "a",
                { href: `#/model/${encodeURIComponent(job.model)}/diagnostics?version=${job.version}` },
                `${job.version}${job.promoted ? ", promoted" : ", not promoted"}`,
              ),
            ]
          : null,
      ]),
      running ? [bar, words, cancelButton(job, () => {})] : null,
      job.message ? h(job.state === "failed" ? "p.refusal" : "p.warning", {}, job.message) : null,
    );
    tell(job.progress);
  };
  const drawEnd = async () => {
    const parts = [];
    if (job.scores) {
      parts.push(
        h(
          "section.card",
          {},
          h("h2", {}, "On rows that did not train"),
          facts([
            ["Rows", number(job.scores.rows)],
            ["Relative error", `${number(100 * job.scores.relative_error, 3)} %`],
          ]),
          (job.warnings || []).map((one) =>
            h("p.warning", {}, h("strong", {}, one.code.replace(/_/g, " ")), " ", one.text),
          ),
          job.version
            ? h(
                "p.row",
                {},
                h("a", { href: `#/model/${encodeURIComponent(job.model)}/explore` }, "Explore it"),
                h(
                  "a",
                  { href: `#/model/${encodeURIComponent(job.model)}/diagnostics?version=${job.version}` },
                  "Diagnostics",
                ),
              )
            : null,
        ),
      );
      const diagnostics = job.version
        ? await getOr(`/v1/models/${encodeURIComponent(job.model)}/versions/${job.version}/diagnostics`, null, context)
        : null;
      if (diagnostics?.auto) put(choice, choiceTable({ current: null, ...diagnostics.auto }));
    }
    if (job.gate)
      parts.push(
        h(
          "section.card",
          {},
          h("h2", {}, "Gate"),
          facts(
            Object.entries(job.gate)
              .filter(([, value]) => value !== null)
              .map(([key, value]) => [
                key.replace(/_/g, " "),
                typeof value === "number" ? number(value) : String(value),
              ]),
          ),
        ),
      );
    if (job.kind !== "train" && job.state === "succeeded")
      parts.push(
        h(
          "p",
          {},
          h("a", { href: `#/model/${encodeURIComponent(job.model)}/next?job=${job.id}` }, "See what it found"),
        ),
      );
    put(found, ...parts);
    put(
      end,
      h(
        "details",
        {},
        h("summary", {}, "The whole request"),
        h("pre.scroll", { tabindex: "0" }, JSON.stringify(job.request, null, 1)),
      ),
    );
  };
  put(
    context.room,
    h("p.crumbs", {}, h("a", { href: "#/jobs" }, "Jobs"), ` / ${id}`),
    h("h1", {}, `Job ${id}: ${job.kind === "train" ? "training" : job.kind} of ${job.model}`),
    head,
    found,
    choice,
    losses,
    end,
  );
  drawHead();
  await Promise.all([drawLosses(true), drawEnd()]);
  if (!["queued", "running"].includes(job.state)) return;
  follow(
    id,
    (name, document) => {
      if (context.signal.aborted) return;
      if (name === "progress") {
        tell(document);
        drawLosses(false).catch(context.fail);
      } else if (name === "state") {
        job = document;
        drawHead();
        if (!["queued", "running"].includes(job.state)) Promise.all([drawLosses(true), drawEnd()]).catch(context.fail);
      }
    },
    context.signal,
  ).catch(context.fail);
}
