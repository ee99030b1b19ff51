// SPDX-License-Identifier: GPL-2.0-or-later
// What to do when a search finds nothing or fails.

import { get } from "../common/api.js";
import { h, replace } from "../common/dom.js";
import { filtersOf, isEverywhere } from "./state.js";
import { longer, nameOf, relative } from "../common/range.js";
import { join, meanings } from "./terms.js";
import { count, plain, span } from "../common/text.js";

const FAILURES = {
  query_timeout: "Make the time range shorter, or search by caller, callee or Call-ID: these have indexes.",
  database_unavailable: "Captured messages wait in the journal and nothing is lost. `make doctor` on the host says what is wrong.",
  database_schema: "Run `python -m collector init-db` on the host.",
  unreachable: "The service is stopped or the way to it is. `make status` on the host says which.",
  too_many_exports: "Wait until another export has ended.",
};

/** A search that found nothing; `change` gets what to change in the state. */
export function nothing(element, state, guesses, change) {
  const { tab, from } = state;
  const hasFilters = filtersOf(state).size > 0;
  const used = from || relative(tab.range);
  const wider = state.to || isEverywhere(state) ? [] : longer(used);
  const pulse = h("p", { class: "faint" }, "…");
  replace(element,
    h("h2", {}, hasFilters ? `No ${tab.title.toLowerCase()} match` : `No ${tab.title.toLowerCase()} in this time`),
    h("div", { class: "actions" },
      wider.map((name) => h("button", { type: "button", click: () => change({ from: name, to: "" }) }, nameOf(name))),
      hasFilters && h("button", { type: "button", click: () => change({ filters: new Map() }) }, "Without the filters"),
      others(state, guesses).map((filters) => h("button", {
        type: "button", class: "mono", click: () => change({ filters }),
      }, plain(join(filters), 60)))),
    pulse);
  element.hidden = false;
  tellPulse(pulse);
}

/** Other meanings of a bare word that was taken for something. */
function others(state, guesses) {
  const fields = new Set(state.tab.fields.map(({ name }) => name));
  return [...guesses].slice(0, 2).flatMap(({ word, taken }) =>
    meanings(word, fields)
      .filter((pairs) => !pairs.every(([name]) => taken.has(name)))
      .map((pairs) => new Map([
        ...[...state.filters].filter(([name]) => !taken.has(name)), ...pairs]))).slice(0, 3);
}

/** Whether anything is captured at all. */
async function tellPulse(element) {
  try {
    const { nodes } = await get("/api/v1/status");
    if (!nodes.length) {
      replace(element, "No capture node has ever reported to this database. ",
        h("code", {}, "make doctor"), " on the capture node says why. ",
        h("a", { href: "/status" }, "Status"));
      return;
    }
    const alive = nodes.filter((node) => node.alive);
    const received = nodes.reduce((sum, node) => sum + node.received, 0);
    const last = Math.max(...nodes.map((node) => Date.parse(node.last_packet_at ?? 0)));
    const ago = Date.now() - last;
    const nodesText = `${alive.length} of ${nodes.length} capture node${nodes.length > 1 ? "s" : ""} alive`;
    const lastText = last > 0 ? `last packet ${span(Math.max(ago, 0))} ago` : "no packet yet";
    replace(element, `Capture: ${nodesText}, ${count(received)} packets received, ${lastText}. `,
      h("a", { href: "/status" }, "Status"), " ",
      alive.length && last > 0 && ago < 600_000 ? null
        : [h("code", {}, "make doctor"), " on the capture node says why."]);
  } catch (error) {
    replace(element, error.message);
  }
}

/** A search that failed. */
export function failed(element, error, change) {
  const advice = FAILURES[error.code];
  replace(element, h("h2", {}, error.message), advice && h("p", {}, advice),
    error.code === "query_timeout" && h("div", { class: "actions" },
      h("button", { type: "button", click: () => change({ from: "-15m", to: "" }) }, nameOf("-15m"))),
    h("p", { class: "faint" }, h("code", {}, error.code)));
  element.hidden = false;
}
