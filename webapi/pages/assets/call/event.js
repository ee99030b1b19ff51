// SPDX-License-Identifier: GPL-2.0-or-later
// One event to read: a log line, a CDR, or what else came with this Call-ID.

import { h } from "../common/dom.js";
import { endpoint, shown } from "../common/text.js";
import { full } from "../common/zone.js";
import { kindOf } from "./flow.js";
import { fill } from "./pane.js";

const TAB = "\t";

/** Fill the pane with an event. */
export function show(pane, { event }, ways) {
  const text = event.payload ?? atob(event.payload_base64 ?? "");
  fill(pane, {
    title: kindOf(event), ...ways,
    facts: [
      ["Captured", full(event.ts)], ["Agent", shown(event.node ?? "")],
      event.src_ip && ["From, to", `${endpoint(event.src_ip, event.src_port)} → ${endpoint(event.dst_ip, event.dst_port)}`],
      event.fault && ["Fault", shown(event.fault)],
    ],
  }, h("pre", { tabindex: 0, "aria-label": "Text of the event" },
    indented(text).split(/\r?\n/).map((line) => h("div", { class: "line" }, line ? shown(line, Infinity, TAB) : "\u200b"))));
}

/** JSON on several lines; what is none, as it came. */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
