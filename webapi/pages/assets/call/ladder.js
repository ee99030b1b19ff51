// SPDX-License-Identifier: GPL-2.0-or-later
// The ladder: hosts are columns, time goes down. Only rows in view are drawn, so that a call of many
// thousand messages scrolls like one of ten.

import { toneOf } from "../common/columns.js";
import { replace, s } from "../common/dom.js";
import { hasSdp, seconds, us } from "./flow.js";
import { plain } from "../common/text.js";
import { full, wall } from "../common/zone.js";

const ROW = 36;
const HEAD = 42;
const GUTTER = 196;
const NARROW_GUTTER = 104;
const COLUMN = 132;
const MARGIN = 12;

export class Ladder {
  /** `onPick` gets a row of the kind message. */
  constructor(element, onPick) {
    this.element = element;
    this.onPick = onPick;
    this.drawn = new Map();
    this.picked = null;
    this.head = s("svg", { class: "hosts", height: HEAD, "aria-hidden": "true" });
    this.lines = s("g", {});
    this.body = s("g", { role: "list" });
    this.canvas = s("svg", { class: "rows" }, this.lines, this.body);
    replace(element, this.head, this.canvas);
    element.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.layOut()).observe(element);
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) this.pick(Number(row.dataset.at), false);
    });
  }

  /** Show these rows. */
  set({ hosts, rows }) {
    this.hosts = hosts;
    this.rows = rows;
    this.start = rows.length ? us(rows[0].ts) : 0;
    this.layOut();
  }

  layOut() {
    if (!this.rows) return;
    const width = this.element.clientWidth;
    this.gutter = width < 600 ? NARROW_GUTTER : GUTTER;
    const room = (width - this.gutter - MARGIN) / Math.max(this.hosts.length, 1);
    this.column = Math.max(width < 600 ? 92 : COLUMN, Math.min(room, 340));
    const all = Math.max(this.gutter + this.column * this.hosts.length + MARGIN, width);
    for (const svg of [this.head, this.canvas]) svg.setAttribute("width", all);
    this.canvas.setAttribute("height", this.rows.length * ROW + MARGIN);
    replace(this.head, s("rect", { class: "ground", width: all, height: HEAD }),
      this.hosts.map((host) => this.host(host)),
      s("line", { class: "rule", x1: 0, x2: all, y1: HEAD - 0.5, y2: HEAD - 0.5 }));
    replace(this.lines, this.hosts.map(({ at }) => s("line", {
      class: "life", x1: this.x(at), x2: this.x(at), y1: 0, y2: this.rows.length * ROW + MARGIN })));
    replace(this.body);
    this.drawn.clear();
    this.draw();
  }

  host({ at, ip, port, name }) {
    const most = Math.floor(this.column / 7.2);
    const address = port ? (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`) : ip;
    const text = (value, y, kind) => s("text", { x: this.x(at), y, class: kind },
      plain(value.length > most ? `${value.slice(0, most - 1)}…` : value));
    return s("g", {}, s("title", {}, plain(name ? `${name} ${address}` : address)),
      name ? [text(name, 18, "host"), text(address, 33, "small")] : text(address, 26, "host"));
  }

  x(at) {
    return Math.round(this.gutter + this.column * (at + 0.5)) + 0.5;
  }

  draw() {
    if (!this.rows) return;
    const first = Math.max(Math.floor((this.element.scrollTop - HEAD) / ROW) - 8, 0);
    const last = Math.min(first + Math.ceil(this.element.clientHeight / ROW) + 18, this.rows.length);
    for (const [at, node] of this.drawn) {
      if (at >= first && at < last) continue;
      node.remove();
      this.drawn.delete(at);
    }
    for (let at = first; at < last; at += 1) {
      if (this.drawn.has(at)) continue;
      const node = this.row(this.rows[at], at);
      this.drawn.set(at, node);
      this.body.append(node);
    }
  }

  row(row, at) {
    const y = at * ROW;
    const since = us(row.ts) - this.start;
    const before = at ? us(row.ts) - us(this.rows[at - 1].ts) : 0;
    const { time, fraction } = wall(row.ts);
    const wide = this.gutter === GUTTER;
    const gutter = [
      s("text", { x: MARGIN, y: y + 15, class: "time" }, `${time}.${fraction.slice(0, wide ? 6 : 3)}`),
      s("text", { x: MARGIN, y: y + 28, class: "small" }, seconds(since)),
      wide ? s("text", { x: this.gutter - 14, y: y + 28, class: "small end" }, `Δ ${seconds(before)}`) : null,
    ];
    const hit = s("rect", { class: "hit", x: 0, y, width: "100%", height: ROW });
    if (row.kind === "event") return this.note(row, y, gutter, hit);
    const { message } = row;
    const [from, to] = [this.x(row.from), this.x(row.to)];
    const name = label(message);
    const again = row.repeats.length ? `↻${row.repeats.length}` : "";
    const copies = row.copies.length ? `×${row.copies.length + 1}` : "";
    const described = `${name}, ${message.src_ip} to ${message.dst_ip}, ${seconds(since)} s`
      + `${again ? `, ${row.repeats.length} retransmissions` : ""}`;
    const middle = row.from === row.to ? from + 34 : (from + to) / 2;
    const anchor = row.from === row.to ? "label start" : "label";
    return s("g", {
      role: "listitem", class: `row leg-${row.leg % 8}${row.again ? " again" : ""}${this.picked === message.id ? " picked" : ""}`,
      "data-at": at, "data-id": message.id, "aria-label": plain(described),
    }, s("title", {}, plain(`${full(row.ts)}\n${message.transport ?? ""} ${message.src_ip}:${message.src_port} → ${message.dst_ip}:${message.dst_port}\nCSeq ${message.cseq ?? ""} ${message.method ?? ""}`).replaceAll("⟨U+000A⟩", "\n")),
    hit, gutter, this.arrow(row, from, to, y),
    s("text", { x: middle, y: y + 15, class: anchor },
      s("tspan", { class: `name ${toneOf(message)}` }, plain(name, 46)),
      hasSdp(message) ? s("tspan", { class: "mark" }, " SDP") : null,
      again ? s("tspan", { class: "again-mark" }, ` ${again}`) : null,
      copies ? s("tspan", { class: "mark" }, ` ${copies}`) : null));
  }

  arrow({ from: at, to: other, message }, from, to, y) {
    const line = y + 22;
    if (at === other) {
      return s("path", { class: "arrow", d: `M${from} ${line - 8}h26v10h-20m5-4l-5 4l5 4` });
    }
    const way = to > from ? 1 : -1;
    const small = (x, port, kind) => s("text", { x, y: line + 10, class: `small ${kind}` }, port ?? "");
    return [
      s("path", { class: "arrow", d: `M${from} ${line}H${to - 2 * way}M${to - 8 * way} ${line - 4}L${to - way} ${line}L${to - 8 * way} ${line + 4}` }),
      s("circle", { class: "dot", cx: from, cy: line, r: 2.5 }),
      small(from + 6 * way, message.src_port, way > 0 ? "" : "end"),
      small(to - 11 * way, message.dst_port, way > 0 ? "end" : ""),
    ];
  }

  note({ event }, y, gutter, hit) {
    const text = plain(event.payload ?? event.payload_base64 ?? "", 160);
    return s("g", { role: "listitem", class: "row event" }, s("title", {}, text), hit, gutter,
      s("text", { x: this.gutter, y: y + 24, class: "note" }, `type ${event.type}: ${text}`));
  }

  /** Choose a row and bring it into view. */
  pick(at, scroll = true) {
    const row = this.rows[at];
    if (!row || row.kind !== "message") return;
    this.mark(row.message.id);
    if (scroll) {
      const top = at * ROW;
      const view = this.element;
      if (top < view.scrollTop) view.scrollTop = top;
      else if (top + ROW + HEAD > view.scrollTop + view.clientHeight) {
        view.scrollTop = top + ROW + HEAD - view.clientHeight;
      }
    }
    this.onPick(row);
  }

  mark(id) {
    this.picked = id;
    for (const node of this.drawn.values()) node.classList.toggle("picked", node.dataset.id === id);
  }

  /** The row of a message, also of one that is folded; −1 when it is not shown. */
  indexOf(id) {
    return this.rows.findIndex((row) => row.kind === "message" && (row.message.id === id
      || row.repeats.some((one) => one.id === id) || row.copies.some((one) => one.id === id)));
  }

  move(step) {
    let at = this.rows.findIndex((row) => row.kind === "message" && row.message.id === this.picked);
    do at += step; while (this.rows[at]?.kind === "event");
    this.pick(Math.max(at, 0));
  }
}

/** What a message is called: INVITE, or 200 OK. */
export function label({ method, status, reason }) {
  return status === undefined ? method ?? "?" : `${status} ${reason ?? ""}`.trim();
}
