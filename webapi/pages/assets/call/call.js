// SPDX-License-Identifier: GPL-2.0-or-later
import { get } from "../common/api.js";
import { badge, when } from "../common/columns.js";
import { byId, h, replace } from "../common/dom.js";
import { rowsOf, seconds, unfold, us } from "./flow.js";
import { Ladder } from "./ladder.js";
import * as pane from "./message.js";
import { share } from "./share.js";
import { isTyping } from "../common/shell.js";
import { count, endpoint, plain, shown, span } from "../common/text.js";
import { full, onChange } from "../common/zone.js";

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
let chosen = null;
let compareWith = null;

const ladder = new Ladder(byId("ladder"), (row) => open(row));

async function load() {
  replace(byId("call-id"), shown(callId));
  byId("back").href = sessionStorage.getItem("kemiscope.search") ?? "/search";
  if (!shared) showExports(EXPORTS);
  try {
    call = shared ? { legs: [], events: [], ...await get(path) } : await get(path, { legs: "all" });
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
  showFacts(row);
  showStory(explanation?.statements ?? []);
  showSwitches();
  showTools(row);
  if (!call.complete) tell("Only the first messages, as many as web.max_call_messages allows.");
  drawLadder();
}

const legs = () => (call.legs.length ? call.legs : [{ call_id: call.call_id }]);

function drawLadder() {
  const order = new Map(legs().map((leg, at) => [leg.call_id, at]));
  const visible = {
    messages: call.messages.filter((message) => !hiddenLegs.has(message.call_id)),
    events: call.events,
  };
  const { hosts, rows } = rowsOf(visible, order);
  ladder.set({ hosts, rows: folded ? rows : unfold(rows) });
}

function showFacts(row) {
  const media = (side) => row[`${side}_media_ip`]
    && `${endpoint(row[`${side}_media_ip`], row[`${side}_media_port`])} ${row[`${side}_codecs`] ?? ""}`;
  const facts = row ? [
    ["Caller", shown(row.caller ?? "")], ["Callee", shown(row.callee ?? "")],
    ["Began", when(row.started_at)],
    ["Post-dial delay", span(row.pdd_ms)], ["Setup", span(row.setup_ms)],
    ["Duration", span(row.duration_ms)], ["Ended by", row.ended_by],
    ["Status", row.status && String(row.status)],
    ["Messages", `${count(row.messages)}${row.retransmissions ? `, ${count(row.retransmissions)} sent again` : ""}`],
    ["Caller's media", media("caller") && shown(media("caller"))],
    ["Callee's media", media("callee") && shown(media("callee"))],
    ["User agents", shown([row.user_agent, row.answer_agent].filter(Boolean).join(" → "))],
    ["By", shown([row.transport, row.node].filter(Boolean).join(" "))],
    ["Elsewhere", elsewhere(call.external_links)],
  ] : [["First", full(call.from)], ["Last", full(call.to)], ["Messages", count(call.messages.length)]];
  replace(byId("facts"), facts
    .filter(([, value]) => value && (!Array.isArray(value) || value.length))
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** Links to other systems, as the settings have them. */
function elsewhere(links = []) {
  return links.filter(({ url }) => /^https?:\/\//.test(url)).map(({ name, url }) =>
    [h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, shown(name, 60)), " "]);
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
  replace(byId("switches"),
    names.length > 1 ? names.map((leg, at) => h("label", { class: `leg-switch leg-${at % 8}`, title: plain(leg.call_id) },
      h("input", {
        type: "checkbox", checked: !hiddenLegs.has(leg.call_id),
        change: (event) => {
          if (event.target.checked) hiddenLegs.delete(leg.call_id);
          else hiddenLegs.add(leg.call_id);
          drawLadder();
        },
      }), `Leg ${at + 1}: `, shown(`${leg.caller ?? "?"} → ${leg.callee ?? "?"}`, 48))) : null,
    repeats || names.length > 1 ? h("label", { class: "leg-switch" }, h("input", {
      type: "checkbox", checked: folded, id: "fold",
      change: (event) => { folded = event.target.checked; drawLadder(); },
    }), "Retransmissions folded") : null);
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
  pane.show(element, row, {
    other, onClose: close, onMove: (step) => ladder.move(step),
    onCompare: (event) => {
      compareWith = compareWith ? null : row.message;
      event.currentTarget.setAttribute("aria-pressed", String(Boolean(compareWith)));
    },
  });
  address(row.message.id);
}

function close() {
  element.hidden = true;
  chosen = null;
  compareWith = null;
  ladder.mark(null);
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
  if (isTyping(event) || document.querySelector("dialog[open]")) return;
  const keys = {
    j: () => ladder.move(1), ArrowDown: () => ladder.move(1),
    k: () => ladder.move(-1), ArrowUp: () => ladder.move(-1),
    Escape: close, b: () => shared || byId("back").click(),
    c: () => chosen && pane.copy(chosen.message, element.querySelector("[role=status]")),
  };
  if (!keys[event.key] || !call) return;
  if (event.key.startsWith("Arrow") && event.target.closest("pre, #story")) return;
  keys[event.key]();
  if (event.key !== "Escape") event.preventDefault();
});
byId("share")?.addEventListener("click", () => share(call));
onChange(() => {
  if (!call) return;
  show();
  if (chosen) open(chosen);
});

load();
