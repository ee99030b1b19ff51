// SPDX-License-Identifier: GPL-2.0-or-later
// One message to read: start line, headers, body, and what is different in another one.

import { copyText } from "../common/clipboard.js";
import { diff } from "./diff.js";
import { h } from "../common/dom.js";
import { label } from "./flow.js";
import { fill, tool } from "./pane.js";
import { endpoint, shown } from "../common/text.js";
import { full } from "../common/zone.js";

const HEADER = /^([A-Za-z0-9.!%*_+`'~-]+)(\s*:)([\s\S]*)$/;
const SDP = /^([a-z])=([\s\S]*)$/;
const COMPACT = {
  a: "Accept-Contact", b: "Referred-By", c: "Content-Type", e: "Content-Encoding", f: "From",
  i: "Call-ID", k: "Supported", l: "Content-Length", m: "Contact", o: "Event", r: "Refer-To",
  s: "Subject", t: "To", u: "Allow-Events", v: "Via", x: "Session-Expires",
};
const TAB = "\t";

/** Fill the pane with a row's message; `other` is one to compare it with, or null. */
export function show(pane, row, { other, onCompare, ...ways }) {
  const { message } = row;
  const copied = h("span", { class: "faint", role: "status" });
  const tools = [
    copied,
    tool("⇄", "Compare with the next one that is chosen", onCompare, String(Boolean(other))),
    tool("Copy", "Copy the message (c)", () => copy(message, copied)),
  ];
  fill(
    pane, { title: shown(label(message), 120), tools, facts: facts(row), ...ways },
    other ? h("p", { class: "faint" }, "Compared with ", shown(label(other), 80), ", ", full(other.ts)) : null,
    h("pre", { tabindex: 0, "aria-label": "Text of the message" },
      other ? compared(textOf(other), textOf(message)) : lines(textOf(message))),
  );
}

function facts({ message, repeats, copies }) {
  const sent = `${endpoint(message.src_ip, message.src_port)} → ${endpoint(message.dst_ip, message.dst_port)}`;
  const names = [message.src_name, message.dst_name].some(Boolean)
    ? `${message.src_name ?? message.src_ip} → ${message.dst_name ?? message.dst_ip}` : null;
  return [
    ["Captured", full(message.ts)],
    ["From, to", `${sent} ${message.transport ?? ""}`],
    names && ["Names", shown(names)],
    ["Agent", shown(message.node ?? "")],
    message.site && ["Site", shown(message.site)],
    repeats.length > 0 && ["Sent again", repeats.map(({ ts }) => full(ts)).slice(0, 12).join(", ")],
    copies.length > 0 && ["Also seen by", shown(copies.map(({ node }) => node).join(", "))],
    message.fault && ["Fault", shown(message.fault)],
  ].filter(Boolean);
}

/** The text as it came; what is not UTF-8 as Latin 1, so that nothing is hidden. */
export function textOf(message) {
  return message.raw ?? atob(message.raw_base64 ?? "");
}

const split = (text) => text.split(/\r?\n/);

/** Lines with colours: of the head until the empty line, of the body behind it. */
function lines(text, kinds = null) {
  let body = false;
  return split(text).map((line, at) => {
    const nodes = body ? sdp(line) : at === 0 ? [h("b", {}, shown(line, Infinity, TAB))] : header(line);
    if (line === "") body = true;
    return h("div", { class: kinds ? `line ${kinds[at]}` : "line" }, nodes.length ? nodes : "\u200b");
  });
}

function header(line) {
  const found = HEADER.exec(line);
  if (!found) return shown(line, Infinity, TAB);
  const [, name, colon, value] = found;
  return [h("span", { class: "header", title: COMPACT[name.toLowerCase()] ?? null }, name), colon,
    h("span", {}, shown(value, Infinity, TAB))];
}

function sdp(line) {
  const found = SDP.exec(line);
  if (!found) return shown(line, Infinity, TAB);
  const strong = ["m", "c"].includes(found[1]) || /^(sendonly|recvonly|inactive|sendrecv)/.test(found[2]);
  return [h("span", { class: "header" }, `${found[1]}=`),
    h(strong ? "b" : "span", {}, shown(found[2], Infinity, TAB))];
}

function compared(old, text) {
  const changes = diff(split(old), split(text));
  return lines(changes.map(({ line }) => line).join("\n"), changes.map(({ kind }) => kind));
}

export const copy = (message, told) => copyText(textOf(message), told);
