// SPDX-License-Identifier: Apache-2.0
// One model: its versions, what the gate said, promotions, aliases and the policy.
import { get, getOr, json, path } from "./api.js";
import { action, ask, bytes, choose, facts, field, h, number, put, table, time } from "./dom.js";
import { MAX_OUTPUTS } from "./outputs.js";

const share = (value) => (value === null || value === undefined ? "–" : `${number(100 * value, 3)} %`);
const mean = (list) => {
  const good = (list ?? []).filter((one) => one !== null);
  return good.length ? good.reduce((a, b) => a + b, 0) / good.length : null;
};

function gateText(job) {
  if (!job) return "–";
  if (!job.gate) return job.promoted ? "none was needed" : (job.message ?? "–");
  const { gate } = job;
  const words = `${gate.metric} ${number(gate.candidate, 3)} against ${number(gate.served, 3)} of version ${gate.served_version ?? "–"}`;
  return h(
    "span",
    { title: gate.rows_used ?? "" },
    h(`span.tag${gate.passed ? "" : ".bad"}`, {}, gate.passed ? "passed" : "refused"),
    " ",
    gate.candidate === null ? (gate.reason ?? "") : words,
  );
}

/** The first names of a list that may be long. */
const listed = (names) =>
  !names ? "–" : names.length <= MAX_OUTPUTS ? names.join(", ") : `${names.slice(0, 4).join(", ")} … (${names.length})`;

function versionRows(context, model, rows) {
  const promote = (one) =>
    action(
      "Promote",
      async () => {
        if (
          !(await ask(
            `Shall version ${one.version} answer predictions of ${context.model}? Version ${model.default_version ?? "–"} does now.`,
            `Promote version ${one.version}`,
          ))
        )
          return;
        await json("PUT", path`/v1/models/${context.model}/default`, { version: one.version });
        context.reload();
      },
      ".small",
    );
  return table(
    "Versions",
    [
      {
        name: "Version",
        cell: (one) =>
          h(
            "a",
            { href: `#/model/${encodeURIComponent(context.model)}/diagnostics?version=${one.version}` },
            String(one.version),
          ),
      },
      {
        name: "",
        cell: (one) =>
          one.default
            ? h("span.tag", {}, "served")
            : one.damaged
              ? h("span.tag.bad", { title: one.damaged }, "damaged")
              : promote(one),
      },
      { name: "Aliases", cell: (one) => one.aliases.map((alias) => h("span.tag", {}, `@${alias}`)) },
      { name: "Solver", cell: (one) => one.full?.solver ?? "–" },
      { name: "Relative error", right: true, cell: (one) => share(one.full?.scores?.relative_error) },
      { name: "CRPS", right: true, cell: (one) => number(mean(one.full?.scores?.crps), 3) },
      { name: "NLL", right: true, cell: (one) => number(mean(one.full?.scores?.nll), 3) },
      {
        name: "Inside 90 %",
        right: true,
        cell: (one) => share(mean(one.full?.scores?.coverage?.map((list) => list[1]))),
      },
      {
        name: "Trained on",
        right: true,
        cell: (one) => (one.full?.training_data ? `${one.full.training_data.rows} rows` : "–"),
      },
      { name: "Gate", cell: (one) => gateText(one.job) },
      { name: "Size", right: true, cell: (one) => bytes(one.bytes) },
      { name: "Created", cell: (one) => time(one.created) },
    ],
    rows,
    "No version yet. Upload rows, then train.",
  );
}

function aliases(context, versions) {
  const name = h("input", { type: "text", pattern: "[a-z][a-z0-9._-]*", spellcheck: "false", autocomplete: "off" });
  const which = choose(
    versions.map((one) => ({ value: one.version, text: `version ${one.version}` })),
    versions.at(-1)?.version,
  );
  const list = versions.flatMap((one) => one.aliases.map((alias) => ({ alias, version: one.version })));
  return h(
    "section.card",
    {},
    h("h2", {}, "Aliases"),
    table(
      "Aliases",
      [
        { name: "Alias", cell: (one) => `@${one.alias}` },
        { name: "Version", cell: (one) => String(one.version) },
        {
          name: "",
          cell: (one) =>
            action(
              "Delete",
              async () => {
                if (
                  !(await ask(
                    `Shall the alias @${one.alias} be deleted? Requests that name it are refused then.`,
                    "Delete it",
                  ))
                )
                  return;
                await json("DELETE", path`/v1/models/${context.model}/aliases/${one.alias}`);
                context.reload();
              },
              ".small",
            ),
        },
      ],
      list,
    ),
    versions.length
      ? h(
          "div.row",
          {},
          field("Name", name),
          field("Version", which),
          h(
            "div.field.low",
            {},
            action("Set", async () => {
              await json("PUT", path`/v1/models/${context.model}/aliases/${name.value}`, {
                version: Number(which.value),
              });
              context.reload();
            }),
          ),
        )
      : null,
  );
}

function policyForm(context, stored) {
  const policy = stored?.policy ?? {};
  const whole = (value) => h("input", { type: "number", min: "0", value: String(value ?? 0) });
  const inputs = {
    new_rows: whole(policy.new_rows),
    every_s: whole(policy.every_s),
    debounce_s: whole(policy.debounce_s ?? 30),
    daily_at: h("input", { type: "time", value: policy.daily_at ?? "" }),
    increase: h("input", {
      type: "number",
      min: "0",
      step: "any",
      value: policy.drift ? String(policy.drift.increase) : "",
    }),
    rows: whole(policy.drift?.rows ?? 100),
    request: h("textarea", {
      spellcheck: "false",
      value: policy.request ? JSON.stringify(policy.request, null, 1) : "",
    }),
  };
  const put = async () => {
    const body = {
      new_rows: Number(inputs.new_rows.value),
      every_s: Number(inputs.every_s.value),
      debounce_s: Number(inputs.debounce_s.value),
      request: inputs.request.value.trim() ? JSON.parse(inputs.request.value) : null,
    };
    if (inputs.daily_at.value) body.daily_at = inputs.daily_at.value;
    if (inputs.increase.value)
      body.drift = { increase: Number(inputs.increase.value), rows: Number(inputs.rows.value) };
    await json("PUT", path`/v1/models/${context.model}/policy`, body);
    context.reload();
  };
  const state = stored?.status;
  return h(
    "section.card",
    {},
    h("h2", {}, "Training without being asked"),
    stored
      ? facts([
          ["Waiting for", state?.waiting ?? "the next look"],
          ["Last job", state?.job ? h("a", { href: `#/job/${state.job}` }, String(state.job)) : "–"],
          [
            "Error on the newest rows",
            state?.drift_score === null || !state
              ? "–"
              : `${number(state.drift_score, 3)} against ${number(state.drift_baseline, 3)}`,
          ],
        ])
      : h("p.empty", {}, "There is no policy: the model is trained on request alone."),
    h(
      "div.row",
      {},
      field("After new rows", inputs.new_rows, "0: not for this reason"),
      field("After seconds", inputs.every_s),
      field("Every day at (UTC)", inputs.daily_at),
      field("When the error grows by the share", inputs.increase, "such as 0.5; empty: no"),
      field("measured on newest rows", inputs.rows),
      field("Wait for quiet, seconds", inputs.debounce_s),
    ),
    field("Request", inputs.request, "JSON, as of a training; empty: as the served version was trained"),
    h(
      "div.row",
      {},
      action("Save the policy", put, ".strong"),
      stored
        ? action("Delete it", async () => {
            if (!(await ask(`Shall the policy of ${context.model} be deleted?`, "Delete it"))) return;
            await json("DELETE", path`/v1/models/${context.model}/policy`);
            context.reload();
          })
        : null,
    ),
  );
}

export async function render(context) {
  const at = path`/v1/models/${context.model}`;
  const [details, jobs, promotions, policy] = await Promise.all([
    get(at, context),
    get(`/v1/jobs?limit=200&model=${encodeURIComponent(context.model)}`, context),
    get(`${at}/promotions?limit=20`, context),
    getOr(`${at}/policy`, null, context),
  ]);
  const { model } = details;
  const versions = [...details.versions].sort((a, b) => b.version - a.version);
  const rows = await Promise.all(
    versions.map(async (one, i) => {
      const job = jobs.jobs.find((other) => other.version === one.version && other.kind === "train");
      const [full, whole] =
        i < 30
          ? await Promise.all([
              getOr(`${at}/versions/${one.version}`, null, context),
              job ? getOr(`/v1/jobs/${job.id}`, null, context) : null,
            ])
          : [null, null];
      return { ...one, full, job: whole };
    }),
  );
  const back = model.previous_version
    ? action(`Roll back to version ${model.previous_version}`, async () => {
        if (
          !(await ask(
            `Shall version ${model.previous_version} answer predictions of ${context.model} again, in place of version ${model.default_version}?`,
            "Roll back",
          ))
        )
          return;
        await json("PUT", `${at}/default`, { version: "@previous" });
        context.reload();
      })
    : null;
  put(
    context.room,
    h(
      "section.card",
      {},
      h("h2", {}, "Versions"),
      facts([
        ["Served", model.default_version ? `version ${model.default_version}` : "none yet"],
        ["Rows", number(model.rows)],
        ["Inputs", details.names?.inputs?.join(", ") ?? "–"],
        ["Outputs", listed(details.names?.outputs)],
      ]),
      (model.warnings || []).map((one) =>
        h("p.warning", {}, h("strong", {}, one.code.replace(/_/g, " ")), " ", one.text),
      ),
      versionRows(context, model, rows),
      back ? h("p", {}, back) : null,
    ),
    h(
      "section.card",
      {},
      h("h2", {}, "Changes of the served version"),
      table(
        "Promotions",
        [
          { name: "When", cell: (one) => time(one.at) },
          { name: "Version", cell: (one) => `${one.previous ?? "none"} → ${one.version}` },
          {
            name: "By",
            cell: (one) => (one.job ? h("a", { href: `#/job/${one.job}` }, `job ${one.job}`) : one.origin),
          },
          { name: "Compared on", cell: (one) => one.rows_used ?? "–" },
        ],
        promotions.promotions,
      ),
    ),
    aliases(context, [...versions].reverse()),
    policyForm(context, policy),
  );
}
