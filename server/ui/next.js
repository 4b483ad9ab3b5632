// SPDX-License-Identifier: Apache-2.0
// What next: points to simulate, what matters, what explains observations, and where the best answer lies.
import { analysesCard } from "./analyses.js";
import { get } from "./api.js";
import { h, put } from "./dom.js";
import { optimumCard } from "./optimum.js";
import { chosenOutputs } from "./outputs.js";
import { columnsOf } from "./space.js";
import { suggestCard } from "./suggest.js";

export async function render(context) {
  const [known, { jobs }] = await Promise.all([
    columnsOf(context.model, context),
    get(`/v1/jobs?limit=200&model=${encodeURIComponent(context.model)}`, context),
  ]);
  const { columns, choice } = chosenOutputs(context, known);
  if (!columns.version) {
    put(context.room, h("p.empty", {}, "No version yet: upload rows and train first."));
    return;
  }
  put(
    context.room,
    choice,
    suggestCard(context, columns),
    analysesCard(context, columns, jobs),
    optimumCard(context, columns),
  );
}
