// SPDX-License-Identifier: GPL-2.0-or-later
// The facts of a session in a line or two: who, when, how it ended and how it sounded.

import { when } from "../common/columns.js";
import { h } from "../common/dom.js";
import { count, endpoint, shown, span } from "../common/text.js";
import { full } from "../common/zone.js";
import { captureText, figures, heardText, mosTone } from "./quality.js";

/** Items of a definition list. */
export function factsOf(call) {
  const row = call.call;
  const facts = row ? [...ofCall(row), ...ofQuality(call), ["Elsewhere", elsewhere(call.external_links)]]
    : [["First", full(call.from)], ["Last", full(call.to)], ["Messages", count(call.messages.length)]];
  return facts.filter(([, value]) => value && (!Array.isArray(value) || value.length))
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

function ofCall(row) {
  const media = (side) => row[`${side}_media_ip`]
    && shown(`${endpoint(row[`${side}_media_ip`], row[`${side}_media_port`])} ${row[`${side}_codecs`] ?? ""}`);
  return [
    ["Caller", shown(row.caller ?? "")], ["Callee", shown(row.callee ?? "")],
    ["Began", when(row.started_at)],
    ["Post-dial delay", span(row.pdd_ms)], ["Setup", span(row.setup_ms)],
    ["Duration", span(row.duration_ms)], ["Ended by", row.ended_by],
    ["Status", row.status && String(row.status)],
    ["Messages", `${count(row.messages)}${row.retransmissions ? `, ${count(row.retransmissions)} sent again` : ""}`],
    ["Caller's media", media("caller")], ["Callee's media", media("callee")],
    ["User agents", shown([row.user_agent, row.answer_agent].filter(Boolean).join(" → "))],
    ["By", shown([row.transport, row.node, row.site].filter(Boolean).join(" "))],
  ];
}

/** Of a call that had audio. What was lost while capturing stands beside it. */
function ofQuality(whole) {
  const { call, quality } = whole;
  if (!quality || !(call.answered_at || quality.streams.length)) return [];
  const heard = (way) => {
    const said = quality[way].reported === false ? ofAnotherLeg(whole, way) : null;
    return said ?? h("span", { class: mosTone(quality[way]) }, heardText(quality[way]));
  };
  return [
    ["Codec", shown(quality.codec ?? "")],
    ["Callee hears", heard("to_callee")], ["Caller hears", heard("to_caller")],
    ["Lost while capturing", captureText(quality.capture)],
  ];
}

/** What a B2BUA or a relay reports on its other side. */
function ofAnotherLeg({ streams, legs }, way) {
  const stream = streams.find((one) => one.way === way && one.reports);
  if (!stream) return null;
  const leg = legs.findIndex((one) => one.call_id === stream.call_id) + 1;
  return h("span", { class: mosTone(stream) }, `${figures(stream)} (leg ${leg})`);
}

/** Links to other systems, as the settings have them. */
function elsewhere(links = []) {
  return links.filter(({ url }) => /^https?:\/\//.test(url)).map(({ name, url }) =>
    [h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, shown(name, 60)), " "]);
}
