// SPDX-License-Identifier: GPL-2.0-or-later
// What the pages of the administration have in common: who looks at them, tools, notices.

import { get } from "../common/api.js";
import { words } from "../common/columns.js";
import { byId, h, put } from "../common/dom.js";
import { isTyping } from "../common/shell.js";

const { dataset } = byId("main");

/** What the API takes where it takes one of a few. */
export const choices = JSON.parse(dataset.words);
/** Most rows in one answer. */
export const most = Number(dataset.most);

/** `build` gets who one is, and `may(scope)`. */
export async function start(build) {
  try {
    const me = await get("/api/v1/me");
    await build(me, (scope) => me.scopes.includes(scope));
  } catch (error) {
    tell(error.message);
  }
}

/** A button or a link above the table; the first one has the key n. */
export function tool(text, click, main = false) {
  const attributes = typeof click === "string" ? { href: click, download: true } : { type: "button", click };
  put(byId("tools"), h(typeof click === "string" ? "a" : "button", { class: main ? "main" : null, ...attributes }, text));
}

/**
 * Whose things are listed: one's own, or for an administrator everybody's, unless that is unchecked.
 * Returns the parameters of the API for it.
 */
export function ownersOf(may, reload) {
  if (!may("admin")) return () => ({});
  const others = h("input", { type: "checkbox", checked: true, change: reload });
  put(byId("filters"), h("label", {}, others, "of everybody"));
  return () => (others.checked ? { all: "true" } : {});
}

/** A choice among a few words, empty for any; `label` is for those who do not see where it stands. */
export const choose = (name, label, options, change) =>
  h("select", { name, "aria-label": label, change }, options.map(([value, text]) => h("option", { value }, text)));

/** Something went wrong, or "" for nothing any more. */
export function tell(text) {
  const notice = byId("notice");
  notice.classList.toggle("bad", Boolean(text));
  notice.textContent = text;
  notice.hidden = !text;
}

/** A button of a row; `row` is what it is about, for those who do not see where it stands. */
export const action = (text, name, click) =>
  h("button", { type: "button", class: "quiet", "aria-label": `${text}: ${name}`, click }, text);

export const mark = (tone, ...text) => h("span", { class: `badge tone-${tone}` }, text);

/** A column with the text of a field. */
export const field = (key, label, kind = null) =>
  ({ key, label, kind, cell: (row) => words(row[key] ?? undefined) });

/** A word of the API as people write it. */
export const said = (word) => word.replaceAll("_", " ");

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || document.querySelector("dialog[open]")) return;
  const target = { n: "#tools .main", "/": "#filters input" }[event.key];
  const element = target && document.querySelector(target);
  if (!element) return;
  event.preventDefault();
  if (event.key === "n") element.click();
  else element.focus();
});
