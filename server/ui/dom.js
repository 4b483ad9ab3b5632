// SPDX-License-Identifier: Apache-2.0
// Elements, numbers and questions.
import { session } from "./api.js";

/** h("a.quiet", {href: ..., onclick: ...}, children...). Text is never read as HTML. */
export function h(what, attributes = {}, ...children) {
  const [name, ...classes] = what.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled" || key === "selected") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(3)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

/** Replaces what is in an element; null and false are left out, lists are opened. */
export function put(place, ...children) {
  place.replaceChildren(...children.flat(3).filter((one) => one !== null && one !== undefined && one !== false));
}

export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6))
    return value
      .toExponential(digits - 1)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  for (; value >= 1000 && i < units.length - 1; i++) value /= 1000;
  return `${number(value, 3)} ${units[i]}`;
}

export function seconds(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value < 1e-3) return `${number(1e6 * value, 3)} µs`;
  if (value < 1) return `${number(1e3 * value, 3)} ms`;
  if (value < 90) return `${number(value, 3)} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  return value < 172800 ? `${number(value / 3600, 3)} h` : `${number(value / 86400, 3)} days`;
}

export const time = (text) =>
  text ? h("time", { datetime: text, title: text }, text.replace("T", " ").slice(0, 19)) : "–";
export const labelled = (name, unit) => (unit ? `${name} (${unit})` : name);

/** columns: [{name, cell(row), right}]. */
export function table(caption, columns, rows, empty = "There are none.") {
  if (!rows.length) return h("p.empty", {}, empty);
  return h(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption.hidden", {}, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map((one) => h(one.right ? "th.right" : "th", { scope: "col" }, one.name)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            columns.map((one) => h(one.right ? "td.right" : "td", {}, one.cell(row))),
          ),
        ),
      ),
    ),
  );
}

/** Pairs of a word and a value. */
export const facts = (pairs) =>
  h(
    "dl.facts",
    {},
    pairs.filter((one) => one).map(([word, value]) => h("div", {}, h("dt", {}, word), h("dd", {}, value))),
  );

export const refusal = (error) => h("p.refusal", { role: "alert" }, error.message || String(error));

let counter = 0;
/** A control with its label. control: an element. */
export function field(text, control, hint) {
  const id = `field-${++counter}`;
  control.id = id;
  const note = hint ? h("small", { id: `${id}-hint` }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  const label = h("label", { for: id }, text);
  return control.type === "checkbox"
    ? h("div.field.check", {}, control, label, note)
    : h("div.field", {}, label, control, note);
}

export function choose(options, value, onchange) {
  return h(
    "select",
    { onchange: (event) => onchange && onchange(event.target.value) },
    options.map((one) =>
      h(
        "option",
        { value: String(one.value ?? one), selected: String(one.value ?? one) === String(value) },
        one.text ?? String(one),
      ),
    ),
  );
}

/** Why something that needs a role is off; null: it is not. */
export const withheld = (needs) =>
  session.may(needs) ? null : `This needs a token with the role ${needs}; yours has the role ${session.role()}.`;

/** A button that is off while its work goes on, and shows a refusal beside itself; off for tokens below a role. */
export function action(text, work, style = "", needs = "write") {
  const why = withheld(needs);
  if (why) {
    const note = h("small.note", { id: `why-${++counter}` }, why);
    return h(
      "span.action",
      {},
      h(`button${style}`, { type: "button", disabled: true, "aria-describedby": note.id }, text),
      " ",
      note,
    );
  }
  const place = h("span", {});
  const button = h(
    `button${style}`,
    {
      type: "button",
      onclick: async () => {
        put(place);
        button.disabled = true;
        try {
          await work();
        } catch (error) {
          put(place, refusal(error));
        } finally {
          button.disabled = false;
        }
      },
    },
    text,
  );
  return h("span.action", {}, button, place);
}

/** Asks before something is changed. True: yes. */
export function ask(question, yes) {
  return new Promise((done) => {
    const box = h(
      "dialog",
      {
        "aria-label": question,
        onclose: () => {
          box.remove();
          done(box.returnValue === "yes");
        },
      },
      h("p", {}, question),
      h(
        "form.row",
        { method: "dialog" },
        h("button.strong", { value: "yes" }, yes),
        h("button", { value: "no" }, "No, leave it"),
      ),
    );
    document.body.append(box);
    box.showModal();
  });
}

export function announce(text) {
  document.getElementById("news").textContent = text;
}

export function save(name, type, content) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
