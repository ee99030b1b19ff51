// SPDX-License-Identifier: GPL-2.0-or-later
// What needs somebody: the findings that the figures of the API allow, and what to do about each.

import { age, ago } from "../common/amount.js";
import { h } from "../common/dom.js";
import { words } from "../common/grid.js";
import { count, endpoint } from "../common/text.js";

const STALLED_MS = 30_000;
const RECENT_MS = 3_600_000;
const MOST = 4;
const DOCTOR = "`make doctor` on its host says more";

/** Of capture, and of the proxies if they are known; the worst first. */
export function findings(status, trace, rates, clockWarning) {
  const since = (moment) => Date.parse(status.time) - Date.parse(moment ?? 0);
  return [
    ...none(status),
    ...status.nodes.flatMap((node) => ofNode(node, status, rates, since)),
    ...status.retention.nodes.flatMap(({ capture_node: name, findings: told }) =>
      told.map((text) => bad(name, text))),
    ...status.nodes.flatMap((node) => node.outputs.flatMap((output) => ofOutput(node, output))),
    ...few(status.senders.flatMap((sender) => ofSender(sender, clockWarning))),
    ...few(status.refused.filter((one) => since(one.last_seen) < RECENT_MS)
      .map((one) => wait(one.peer === "::" ? "others" : one.peer, `${count(one.packets)} ${one.cause}, last ${ago(one.last_seen, status.time)}`,
        status.causes[one.cause]?.help))),
    ...status.sites.filter(({ answers }) => !answers).map(({ name, message }) =>
      bad(name, `this site does not answer: ${message}`, "its calls are in no search meanwhile")),
    ...(trace?.proxies ?? []).flatMap(ofProxy),
  ].sort((one, other) => (one.tone === "bad" ? 0 : 1) - (other.tone === "bad" ? 0 : 1));
}

export const shownFinding = ({ tone, about, text, advice }) =>
  h("li", { class: `tone-${tone}` }, about ? [h("strong", {}, words(about, 60)), " "] : null,
    words(text, 300), advice ? h("span", { class: "faint" }, " ", words(advice, 300)) : null);

const bad = (about, text, advice) => ({ tone: "bad", about, text, advice });
const wait = (about, text, advice) => ({ tone: "wait", about, text, advice });

const none = ({ nodes }) => (nodes.length ? []
  : [wait("", "No capture node has ever reported to this database.", "`make doctor` on the capture node says why")]);

function ofNode(node, { time, causes }, rates, since) {
  const { name } = node;
  const found = [];
  if (!node.alive) found.push(bad(name, `has given no sign of life for ${age(since(node.heartbeat_at))}`, "`make status` on its host says whether it runs"));
  if (node.unaccounted) found.push(bad(name, `${count(node.unaccounted)} packets are unaccounted for`, "that is a bug: please report it"));
  for (const [cause, { outcome, help }] of Object.entries(causes)) {
    if (outcome === "dropped" && rates.of(causeKey(node, cause)) > 0) {
      found.push(bad(name, `is losing packets now: ${cause}`, help));
    }
  }
  if (node.paused_at) {
    found.push(wait(name, `storing was paused by an operator ${ago(node.paused_at, time)}`, "python -m collector resume"));
  } else if (node.alive && node.waiting && since(node.last_commit_at) > STALLED_MS) {
    found.push(bad(name, `${count(node.waiting)} packets wait in the journal; last stored ${ago(node.last_commit_at, time)}`, DOCTOR));
  }
  if (node.hook_faults) found.push(wait(name, `${count(node.hook_faults)} faults in hook.file`, "the log of the capture node has them"));
  if (node.alive && node.plain_hops) found.push(wait(name, `${count(node.plain_hops)} ingest processes decode in plain Python`, DOCTOR));
  return found;
}

/** Of the rate of a cause on a node. */
export const causeKey = ({ journal_id: id }, cause) => `${id} ${cause}`;

function ofOutput({ name }, { output, running, connected, waiting, last_error: error }) {
  if (!running) return [bad(name, `output ${output} does not run`, DOCTOR)];
  if (connected || !waiting) return [];
  return [wait(name, `output ${output} does not deliver: ${count(waiting)} wait`, error)];
}

function ofSender({ peer, node, hep_version: version, clock_offset_us: offset }, clockWarning) {
  if (!version) return [wait(peer, "sends what is not HEP", "something else, or a HEP agent to the wrong port")];
  if (Math.abs(offset / 1000) <= clockWarning) return [];
  const way = offset > 0 ? "ahead" : "behind";
  return [wait(`${endpoint(peer)} ${node}`.trim(), `has a clock that is ${age(Math.abs(offset) / 1000)} ${way}`, "set it by NTP")];
}

function ofProxy({ name, state, last_error: error }) {
  return state === "waiting" || state === "ready" ? [] : [bad(name, `proxy is ${state}`, error ?? "")];
}

/** A list that does not hide all others. */
function few(found) {
  const more = found.length - MOST;
  return more > 0 ? [...found.slice(0, MOST), wait("", `and ${more} more of this kind: see below`)] : found;
}
