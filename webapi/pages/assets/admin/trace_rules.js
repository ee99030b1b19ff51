// SPDX-License-Identifier: GPL-2.0-or-later
import { action, choices, field, mark, said, start, tool } from "./admin.js";
import { send } from "../common/api.js";
import { when, words } from "../common/columns.js";
import { byId, h, put, replace } from "../common/dom.js";
import { edit } from "../common/editor.js";
import { Records, pagesOf } from "./records.js";
import { count, plain, shown } from "../common/text.js";

const PATH = "/api/v1/trace-rules";
const LOOK_AGAIN_MS = 5000;
const options = (found) => found.map((one) => [one, said(one)]);
const KIND = { name: "kind", label: "What to look at", kind: "select", options: options(choices.kinds) };
const FIELDS = [
  KIND,
  { name: "value", label: "Value", optional: true, maxlength: 255, help: "User, domain, beginning of the user, address or network, Call-ID; nothing for all" },
  { name: "reason", label: "Reason", required: true, maxlength: 200, help: "Others see it; a ticket, for example" },
  { name: "duration", label: "For", half: true, optional: true, placeholder: "1h", help: "15m, 6h" },
  { name: "calls", label: "Most calls of a proxy", kind: "number", half: true, optional: true, min: 1, placeholder: "100", help: "Then it takes no more" },
  { name: "percent", label: "Percent of the calls", kind: "number", optional: true, min: 0.01, max: 100, placeholder: "100", half: true, help: "By a hash of the Call-ID" },
  { name: "methods", label: "First requests", kind: "list", half: true, optional: true, placeholder: "INVITE", help: "INVITE, REGISTER; * for all" },
  { name: "action", label: "Effect", kind: "select", options: options(choices.effects), help: "An exclude wins over every include" },
];
let proxies = [];

start(async (me, may) => {
  const state = h("select", { "aria-label": "Which rules", change: () => records.reload() },
    options(choices.states).map(([value, text]) => h("option", { value }, text)));
  const read = pagesOf(PATH, "trace_rules", { parameters: () => ({ state: state.value }), key: "before" });
  const records = new Records({
    columns, empty: "There are none of these.",
    read: async (cursor, limit) => {
      const { rows, found } = await read(cursor, limit);
      showProxies(found);
      return { rows, next: rows.length < limit ? null : rows.at(-1).id };
    },
    actions: may("trace") ? (rule) => !rule.ended && action("End", nameOf(rule), () => end(rule)) : null,
  });
  put(byId("filters"), state);

  async function add(values) {
    const made = await edit({
      title: "Trace calls", verb: "Trace", fields: FIELDS, values,
      text: "Proxies send the calls that match from now on, whole, and nothing else.",
      send: (entered) => send("POST", PATH, entered),
    });
    if (made) await records.reload();
  }

  async function end(rule) {
    const done = await edit({
      title: `End ${nameOf(rule)}?`, verb: "End", danger: true,
      text: "Calls that it has begun are traced no longer, either.",
      send: () => send("DELETE", `${PATH}/${rule.id}`),
    });
    if (done) await records.reload();
  }

  if (may("trace")) tool("Trace calls", () => add({}), true);
  await records.reload();
  setInterval(() => {
    const busy = document.hidden || document.querySelector("dialog[open]") || records.rows.length > records.drawn;
    if (!busy) records.reload();
  }, LOOK_AGAIN_MS);
  const wanted = new URLSearchParams(location.search);
  if (!wanted.has("kind") || !may("trace")) return;
  history.replaceState(null, "", location.pathname);
  await add(Object.fromEntries(["kind", "value", "reason"].map((name) => [name, wanted.get(name)])));
});

const nameOf = ({ id, kind, value }) => plain(`rule ${id}, ${said(kind)} ${value}`, 120);

/** How the proxies do, which the list says as well. */
function showProxies({ proxies: found, database, complete }) {
  proxies = found;
  replace(byId("above"),
    found.length ? found.map((proxy) => h("span", { title: plain(proxy.last_error ?? "") },
      shown(proxy.name, 60), " ", mark(proxy.state === "ready" ? "good" : "bad", said(proxy.state)), " ",
      h("span", { class: "faint" }, proxy.state === "ready" ? `${count(proxy.calls_now)} calls traced now`
        : shown(proxy.last_error ?? "", 160)))) : h("span", { class: "faint" }, "No proxy is in trace.proxies: rules can be brought nowhere."),
    complete ? null : mark("wait", `as of ${database.since}: the database does not answer`));
}

/** Where a rule is in force, with the calls that it has taken there. */
function where(rule) {
  const taken = (name) => (name in rule.traced ? `, ${count(rule.traced[name])} calls` : "");
  if (rule.ended) return [mark("none", said(rule.ended)), rule.ended_by && [" by ", words(rule.ended_by)]];
  return proxies.map(({ name, state }) => (rule.in_force_on.includes(name)
    ? mark("good", shown(name, 40), `: in force${taken(name)}`)
    : mark("wait", shown(name, 40), `: not yet, ${said(state)}`)));
}

const columns = [
  field("id", "Rule", "mono"),
  { label: "Calls with", cell: ({ action: effect, kind }) => [effect === "exclude" && mark("turn", "not"), said(kind)] },
  field("value", "Value", "mono strong"),
  { label: "Where", kind: "wrap", cell: where },
  { label: "Limits", cell: ({ calls, percent, methods }) => [calls ? `${count(calls)} calls` : null, percent < 100 ? `${percent} %` : null, methods.join(" ")].filter(Boolean).join(", ") },
  { label: "Until", kind: "mono time", cell: ({ ended_at: ended, expires_at: expires }) => when(ended ?? expires) },
  field("reason", "Reason", "wrap"), field("requested_by", "By"),
];
