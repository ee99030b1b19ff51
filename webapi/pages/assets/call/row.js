// SPDX-License-Identifier: GPL-2.0-or-later
// One row of the ladder: a message, audio that was agreed, an RTP stream, a report of it, an event.

import { toneOf } from "../common/columns.js";
import { s } from "../common/dom.js";
import { endpoint, plain } from "../common/text.js";
import { full, wall } from "../common/zone.js";
import { hasSdp, kindOf, label, seconds, us } from "./flow.js";
import { figures, flowText, mosTone } from "./quality.js";

/** Height in pixels. */
export const ROW = 36;
const LETTER = 7.6;
const TIME = 12;

/** An option of the list box; `ladder` knows where columns are. */
export function rowNode(ladder, row, at) {
  const y = at * ROW;
  const [from, to] = [row.from, row.to].map((column) => (column === undefined ? null : ladder.x(column)));
  const { nodes, said, more } = DRAWN[row.kind](ladder, row, y, from, to);
  const since = us(row.ts) - ladder.start;
  const before = at ? us(row.ts) - us(ladder.rows[at - 1].ts) : 0;
  const isPicked = ladder.picked === row.id;
  return s("g", {
    role: "option", tabindex: at === ladder.active ? 0 : -1, "aria-selected": String(isPicked),
    "aria-setsize": ladder.rows.length, "aria-posinset": at + 1,
    "aria-label": plain(`${said}, ${seconds(since)} s`, 400),
    class: `row ${row.kind} leg-${row.leg % 8}${row.again ? " again" : ""}${isPicked ? " picked" : ""}`,
    "data-at": at, "data-id": row.id,
  }, s("title", {}, [full(row.ts), ...more].map((line) => plain(line)).join("\n")),
  s("rect", { class: "hit", x: 1, y: y + 1, width: "100%", height: ROW - 2 }),
  gutter(ladder, row.ts, y, since, before), nodes);
}

function gutter({ wide, gutter: width }, ts, y, since, before) {
  const { time, fraction } = wall(ts);
  return [
    s("text", { x: TIME, y: y + 15, class: "time" }, wide ? `${time}.${fraction}` : time),
    s("text", { x: TIME, y: y + 28, class: "small" }, wide ? seconds(since) : seconds(since).slice(0, -3)),
    wide ? s("text", { x: width - 14, y: y + 28, class: "small end" }, `Δ ${seconds(before)}`) : null,
  ];
}

const DRAWN = { message, media, stream, report, event };

function message(ladder, row, y, from, to) {
  const { message: sent } = row;
  const name = label(sent);
  const again = row.repeats.length ? `↻${row.repeats.length}` : "";
  const copies = row.copies.length ? `×${row.copies.length + 1}` : "";
  const said = `${name}${hasSdp(sent) ? " with SDP" : ""}, ${who(sent, "src")} to ${who(sent, "dst")}`
    + `${again ? `, ${row.repeats.length} retransmissions` : ""}${row.again ? ", sent again" : ""}`
    + `${ladder.legs > 1 ? `, leg ${row.leg + 1}` : ""}`;
  const loop = from === to;
  const most = loop ? 40 : letters(from, to) - 4 * hasSdp(sent) - again.length - copies.length;
  return {
    said,
    more: [`${sent.transport ?? ""} ${endpoint(sent.src_ip, sent.src_port)} → ${endpoint(sent.dst_ip, sent.dst_port)}`,
      `CSeq ${sent.cseq ?? ""} ${sent.method ?? ""}`],
    nodes: [loop ? s("path", { class: "arrow", d: `M${from} ${y + 14}h26v10h-20m5-4l-5 4l5 4` })
      : arrow(from, to, y, sent.src_port, sent.dst_port),
    s("text", { x: loop ? from + 34 : (from + to) / 2, y: y + 15, class: loop ? "label start" : "label" },
      s("tspan", { class: `name ${toneOf(sent)}` }, plain(name, Math.max(most, 6))),
      hasSdp(sent) ? s("tspan", { class: "mark" }, " SDP") : null,
      again ? s("tspan", { class: "again-mark" }, ` ${again}`) : null,
      copies ? s("tspan", { class: "mark" }, ` ${copies}`) : null)],
  };
}

const who = (row, end) => row[`${end}_name`] ?? row[`${end}_ip`] ?? "unknown";
const letters = (from, to) => Math.floor((Math.abs(to - from) - 8) / LETTER);

function arrow(from, to, y, sourcePort, targetPort, kind = "arrow") {
  const line = y + 22;
  const way = to > from ? 1 : -1;
  const small = (x, port, side) => s("text", { x, y: line + 10, class: `small ${side}` }, port || "");
  return [
    s("path", { class: kind, d: `M${from} ${line}H${to - 2 * way}` }),
    head(to, line, way),
    s("circle", { class: "dot", cx: from, cy: line, r: 2.5 }),
    small(from + 6 * way, sourcePort, way > 0 ? "" : "end"),
    small(to - 11 * way, targetPort, way > 0 ? "end" : ""),
  ];
}

const head = (x, y, way) => s("path", { class: "arrow", d: `M${x - 8 * way} ${y - 4}L${x - way} ${y}L${x - 8 * way} ${y + 4}` });

/** A band between both ends, with a head at each that receives. */
function media(ladder, { agreed }, y, from, to) {
  const text = `${agreed.codec ?? "audio"} ${flowText(agreed)}`.trim();
  const more = [`${endpoint(agreed.src_ip, agreed.src_port)} ${SIGN[agreed.flow]} ${endpoint(agreed.dst_ip, agreed.dst_port)}`];
  const said = `Audio agreed, ${text}, ${who(agreed, "src")} and ${who(agreed, "dst")}`;
  if (from === null || to === null || from === to) return { said, more, nodes: note(ladder, y, "audio", `${text} ${more[0]}`) };
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  const way = to > from ? 1 : -1;
  const middle = y + ROW / 2;
  const port = (x, number, side) => s("text", { x, y: middle + 3.5, class: `small ${side}` }, number || "");
  return {
    said, more,
    nodes: [
      s("rect", { class: "band", x: left + 2, y: middle - 9, width: right - left - 4, height: 18, rx: 9 }),
      ["both", "forward"].includes(agreed.flow) ? head(to - 2 * way, middle, way) : null,
      ["both", "back"].includes(agreed.flow) ? head(from + 2 * way, middle, -way) : null,
      ladder.wide ? [port(from + 14 * way, agreed.src_port, way > 0 ? "" : "end"),
        port(to - 14 * way, agreed.dst_port, way > 0 ? "end" : "")] : null,
      s("text", { x: (from + to) / 2, y: middle + 4, class: "talk" }, plain(text, Math.max(letters(from, to) - (ladder.wide ? 14 : 3), 5))),
    ],
  };
}

const SIGN = { both: "⇄", forward: "→", back: "←", none: "–" };

function stream(ladder, row, y, from, to) {
  const { stream: heard } = row;
  const text = `RTP ${figures(heard)}`;
  const more = [`${heard.source}, ${endpoint(heard.src_ip, heard.src_port)} → ${endpoint(heard.dst_ip, heard.dst_port)}`, text];
  const said = `RTP stream, ${who(heard, "src")} to ${who(heard, "dst")}, ${figures(heard)}`;
  return { said, more, nodes: measured(ladder, row, y, from, to, text, mosTone(heard), "arrow double") };
}

function report(ladder, row, y, from, to) {
  const text = figures(row.point);
  const said = `Report of a stream, ${who(row.stream, "src")} to ${who(row.stream, "dst")}, ${text}`;
  return { said, more: [text], nodes: measured(ladder, row, y, from, to, text, mosTone(row.point), "arrow dotted") };
}

function measured(ladder, row, y, from, to, text, tone, line) {
  if (from === null || to === null || from === to) return note(ladder, y, "RTP", text);
  return [
    arrow(from, to, y, row.stream.src_port, row.stream.dst_port, line),
    s("text", { x: (from + to) / 2, y: y + 15, class: "label-of-stream" },
      s("tspan", { class: `name ${tone}` }, plain(text, Math.max(letters(from, to), 12)))),
  ];
}

/** What has no place between hosts: a line of text behind its kind. */
function note(ladder, y, kind, text) {
  const width = 16 + kind.length * 6.4;
  const most = Math.max(Math.floor((ladder.element.clientWidth - ladder.gutter - width - 24) / LETTER), 12);
  return [
    s("rect", { class: "chip", x: ladder.gutter - 8, y: y + 9, width, height: 18, rx: 4 }),
    s("text", { class: "chip-text", x: ladder.gutter - 8 + width / 2, y: y + 22 }, kind),
    s("text", { class: "note", x: ladder.gutter + width, y: y + 22 }, plain(text, most)),
  ];
}

function event(ladder, { event: told }, y) {
  const text = (told.payload ?? atob(told.payload_base64 ?? "")).trim();
  const kind = kindOf(told);
  return {
    said: `${kind} of ${told.node}: ${plain(text, 200)}`, more: [`${kind}, ${told.node}`, plain(text, 400)],
    nodes: note(ladder, y, kind, `${ladder.wide ? `${told.node}: ` : ""}${text.split("\n")[0]}`),
  };
}
