// SPDX-License-Identifier: GPL-2.0-or-later
// The columns of the three tables, and how a row of the API is shown in them.

import { h } from "./dom.js";
import { count, endpoint, plain, shown, span } from "./text.js";
import { full, wall } from "./zone.js";

const TONES = {
  trying: "going", ringing: "going", answered: "good", completed: "good", cancelled: "none",
  busy: "wait", redirected: "turn", failed: "bad", timed_out: "bad", unknown: "none",
  registered: "good", expired: "wait", unregistered: "none", challenged: "wait",
};
const LONG = 160;

export const tone = (state) => `tone-${TONES[state] ?? "none"}`;

/** The colour of a method or of a status. */
export function toneOf({ method, status }) {
  if (!status) return ["INVITE", "REGISTER"].includes(method) ? "tone-going" : "tone-turn";
  if (status < 200) return "tone-none";
  if (status < 300) return "tone-good";
  if (status < 400) return "tone-turn";
  return status === 401 || status === 407 || status === 487 ? "tone-wait" : "tone-bad";
}

export const badge = (state) =>
  h("span", { class: `badge ${tone(state)}` }, state.replace("_", " "));

export function when(moment) {
  if (!moment) return null;
  const { date, time, fraction } = wall(moment);
  return h("time", { datetime: moment, title: full(moment) },
    h("span", { class: "faint" }, `${date} `), time,
    h("span", { class: "faint" }, `.${fraction.slice(0, 3)}`));
}

export const words = (value) => (value === undefined ? null
  : h("bdi", { title: plain(value, 1000) }, shown(value, LONG)));
const number = (value) => (value === undefined ? null : count(value));
const text = (key, label, more = {}) =>
  ({ key, label, cell: (row) => words(row[key]), ...more });
const mono = (key, label, more = {}) => text(key, label, { kind: "mono", ...more });
const time = (key, label, more = {}) =>
  ({ key, label, kind: "mono time", cell: (row) => when(row[key]), ...more });
const delay = (key, label) => ({
  key, label, kind: "number", sort: key, cell: (row) => span(row[key]),
});
const socket = (key, label, side, more = {}) => ({
  key, label, kind: "mono", ...more,
  cell: (row) => {
    const address = endpoint(row[`${side}_ip`], row[`${side}_port`]);
    const name = row[`${side}_name`];
    if (!name) return address || null;
    return h("bdi", { title: plain(`${name} ${address}`) }, shown(name, LONG));
  },
});
const outcome = (key, label, reason, more = {}) => ({
  key, label, sort: "status",
  cell: (row) => (row.status === undefined ? null : [
    h("span", { class: `code ${toneOf(row)}` }, String(row.status)), " ", words(reason(row))]),
  ...more,
});
const state = { key: "state", label: "State", sort: "state", usual: true, cell: (row) => badge(row.state) };
const sent = [
  mono("call_id", "Call-ID", { usual: true, sort: "call_id", kind: "mono rest" }),
  text("user_agent", "User agent"), text("transport", "Transport"), text("node", "Agent"),
];
/** When there are several. */
const site = text("site", "Site", { usual: true });

const CALLS = [
  time("started_at", "Began", { usual: true, sort: "started_at" }),
  state,
  mono("caller", "Caller", { usual: true, sort: "caller", kind: "mono strong" }),
  mono("callee", "Callee", { usual: true, sort: "callee", kind: "mono strong" }),
  outcome("status", "Status", (row) => (row.status === row.failure_status
    ? row.failure_reason : undefined), { usual: true }),
  { ...delay("pdd_ms", "PDD"), usual: true, title: "Post-dial delay: INVITE to ringing" },
  { ...delay("setup_ms", "Setup"), title: "INVITE to answer" },
  { ...delay("duration_ms", "Duration"), usual: true, title: "Answer to BYE" },
  socket("src", "From", "src", { usual: true }),
  socket("dst", "To", "dst", { usual: true }),
  text("ended_by", "Ended by"),
  {
    key: "messages", label: "Msgs", kind: "number", sort: "messages", usual: true,
    title: "Messages; behind them retransmissions",
    cell: (row) => [count(row.messages), row.retransmissions
      ? h("span", { class: "repeats", title: `${row.retransmissions} retransmissions` },
        ` ↻${count(row.retransmissions)}`) : null],
  },
  { ...sent[0], sort: undefined }, sent[1],
  text("answer_agent", "User agent that answered"), sent[2], sent[3], site,
  mono("caller_codecs", "Codecs"), mono("auth_user", "Username"),
  mono("from_domain", "From domain"), mono("ruri_domain", "Request-URI domain"),
  text("failure_cause", "Reason header"), text("failure_warning", "Warning header"),
  time("answered_at", "Answered"), time("ended_at", "Ended"),
];
const MESSAGES = [
  time("ts", "Captured", { usual: true, sort: "ts" }),
  {
    key: "method", label: "Message", sort: "method", usual: true,
    cell: (row) => [h("span", { class: `code ${toneOf(row)}` },
      row.status === undefined ? shown(row.method ?? "?", 40) : String(row.status)), " ",
    row.status === undefined ? null : words(row.reason),
    row.status === undefined ? null : h("span", { class: "faint" }, " ", shown(row.method ?? "", 40))],
  },
  mono("from_user", "From user", { usual: true, sort: "from_user", kind: "mono strong" }),
  mono("to_user", "To user", { usual: true, sort: "to_user", kind: "mono strong" }),
  mono("ruri_user", "Request-URI user", { sort: "ruri_user" }),
  socket("src", "From", "src", { usual: true }),
  socket("dst", "To", "dst", { usual: true }),
  text("transport", "Transport", { usual: true }),
  { key: "cseq", label: "CSeq", kind: "number", usual: true, cell: (row) => number(row.cseq) },
  sent[0], sent[1], text("node", "Agent", { sort: "node" }), site, text("kind", "Kind"),
  mono("auth_user", "Username"), mono("contact_user", "Contact user"),
  mono("via_branch", "Via branch"), mono("correlation_id", "Correlation id"),
  text("fault", "Fault"), time("received_at", "Received"),
];
const REGISTRATIONS = [
  time("last_at", "Last message", { usual: true, sort: "last_at" }),
  state,
  mono("aor", "Address of record", { usual: true, sort: "aor", kind: "mono strong" }),
  mono("contact", "Contact", { sort: "contact" }),
  outcome("status", "Status", (row) => row.reason, { usual: true }),
  { ...delay("latency_ms", "Latency"), usual: true },
  time("expires_at", "Expires", { usual: true }),
  { key: "requests", label: "Requests", kind: "number", usual: true, cell: (row) => number(row.requests) },
  { key: "failures", label: "Failures", kind: "number", usual: true, cell: (row) => number(row.failures) },
  socket("src", "From", "src", { usual: true }), socket("dst", "To", "dst"),
  text("user_agent", "User agent", { usual: true, kind: "rest" }), { ...sent[0], usual: false, sort: undefined },
  sent[2], sent[3], site, mono("auth_user", "Username"),
];

export const COLUMNS = { calls: CALLS, messages: MESSAGES, registrations: REGISTRATIONS };

/** What tells a row from others of its table. */
export function keyOf(tab, row) {
  const site = row.site ?? "";
  if (tab === "messages") return `${site} ${row.node} ${row.id}`;
  return tab === "calls" ? `${site} ${row.call_id}` : `${site} ${row.call_id} ${row.aor} ${row.contact}`;
}

/** Where a row leads to: the call, for a message with itself open. */
export function pathOf(tab, row) {
  if (!row.call_id) return null;
  const path = `/calls/${encodeURIComponent(row.call_id)}`;
  return tab === "messages" ? `${path}?message=${row.id}` : path;
}
