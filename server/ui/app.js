// SPDX-License-Identifier: Apache-2.0
// Which page is shown: the part of the address behind "#" says it, so that a link brings everything back.
import { get, Refusal, session } from "./api.js";
import { announce, field, h, put, refusal } from "./dom.js";

const main = document.getElementById("main");
const PAGES = [
  ["models", "Models"],
  ["jobs", "Jobs"],
  ["server", "Server"],
];
const TABS = [
  ["", "Versions"],
  ["data", "Data"],
  ["train", "Train"],
  ["diagnostics", "Diagnostics"],
  ["explore", "Explore"],
  ["next", "What next"],
];
const MODULES = {
  models: () => import("./models.js"),
  model: () => import("./model.js"),
  data: () => import("./data.js"),
  train: () => import("./train.js"),
  diagnostics: () => import("./diagnostics.js"),
  explore: () => import("./explore.js"),
  next: () => import("./next.js"),
  jobs: () => import("./jobs.js"),
  job: () => import("./job.js"),
  server: () => import("./server.js"),
};

let everything = false; // were all modules asked for?
let waited = false; // has the server been away?
let asked = false; // has the server asked for a token?
let current = null; // {stop: AbortController}

/** A part of an address without its escapes; as it is if they are wrong. */
function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** "#/model/tour/explore?at=1,2" as {page, model, id, query}. */
export function readAddress(hash = location.hash) {
  const [where, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [first = "models", name, tab] = where.split("/").map(plain);
  const place = { page: first || "models", model: null, id: null, query: new URLSearchParams(query) };
  if (first === "model") Object.assign(place, { model: name, page: tab && MODULES[tab] ? tab : "model" });
  else if (first === "job") place.id = name;
  else if (!PAGES.some(([page]) => page === place.page)) place.page = "models";
  return place;
}

function link(page, name) {
  return page === "model" ? `#/model/${encodeURIComponent(name)}` : `#/model/${encodeURIComponent(name)}/${page}`;
}

function showFrame(place) {
  put(
    document.getElementById("nav"),
    ...PAGES.map(([page, text]) =>
      h(
        "a",
        {
          href: `#/${page}`,
          "aria-current":
            place.page === page ||
            (page === "models" && place.model !== null) ||
            (page === "jobs" && place.page === "job")
              ? "page"
              : null,
        },
        text,
      ),
    ),
  );
  put(
    document.getElementById("who"),
    ...(session.signedIn()
      ? [
          session.role() ? `signed in, role ${session.role()} ` : "signed in ",
          h(
            "button.quiet",
            {
              type: "button",
              onclick: () => {
                session.signOut();
                show();
              },
            },
            "Sign out",
          ),
        ]
      : asked
        ? [h("button.quiet", { type: "button", onclick: () => askForToken("") }, "Sign in")]
        : []),
  );
}

function headOf(place) {
  if (place.model === null) return [];
  return [
    h("p.crumbs", {}, h("a", { href: "#/models" }, "Models"), " / ", place.model),
    h("h1", {}, place.model),
    h(
      "nav.tabs",
      { "aria-label": `Pages of ${place.model}` },
      TABS.map(([tab, text]) =>
        h(
          "a",
          { href: link(tab || "model", place.model), "aria-current": (tab || "model") === place.page ? "page" : null },
          text,
        ),
      ),
    ),
  ];
}

function askForToken(why) {
  asked = true;
  current?.stop.abort();
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false", size: "50", required: true });
  const sign = (event) => {
    event.preventDefault();
    session.signIn(input.value.trim());
    show();
  };
  put(
    main,
    h(
      "section.card",
      {},
      h("h1", {}, "Sign in"),
      why ? refusal({ message: why }) : null,
      h(
        "p",
        {},
        "The server asks for a token. It stays in the memory of this page: it is forgotten when the page is closed or loaded again.",
      ),
      h(
        "form",
        { onsubmit: sign },
        field(
          "Token",
          input,
          "It looks like sgt_name_…. A token with the role read sees everything; one with the role write also changes things.",
        ),
        h("button.strong", {}, "Sign in"),
      ),
    ),
  );
  input.focus();
}

/** Shows a refusal where the page would be; signs in again when that is what is missing. */
function fail(error, stop) {
  if (stop.signal.aborted || error.name === "AbortError") return;
  if (error instanceof Refusal && error.status === 401) {
    askForToken(session.signedIn() ? "The token is not known, has expired or was revoked." : "");
  } else if (error instanceof Refusal && error.status === 0) {
    put(
      main,
      h(
        "section.card",
        {},
        h("h1", {}, "The server does not answer"),
        h("p", { role: "status" }, "The page tries again every two seconds."),
      ),
    );
    waitForServer(stop);
  } else main.append(refusal(error));
}

async function waitForServer(stop) {
  waited = true;
  session.forgetRole(); // it may ask for other tokens when it is back
  while (!stop.signal.aborted) {
    await new Promise((done) => {
      setTimeout(done, 2000);
    });
    try {
      await get("/readyz");
      if (!stop.signal.aborted) show();
      return;
    } catch (error) {
      if (error instanceof Refusal && error.status !== 0 && error.status !== 503) {
        show();
        return;
      }
    }
  }
}

export async function show() {
  const place = readAddress();
  current?.stop.abort();
  const stop = new AbortController();
  const mine = { stop };
  current = mine;
  showFrame(place);
  const room = h("div", { "aria-busy": "true" });
  put(main, ...headOf(place), room);
  const context = {
    ...place,
    room,
    signal: stop.signal,
    /** Keeps what the view shows in the address, without a new entry of the history. */
    keep(changes) {
      if (stop.signal.aborted) return;
      for (const [key, value] of Object.entries(changes)) {
        if (value === null || value === undefined || value === "") place.query.delete(key);
        else place.query.set(key, value);
      }
      const text = place.query.toString().replace(/%2C/g, ",");
      history.replaceState(null, "", location.hash.split("?")[0] + (text ? `?${text}` : ""));
    },
    fail: (error) => fail(error, stop),
    /** Runs work now and every so many seconds, while the page is in sight. */
    async every(seconds, work) {
      while (!stop.signal.aborted) {
        if (!document.hidden) {
          try {
            await work();
          } catch (error) {
            fail(error, stop);
            return;
          }
        }
        await new Promise((done) => {
          setTimeout(done, 1000 * seconds);
        });
      }
    },
    reload: show,
  };
  try {
    const known = session.role() === null ? session.learn(context).then(() => showFrame(place)) : null;
    const [module] = await Promise.all([load(place.page), known]);
    if (stop.signal.aborted) return;
    document.title = `${place.model ? `${place.model} – ` : ""}${place.page} – surrogated`;
    await module.render(context);
    room.setAttribute("aria-busy", "false");
    (await import("./plot.js")).refreshPlots(false);
    announce(`${place.model ?? ""} ${place.page}`);
  } catch (error) {
    fail(error, stop);
  }
}

/** The module of a page. It may be missing because the server is away, or since a newer one has other files. */
async function load(page) {
  try {
    const module = await MODULES[page]();
    // The others come while there is time, so that every page is here when the server goes.
    if (!everything) setTimeout(() => Object.values(MODULES).forEach((one) => one().catch(() => {})), 500);
    everything = true;
    return module;
  } catch {
    try {
      await get("/readyz");
    } catch (error) {
      if (error.status === 0) throw error;
    }
    if (waited) location.reload();
    throw new Refusal(0, { detail: "A part of the page did not come." });
  }
}

function themeButton() {
  const button = document.getElementById("theme");
  const names = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
  let theme = "auto";
  try {
    theme = names[localStorage.getItem("theme")] ? localStorage.getItem("theme") : "auto";
  } catch {
    /* no storage */
  }
  const apply = async () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = names[theme];
    if (current) (await import("./plot.js")).refreshPlots(true);
  };
  button.addEventListener("click", () => {
    theme = { auto: "light", light: "dark", dark: "auto" }[theme];
    try {
      localStorage.setItem("theme", theme);
    } catch {
      /* no storage */
    }
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}

themeButton();
addEventListener("hashchange", () => {
  show();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
show();
