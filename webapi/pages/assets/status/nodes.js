// SPDX-License-Identifier: GPL-2.0-or-later
// Who captures, who sends, who is refused, and where it goes besides.

import { age, ago, bytes, rate } from "../common/amount.js";
import { grid, words } from "../common/grid.js";
import { h } from "../common/dom.js";
import { count } from "../common/text.js";
import { full } from "../common/zone.js";

const FORMS = { 0: "not HEP", 4: "HEP in Protobuf" };
const SILENT_MS = 600_000;

export const badge = (tone, text) => h("span", { class: `badge tone-${tone}` }, text);
const number = (label, title, cell) => ({ label, title, cell, kind: "number" });
export const since = (label, name, now, more = {}) => ({
  label, kind: "number", ...more,
  cell: (row) => (row[name] ? h("time", { datetime: row[name], title: full(row[name]) }, ago(row[name], now))
    : h("span", { class: "faint" }, "never")),
});

export function nodes(status, rates) {
  return grid("Capture nodes", [
    { label: "Node", kind: "strong", cell: ({ name }) => words(name) },
    { label: "State", cell: ({ alive }) => badge(alive ? "good" : "bad", alive ? "alive" : "silent") },
    number("Packets/s", "Received in the last half minute", ({ journal_id: id }) => rate(rates.of(id))),
    number("Received", "Since its journal was created", (node) => count(node.received)),
    number("Waiting", "In the journal, not stored yet", (node) => count(node.waiting)),
    number("Journal", "What its files occupy", (node) => bytes(node.waiting_octets)),
    since("Last packet", "last_packet_at", status.time),
    since("Last stored", "last_commit_at", status.time),
    number("Dropped", "Lost, for any cause", (node) => marked(node.outcomes.dropped)),
    number("Hook faults", "Of hook.file", (node) => marked(node.hook_faults)),
    number("Calls refused", "By hook.file, or because a call was too long", (node) => marked(node.calls_refused)),
    { label: "Version", kind: "mono", cell: ({ version }) => words(version, 20) },
  ], status.nodes, "No capture node has ever reported to this database.");
}

export const marked = (value) => (value ? h("span", { class: "tone-bad code" }, count(value)) : "0");

/** By how much they send; those that need a look first. */
export function senders(status, rates, clockWarning, most) {
  const odd = (one) => (isOff(one, clockWarning) || !one.hep_version ? 0 : 1);
  const listed = status.senders.toSorted((one, other) =>
    odd(one) - odd(other) || other.packets - one.packets || (one.peer < other.peer ? -1 : 1));
  return grid("Senders", [
    { label: "Address", kind: "mono strong", cell: ({ peer }) => words(peer, 60) },
    { label: "Agent", title: "Name or number that it gives itself", cell: ({ node }) => words(node, 60) },
    {
      label: "State",
      cell: (one) => (Date.parse(status.time) - Date.parse(one.last_seen) > SILENT_MS ? badge("none", "silent") : badge("good", "sends")),
    },
    { label: "Form", cell: ({ hep_version: version }) => FORMS[version] ?? `HEPv${version}` },
    number("Packets/s", "Read from the journal in the last half minute", (one) => rate(rates.of(senderKey(one)))),
    number("Packets", "All of them", (one) => count(one.packets)),
    number("Rejected", "Not HEP, damaged, or a wrong password", (one) => marked(one.rejected)),
    since("Last packet", "last_seen", status.time),
    number("Clock", "Its clock minus ours at the last packet, transport included", (one) => clock(one, clockWarning)),
    { label: "To", title: "Capture node", cell: ({ capture_node: name }) => words(name, 40) },
  ], listed.slice(0, most), "Nobody has sent anything yet.");
}

export const senderKey = (one) =>
  [one.capture_node, one.peer, one.node, one.hep_version].join(" ");

const isOff = ({ hep_version: version, clock_offset_us: offset }, clockWarning) =>
  version > 0 && Math.abs(offset / 1000) > clockWarning;

function clock(one, clockWarning) {
  if (!one.hep_version) return "";
  const ms = one.clock_offset_us / 1000;
  const size = Math.abs(ms) < 1000 ? `${Math.abs(ms).toFixed(1)} ms` : age(Math.abs(ms));
  return h("span", { class: isOff(one, clockWarning) ? "tone-wait code" : null }, `${ms < 0 ? "−" : "+"}${size}`);
}

export function refused(status) {
  if (!status.refused.length) return null;
  return [h("h3", {}, "Refused before the journal"), grid("Refused", [
    { label: "Address", kind: "mono strong", cell: ({ peer }) => (peer === "::" ? "others" : words(peer, 60)) },
    { label: "Cause", kind: "mono", cell: ({ cause }) => words(cause, 40) },
    { label: "Meaning", cell: ({ cause }) => h("span", { class: "faint" }, words(status.causes[cause]?.help ?? "")) },
    number("Packets", "A connection counts as one", (one) => count(one.packets)),
    since("Last", "last_seen", status.time),
    { label: "By", cell: ({ capture_node: name }) => words(name, 40) },
  ], status.refused.slice(0, 20), "")];
}

export function outputs(status) {
  const listed = status.nodes.flatMap((node) => node.outputs.map((output) => ({ ...output, node: node.name })));
  const by = ({ fates }, outcome) => Object.entries(fates)
    .filter(([fate]) => status.fates[fate]?.outcome === outcome)
    .reduce((total, [, records]) => total + records, 0);
  return grid("Outputs", [
    { label: "Output", kind: "strong", cell: ({ output }) => words(output, 60) },
    { label: "Target", kind: "mono", cell: ({ target }) => words(target, 80) },
    {
      label: "State",
      cell: ({ running, connected, waiting }) => (!running ? badge("bad", "not running")
        : connected ? badge("good", "connected") : badge(waiting ? "wait" : "none", waiting ? "not connected" : "idle")),
    },
    number("Delivered", "The receiver has it", (one) => count(by(one, "delivered"))),
    number("Waiting", "In its backlog", (one) => `${count(one.waiting)} · ${bytes(one.waiting_octets)}`),
    number("Skipped", "By its settings", (one) => count(by(one, "skipped"))),
    number("Rejected", "Refused, malformed or too large", (one) => marked(by(one, "rejected"))),
    number("Dropped", "Lost for this output", (one) => marked(by(one, "dropped"))),
    since("Last success", "last_success_at", status.time),
    { label: "Last error", kind: "rest", cell: ({ last_error: error }) => h("span", { class: "faint" }, words(error, 160)) },
    { label: "Node", cell: ({ node }) => words(node, 40) },
  ], listed, "Nothing but PostgreSQL: no relay, Loki or metrics output is set.");
}
