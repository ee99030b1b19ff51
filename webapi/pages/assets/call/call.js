// SPDX-License-Identifier: GPL-2.0-or-later
import { get } from "../common/api.js";
import { badge } from "../common/columns.js";
import { byId, h, replace } from "../common/dom.js";
import { isTyping } from "../common/shell.js";
import { away } from "../common/sites.js";
import { plain, shown } from "../common/text.js";
import { full, onChange } from "../common/zone.js";
import * as event from "./event.js";
import { factsOf } from "./facts.js";
import { rowsOf, seconds, unfold, us } from "./flow.js";
import { Ladder } from "./ladder.js";
import * as message from "./message.js";
import * as quality from "./quality.js";
import { share } from "./share.js";

const EXPORTS = {
  pcap: "PCAP", pcapng: "PCAP-NG", txt: "Text", json: "JSON", svg: "Drawing (SVG)",
  "xml?side=caller": "SIPp, caller", "xml?side=callee": "SIPp, callee",
};
const { shared } = byId("main").dataset;
let { callId } = byId("main").dataset;
const path = shared ? `/api/v1/shared/${encodeURIComponent(shared)}`
  : `/api/v1/calls/${encodeURIComponent(callId)}`;
const element = byId("message");
const hiddenLegs = new Set();

let call = null;
let folded = true;
let withReports = false;
let chosen = null;
let compareWith = null;

const ladder = new Ladder(byId("ladder"), (row) => open(row));

async function load() {
  replace(byId("call-id"), shown(callId));
  byId("back").href = sessionStorage.getItem("kemiscope.search") ?? "/search";
  if (!shared) showExports(EXPORTS);
  try {
    call = shared ? { legs: [], events: [], media: [], streams: [], ...await get(path) } : await get(path, { legs: "all" });
  } catch (error) {
    replace(byId("headline"), error.status === 404 && !shared ? "Nothing has this Call-ID" : error.message);
    byId("story").hidden = true;
    return;
  }
  if (shared) begun();
  show();
  const asked = new URLSearchParams(location.search).get("message");
  const at = asked ? ladder.indexOf(asked) : -1;
  if (at >= 0) ladder.pick(at);
}

/** What a link shows is known only when it has opened. */
function begun() {
  callId = call.call_id;
  replace(byId("call-id"), shown(callId));
  byId("exports").hidden = !call.may_export;
  showExports({ pcap: EXPORTS.pcap });
  tell(`Shared until ${full(call.expires_at)}.`);
}

function show() {
  const { explanation } = call;
  const row = call.call;
  document.title = `${plain(row ? `${row.caller ?? "?"} → ${row.callee ?? "?"}` : callId, 60)} · kemiscope`;
  replace(byId("headline"), row ? [badge(row.state), " "] : null,
    shown(explanation?.headline ?? "What is known of this Call-ID", 600));
  replace(byId("facts"), factsOf(call));
  showStory(explanation?.statements ?? []);
  showSwitches();
  showTools(row);
  if (!call.complete) {
    tell(away(call) || "Only the first messages, as many as web.max_call_messages allows.");
  }
  drawLadder();
}

const legs = () => (call.legs.length ? call.legs : [{ call_id: call.call_id }]);

function drawLadder() {
  const order = new Map(legs().map((leg, at) => [leg.call_id, at]));
  const isVisible = ({ call_id: id }) => !hiddenLegs.has(id);
  const visible = Object.fromEntries(["messages", "media", "streams", "events"].map((name) => [name, call[name].filter(isVisible)]));
  const { hosts, rows } = rowsOf(visible, order, { withReports });
  ladder.set({ hosts, rows: folded ? rows : unfold(rows), legs: order.size });
}

function showStory(statements) {
  const start = us(call.from);
  const story = byId("story");
  story.hidden = statements.length === 0;
  story.querySelector("summary").textContent = `What happened (${statements.length})`;
  replace(story.querySelector("ol"), statements.map(({ text, severity, certainty, at, messages }) =>
    h("li", { class: severity },
      h("span", { class: "at mono" }, at ? seconds(us(at) - start) : ""),
      h(messages.length ? "button" : "span", {
        type: messages.length ? "button" : null,
        click: messages.length ? () => ladder.pick(ladder.indexOf(messages[0])) : null,
      }, shown(text, 1000), certainty === "certain" ? null : h("span", { class: "faint" }, ` (${certainty})`)))));
}

function showSwitches() {
  const names = legs();
  const repeats = call.call?.retransmissions || call.call?.duplicates;
  const reports = call.streams.reduce((sum, { points }) => sum + points.length, 0);
  const box = (text, attributes) => h("label", { class: "leg-switch" }, h("input", { type: "checkbox", ...attributes }), text);
  replace(byId("switches"),
    names.length > 1 ? names.map((leg, at) => h("label", { class: `leg-switch leg-${at % 8}`, title: plain(leg.call_id) },
      h("input", {
        type: "checkbox", checked: !hiddenLegs.has(leg.call_id),
        change: ({ target }) => {
          if (target.checked) hiddenLegs.delete(leg.call_id);
          else hiddenLegs.add(leg.call_id);
          drawLadder();
        },
      }), `Leg ${at + 1}: `, shown(`${leg.caller ?? "?"} → ${leg.callee ?? "?"}`, 48))) : null,
    repeats || names.length > 1 ? box("Retransmissions folded", {
      checked: folded, id: "fold", change: ({ target }) => { folded = target.checked; drawLadder(); },
    }) : null,
    reports ? box(`Quality reports (${reports})`, {
      checked: withReports, id: "reports", change: ({ target }) => { withReports = target.checked; drawLadder(); },
    }) : null);
}

/** What one can do with it, for who may. */
function showTools(row) {
  const trace = byId("trace");
  if (trace && row) {
    const who = row.from_user ? { kind: "from_user", value: row.from_user } : { kind: "source", value: row.src_ip };
    trace.href = `/admin/trace-rules?${new URLSearchParams({ ...who, reason: `as in ${callId}`.slice(0, 200) })}`;
    trace.hidden = false;
  }
  if (byId("share")) byId("share").hidden = false;
  byId("quality").hidden = !call.streams.length && !call.media.length;
}

function showExports(exports) {
  replace(byId("exports").querySelector(".panel"), Object.entries(exports).map(([suffix, text]) => {
    const query = shared || suffix.startsWith("xml") ? "" : "?legs=all";
    return h("a", { href: `${path}/export.${suffix}${query}`, download: true }, text);
  }));
}

function open(row) {
  const other = compareWith;
  compareWith = null;
  chosen = row;
  const ways = { onClose: close, onMove: (step) => ladder.move(step) };
  if (row.kind === "message") {
    message.show(element, row, {
      ...ways, other,
      onCompare: ({ currentTarget }) => {
        compareWith = compareWith ? null : row.message;
        currentTarget.setAttribute("aria-pressed", String(Boolean(compareWith)));
      },
    });
  } else if (row.kind === "event") event.show(element, row, ways);
  else quality.show(element, call, { ...ways, first: row.stream, agreed: row.agreed });
  address(row.kind === "message" ? row.message.id : null);
}

function showQuality() {
  if (byId("quality").hidden) return;
  ladder.mark(null);
  chosen = null;
  quality.show(element, call, { onClose: close });
  address(null);
}

function close() {
  const hadFocus = element.contains(document.activeElement);
  element.hidden = true;
  chosen = null;
  compareWith = null;
  ladder.mark(null);
  if (hadFocus) ladder.focus();
  address(null);
}

function address(id) {
  const query = id ? `?${new URLSearchParams({ message: id })}` : "";
  history.replaceState(null, "", location.pathname + query);
}

function tell(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const keys = {
    j: () => ladder.move(1), ArrowDown: () => ladder.move(1),
    k: () => ladder.move(-1), ArrowUp: () => ladder.move(-1),
    Escape: close, b: () => shared || byId("back").click(), q: showQuality,
    c: () => chosen?.message && message.copy(chosen.message, element.querySelector("[role=status]")),
  };
  if (!keys[event.key] || !call) return;
  if (event.key.startsWith("Arrow") && event.target.closest("pre, #story, .plot")) return;
  keys[event.key]();
  if (event.key !== "Escape") event.preventDefault();
});
byId("share")?.addEventListener("click", () => share(call));
byId("quality").addEventListener("click", showQuality);
onChange(() => {
  if (!call) return;
  show();
  if (chosen) open(chosen);
});

load();
