// SPDX-License-Identifier: GPL-2.0-or-later
// The public API, with the session's cookie.

/** An answer that is not 2xx, or none at all. */
export class Failure extends Error {
  constructor(status, code, message, field = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

const csrf = document.querySelector('meta[name="csrf-token"]').content;

/** GET; throws Failure. Without a session the way leads to sign-in and back. */
export async function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(parameters).toString();
  return ask(query ? `${path}?${query}` : path, { signal });
}

/** A change, with the token that only our pages know. */
export async function send(method, path, body = undefined) {
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  return change(method, path, type, body === undefined ? undefined : JSON.stringify(body));
}

/** The same with a file as it is. */
export const upload = (path, file, type) => change("POST", path, { "Content-Type": type }, file);

const change = (method, path, headers, body) =>
  ask(path, { method, headers: { ...headers, "X-CSRF-Token": csrf }, body });

/** Why a stream does not begin, as a Failure; null when it would begin now. */
export async function refusal(path) {
  const mine = new AbortController();
  try {
    const answer = await reach(path, { signal: mine.signal });
    if (!answer.ok) await read(answer);
    return null;
  } catch (error) {
    return error;
  } finally {
    mine.abort();
  }
}

const ask = async (path, options) => read(await reach(path, options));

async function reach(path, options) {
  try {
    return await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, "unreachable", "The service does not answer.");
  }
}

async function read(answer) {
  const data = await answer.json().catch(() => null);
  if (answer.ok && data !== null) return data;
  const { code = "unreadable", message = "The answer cannot be read.", field = null } =
    data?.error ?? {};
  if (answer.status === 401 && ["sign_in_required", "session_over"].includes(code)) signIn();
  throw new Failure(answer.status, code, message, field);
}

function signIn() {
  if (location.pathname === "/sign-in") return;
  const here = location.pathname + location.search;
  location.assign(`/sign-in?${new URLSearchParams({ next: here })}`);
}
