// SPDX-License-Identifier: GPL-2.0-or-later
// Proxies as the web API has seen them last, and the trace rules that they have or should have.

import { age } from "../common/amount.js";
import { h } from "../common/dom.js";
import { badge, marked, since } from "./nodes.js";
import { grid, words } from "../common/grid.js";
import { count } from "../common/text.js";

const TONES = { ready: "good", waiting: "going" };

export function proxies({ proxies: listed }, now) {
  return grid("Proxies", [
    { label: "Proxy", kind: "strong", cell: ({ name }) => words(name, 60) },
    { label: "State", cell: ({ state }) => badge(TONES[state] ?? "bad", state) },
    since("Since", "since", now),
    { label: "Rules", title: "In force there", kind: "number", cell: ({ in_force: rules }) => count(rules.length) },
    { label: "Calls now", title: "That it traces", kind: "number", cell: ({ calls_now: calls }) => count(calls) },
    { label: "Not traced", title: "Calls beyond its TRACE_MAX_CALLS", kind: "number", cell: ({ not_traced: calls }) => marked(calls) },
    { label: "siptrace", cell: ({ siptrace }) => siptrace },
    { label: "Drift", title: "Rules that somebody else has changed there, mended", kind: "number", cell: ({ drift }) => count(drift) },
    { label: "Restarts", title: "How often it came back without its rules", kind: "number", cell: ({ restarts }) => count(restarts) },
    { label: "Last error", kind: "rest", cell: ({ last_error: error }) => h("span", { class: "faint" }, words(error ?? "", 160)) },
    { label: "Control", kind: "mono", cell: ({ url }) => words(url, 80) },
  ], listed, "No proxy is named in trace.proxies: there is nobody who could trace single callers.");
}

export function rules({ trace_rules: listed, proxies: all, complete, database }, now) {
  if (!all.length && !listed.length) return null;
  return [
    h("h3", {}, "Trace rules in force"),
    complete ? null : h("p", { class: "notice wait" }, "The database does not answer: these are the rules as they were read last. ", words(database.last_error ?? "")),
    grid("Trace rules", [
      { label: "№", kind: "number", cell: ({ id }) => String(id) },
      { label: "Traces", kind: "mono strong", cell: ({ action, kind, value }) => [action === "exclude" ? badge("none", "exclude") : null, " ", kind, " ", words(value, 80)] },
      { label: "Of", cell: ({ percent, calls, methods }) => `${percent} %, ${calls ? `${count(calls)} calls` : "any number"}, ${methods.join(" ")}` },
      { label: "Asked by", cell: ({ requested_by: name }) => words(name, 64) },
      { label: "Why", kind: "rest", cell: ({ reason }) => words(reason, 120) },
      { label: "Ends in", kind: "number", cell: ({ expires_at: end }) => age(Math.max(Date.parse(end) - Date.parse(now), 0)) },
      {
        label: "In force on",
        cell: ({ in_force_on: on }) => badge(on.length === all.length && all.length ? "good" : "wait", `${on.length} of ${all.length}`),
      },
      { label: "Calls", title: "Traced because of it", kind: "number", cell: ({ traced }) => count(Object.values(traced).reduce((sum, calls) => sum + calls, 0)) },
    ], listed, "None: nobody is traced by a rule."),
  ];
}
