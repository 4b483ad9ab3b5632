// SPDX-License-Identifier: Apache-2.0
// Requests to the server that this page comes from. The token stays in this module's memory.

const root = new URL("../", new URL(".", import.meta.url));
const ROLES = ["predict", "read", "write", "admin"];
let token = null;
let role = null; // what may be done; null: not asked yet

/** A refusal of the server, or no answer at all (status 0). */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

export const session = {
  signIn: (text) => {
    token = text || null;
    role = null;
  },
  signOut: () => {
    token = null;
    role = null;
  },
  signedIn: () => token !== null,
  role: () => role,
  /** Is `needed` (read, write, admin) within what the token may do? As long as that is not known, the server says it. */
  may: (needed) => role === null || ROLES.indexOf(role) >= ROLES.indexOf(needed),
  /** Asks the server what the token may do. */
  async learn(options) {
    role = (await get("/v1/token", options)).role;
  },
  forgetRole: () => {
    role = null;
  },
};

/** Paths with names in them: path`/v1/models/${name}` escapes the name. */
export function path(parts, ...names) {
  return parts.reduce((text, part, i) => text + encodeURIComponent(names[i - 1]) + part);
}

/** The Response; a Refusal is thrown for every status from 400 on. */
export async function request(method, where, { body, headers = {}, signal } = {}) {
  const head = { ...headers };
  if (token !== null) head.Authorization = `Bearer ${token}`;
  if (body !== undefined && !head["Content-Type"]) {
    head["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(new URL(where.replace(/^\//, ""), root), {
      method,
      headers: head,
      body,
      signal,
      cache: "no-cache",
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, { detail: "The server does not answer. It may be restarting." });
  }
  if (answer.status >= 400) {
    const text = await answer.text();
    let problem = { detail: text.slice(0, 300) };
    try {
      problem = JSON.parse(text);
    } catch {
      /* not JSON: the text says it */
    }
    throw new Refusal(answer.status, problem);
  }
  return answer;
}

export async function json(method, where, body, options = {}) {
  const answer = await request(method, where, { ...options, body });
  return answer.status === 204 ? null : answer.json();
}

export const get = (where, options) => json("GET", where, undefined, options);

/** The same, or `other` where there is none (404, 409). */
export async function getOr(where, other, options) {
  try {
    return await get(where, options);
  } catch (error) {
    if (error instanceof Refusal && (error.status === 404 || error.status === 409)) return other;
    throw error;
  }
}

/** Splits text that comes in pieces into events of `event: ..`, `data: ..`, `id: ..`. */
export function eventReader(onEvent) {
  let rest = "";
  return (piece) => {
    const blocks = (rest + piece).replace(/\r\n?/g, "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { name: "message", data: "", id: null };
      for (const line of block.split("\n")) {
        const [, key, value] = line.match(/^(\w+): ?(.*)$/) || [];
        if (key === "event") event.name = value;
        else if (key === "data") event.data += value;
        else if (key === "id") event.id = value;
      }
      if (event.data) onEvent(event);
    }
  };
}

/**
 * Follows the events of a job until it has ended. EventSource cannot send a token, so this reads the
 * stream by fetch, and goes on after a break where it was. onEvent(name, document).
 */
export async function follow(id, onEvent, signal) {
  let last = null;
  let ended = false;
  let pause = 500;
  while (!ended && !signal.aborted) {
    try {
      const answer = await request("GET", `/v1/jobs/${id}/events`, {
        signal,
        headers: last ? { "Last-Event-ID": last } : {},
      });
      if (answer.status === 204) return;
      pause = 500;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const take = eventReader((event) => {
        last = event.id || last;
        const document = JSON.parse(event.data);
        ended = ended || (event.name === "state" && !["queued", "running"].includes(document.state));
        onEvent(event.name, document);
      });
      for (let part = await reader.read(); !part.done; part = await reader.read()) take(part.value);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error instanceof Refusal && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    }
    if (!ended)
      await new Promise((done) => {
        setTimeout(done, pause);
      });
    pause = Math.min(2 * pause, 8000);
  }
}

/** The text of an answer up to so many lines; whether there were more. The rest is not read. */
export async function lines(where, max, signal) {
  const stop = new AbortController();
  signal?.addEventListener("abort", () => stop.abort());
  const answer = await request("GET", where, { signal: stop.signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const found = [];
  let rest = "";
  let part = await reader.read();
  for (; !part.done && found.length <= max; part = await reader.read()) {
    const pieces = (rest + part.value).split("\n");
    rest = pieces.pop();
    for (const piece of pieces) found.push(piece.replace(/\r$/, ""));
  }
  if (rest && part.done) found.push(rest);
  stop.abort();
  return { headers: answer.headers, lines: found.slice(0, max + 1), more: !part.done || found.length > max + 1 };
}
