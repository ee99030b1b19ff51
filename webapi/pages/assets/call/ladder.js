// SPDX-License-Identifier: GPL-2.0-or-later
// The ladder: hosts are columns, time goes down. Only rows in view are drawn, so that a call of many
// thousand messages scrolls like one of ten. One row at a time can be reached by Tab; keys go on
// from there.

import { replace, s } from "../common/dom.js";
import { plain } from "../common/text.js";
import { us } from "./flow.js";
import { ROW, rowNode } from "./row.js";

const HEAD = 42;
const GUTTER = 196;
const COLUMN = 132;
const NARROW = 600;
const NARROW_GUTTER = 76;
const NARROW_COLUMN = 84;
const MARGIN = 12;
const BEYOND = 8;

export class Ladder {
  /** `onPick` gets a row. */
  constructor(element, onPick) {
    this.element = element;
    this.onPick = onPick;
    this.drawn = new Map();
    this.picked = null;
    this.active = 0;
    this.head = s("svg", { class: "hosts", height: HEAD, "aria-hidden": "true" });
    this.lines = s("g", { "aria-hidden": "true" });
    this.body = s("g", { role: "listbox", "aria-label": "Messages in the order of time" });
    this.canvas = s("svg", { class: "rows" }, this.lines, this.body);
    replace(element, this.head, this.canvas);
    element.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.layOut()).observe(element);
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) this.pick(Number(row.dataset.at), false);
    });
    this.body.addEventListener("keydown", (event) => this.key(event));
  }

  /** Show these rows, of so many legs; who is looked at stays it. */
  set({ hosts, rows, legs }) {
    const id = this.rows?.[this.active]?.id;
    this.hosts = hosts;
    this.rows = rows;
    this.legs = legs;
    this.start = rows.length ? us(rows[0].ts) : 0;
    this.active = Math.max(rows.findIndex((row) => row.id === id), 0);
    this.layOut();
  }

  layOut() {
    if (!this.rows) return;
    const width = this.element.clientWidth;
    const narrow = width < NARROW;
    const hadFocus = this.body.contains(document.activeElement);
    this.wide = !narrow;
    this.gutter = narrow ? NARROW_GUTTER : GUTTER;
    const room = (width - this.gutter - MARGIN) / Math.max(this.hosts.length, 1);
    this.column = Math.max(narrow ? NARROW_COLUMN : COLUMN, Math.min(room, 340));
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
    if (hadFocus) this.focus();
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

  /** Rows in view, some beyond, and the one that Tab leads to, in the order of the document. */
  draw() {
    if (!this.rows) return;
    const first = Math.max(Math.floor((this.element.scrollTop - HEAD) / ROW) - BEYOND, 0);
    const last = Math.min(first + Math.ceil(this.element.clientHeight / ROW) + 2 * BEYOND + 2, this.rows.length);
    const isShown = (at) => (at >= first && at < last) || at === this.active;
    for (const [at, node] of this.drawn) {
      if (isShown(at)) continue;
      node.remove();
      this.drawn.delete(at);
    }
    for (let at = first; at < last; at += 1) this.add(at);
    if (this.active < this.rows.length) this.add(this.active);
  }

  add(at) {
    if (this.drawn.has(at)) return;
    const node = rowNode(this, this.rows[at], at);
    let next = null;
    for (const other of this.drawn.keys()) if (other > at && (next === null || other < next)) next = other;
    this.body.insertBefore(node, next === null ? null : this.drawn.get(next));
    this.drawn.set(at, node);
  }

  /** Choose a row, bring it into view and let keys go on from there. */
  pick(at, scroll = true) {
    const row = this.rows[at];
    if (!row) return;
    this.mark(row.id);
    this.activate(at);
    if (scroll) this.show(at);
    if (this.body.contains(document.activeElement) || document.activeElement === document.body) this.focus();
    this.onPick(row);
  }

  activate(at) {
    this.drawn.get(this.active)?.setAttribute("tabindex", -1);
    this.active = at;
    this.draw();
    this.drawn.get(at).setAttribute("tabindex", 0);
  }

  show(at) {
    const top = at * ROW;
    const view = this.element;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + ROW + HEAD > view.scrollTop + view.clientHeight) {
      view.scrollTop = top + ROW + HEAD - view.clientHeight;
    }
  }

  focus() {
    this.drawn.get(this.active)?.focus({ preventScroll: true });
  }

  mark(id) {
    this.picked = id;
    for (const node of this.drawn.values()) {
      const isPicked = id !== null && node.dataset.id === id;
      node.classList.toggle("picked", isPicked);
      node.setAttribute("aria-selected", String(isPicked));
    }
  }

  /** The row of a message, also of one that is folded, or of anything else; −1 when it is not shown. */
  indexOf(id) {
    return this.rows.findIndex((row) => row.id === id || (row.kind === "message"
      && (row.repeats.some((one) => one.id === id) || row.copies.some((one) => one.id === id))));
  }

  move(step) {
    const at = this.rows.findIndex((row) => row.id === this.picked);
    this.pick(at < 0 ? this.active : Math.min(Math.max(at + step, 0), this.rows.length - 1));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(Math.floor(this.element.clientHeight / ROW) - 2, 1);
    const last = this.rows.length - 1;
    const ways = {
      Enter: this.active, " ": this.active, Home: 0, End: last,
      PageUp: Math.max(this.active - page, 0), PageDown: Math.min(this.active + page, last),
    };
    if (!(event.key in ways)) return;
    this.pick(ways[event.key]);
    event.preventDefault();
    event.stopPropagation();
  }
}
