// SPDX-License-Identifier: GPL-2.0-or-later
// A line chart over time. A pointer or keys read it, and choose a range to zoom into.

import { h, replace, s } from "./dom.js";
import { count } from "./text.js";
import { offset, wall } from "./zone.js";

const HIGH = 118;
const LEFT = 46;
const RIGHT = 8;
const TOP = 8;
const FOOT = 18;
const TICK = 84;
const MINUTE = 60_000;
const SECOND = 1000;
const TICKS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080].map((n) => n * MINUTE),
];

export class Chart {
  /**
   * `lines` have name, label and tone; `format` makes text of a value, `axis` a shorter one;
   * `least` is the foot of the scale and `most` its top when that is always the same. With `per` they are counted: of all
   * of the time there is their number. `isSparse` lines have values at moments of their own, and go
   * on from one to the next. `on.point(at)` says which step is
   * looked at, `on.select(first, last)` which are chosen, `on.zoom` that these are wanted.
   */
  constructor({ title, unit = "", lines, format, axis, per = 0, least = 0, most = null, isSparse = false }, on) {
    Object.assign(this, { title, isFilled: per > 0 || lines.length === 1, lines, format, axis, per, least, most, isSparse, on, steps: [], pointed: null, chosen: null });
    this.values = lines.map(({ label, tone }) => h("dd", { class: `tone-${tone}`, "data-line": label }));
    this.when = h("span", { class: "faint when" });
    this.svg = s("svg", { height: HIGH, "aria-hidden": "true" });
    this.plot = h("div", {
      class: "plot", role: "slider", tabindex: 0, "aria-label": title, "aria-valuemin": 0,
      keydown: (event) => this.key(event),
    }, this.svg);
    this.element = h("figure", { class: "chart" },
      h("figcaption", {}, h("strong", {}, title), h("span", { class: "faint" }, unit), this.when),
      h("dl", {}, lines.map(({ label, tone, hint: more }, at) => h("div", { title: more },
        h("dt", { class: `tone-${tone}` }, label), this.values[at]))),
      this.plot);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  /** `steps` have at (ms) and values by name; `whole` are the values of all of the time. */
  set({ from, to, steps, whole }) {
    Object.assign(this, { from, to, steps, whole });
    if (this.pointed !== null && this.pointed >= steps.length) this.pointed = null;
    this.draw();
  }

  x(at) {
    return LEFT + ((at - this.from) / (this.to - this.from)) * (this.width - LEFT - RIGHT);
  }

  y(value) {
    return TOP + (1 - (value - this.least) / (this.top - this.least)) * (HIGH - TOP - FOOT);
  }

  draw() {
    this.width = this.plot.clientWidth;
    if (!this.width || !this.to) return;
    this.svg.setAttribute("width", this.width);
    const all = this.steps.flatMap((step) => this.lines.map(({ name }) => step.values[name] ?? 0));
    this.top = this.most ?? nice(Math.max(...all, 0));
    this.mark = s("g", {});
    replace(this.svg, this.scale(), this.times(), this.lines.map((line, at) => this.line(line, at === 0)),
      this.mark);
    this.tell();
  }

  scale() {
    return [0, 0.5, 1].map((share) => {
      const value = this.least + (this.top - this.least) * share;
      return s("g", {}, s("line", { class: "rule", x1: LEFT, x2: this.width - RIGHT, y1: this.y(value), y2: this.y(value) }),
        s("text", { class: "end", x: LEFT - 6, y: this.y(value) + 3.5 }, this.axis(value)));
    });
  }

  times() {
    const room = (this.width - LEFT - RIGHT) / TICK;
    const every = TICKS.find((one) => (this.to - this.from) / one <= room) ?? TICKS.at(-1);
    const found = [];
    const local = offset(new Date(this.from)) * MINUTE;
    for (let at = Math.ceil((this.from + local) / every) * every - local; at < this.to; at += every) {
      const { date, time } = wall(new Date(at).toISOString());
      const x = this.x(at);
      found.push(s("line", { class: "tick", x1: x, x2: x, y1: HIGH - FOOT, y2: HIGH - FOOT + 4 }));
      if (x > LEFT + 14 && x < this.width - 20) {
        found.push(s("text", { class: "middle", x, y: HIGH - 3 }, every >= 1440 * MINUTE ? date.slice(5) : every < MINUTE ? time : time.slice(0, 5)));
      }
    }
    return found;
  }

  line({ name, tone }, isFirst) {
    const runs = [];
    let run = null;
    for (const { at, values } of this.steps) {
      const value = values[name];
      if (value === null || value === undefined) run = this.isSparse ? run : null;
      else {
        if (!run) runs.push(run = []);
        run.push([this.x(at), this.y(Math.min(value, this.top))]);
      }
    }
    const path = (points) => points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    return s("g", { class: `tone-${tone}` }, runs.map((points) => [
      this.isSparse ? points.map(([cx, cy]) => s("circle", { class: "dot", cx, cy, r: 1.8 })) : null,
      isFirst && this.isFilled && points.length > 1 ? s("path", { class: "area", d: `${path(points)}V${this.y(this.least)}H${points[0][0].toFixed(1)}z` }) : null,
      points.length > 1 ? s("path", { class: "line", d: path(points) })
        : s("circle", { class: "dot", cx: points[0][0], cy: points[0][1], r: 2.2 }),
    ]));
  }

  /** Look at a step, or at none: all charts of a group do. */
  point(at) {
    this.pointed = at;
    this.tell();
  }

  /** A range of steps, or none. */
  select(chosen) {
    this.chosen = chosen;
    this.tell();
  }

  tell() {
    const step = this.pointed === null ? null : this.steps[this.pointed];
    const values = step ? step.values : this.whole;
    const format = this.per && !step ? count : this.format;
    const text = (name) => (values?.[name] === null || values?.[name] === undefined ? "–" : format(values[name]));
    this.lines.forEach(({ name }, at) => { this.values[at].textContent = text(name); });
    const moment = step ? wall(new Date(step.at).toISOString()) : null;
    this.when.textContent = moment ? `${moment.date.slice(5)} ${this.isSparse ? moment.time : moment.time.slice(0, 5)}` : "";
    this.plot.setAttribute("aria-valuemax", Math.max(this.steps.length - 1, 0));
    this.plot.setAttribute("aria-valuenow", this.pointed ?? Math.max(this.steps.length - 1, 0));
    this.plot.setAttribute("aria-valuetext", `${moment ? this.when.textContent : "all of the time"}: ${
      this.lines.map(({ name, label }) => `${label} ${text(name)}`).join(", ")}`);
    if (!this.mark) return;
    const marks = [];
    if (this.chosen) {
      const [first, last] = this.chosen.map((at) => this.x(this.steps[at]?.at ?? this.to));
      marks.push(s("rect", { class: "chosen", x: Math.min(first, last), y: TOP, width: Math.abs(last - first), height: HIGH - TOP - FOOT }));
    }
    if (step) {
      const x = this.x(step.at);
      marks.push(s("line", { class: "cross", x1: x, x2: x, y1: TOP, y2: HIGH - FOOT }));
      for (const { name, tone } of this.lines) {
        const value = step.values[name];
        if (value === null || value === undefined) continue;
        marks.push(s("circle", { class: `dot tone-${tone}`, cx: x, cy: this.y(Math.min(value, this.top)), r: 3 }));
      }
    }
    replace(this.mark, marks);
  }

  listen() {
    const { svg } = this;
    let began = null;
    svg.addEventListener("pointermove", (event) => {
      const at = this.nearest(event);
      this.on.point(at);
      if (began !== null && at !== null) this.on.select([began, at]);
    });
    svg.addEventListener("pointerleave", () => began === null && this.on.point(null));
    svg.addEventListener("pointerdown", (event) => {
      if (event.button || event.pointerType === "touch") return;
      began = this.nearest(event);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointerup", () => {
      if (began === null) return;
      began = null;
      this.on.zoom();
    });
    svg.addEventListener("pointercancel", () => {
      began = null;
      this.on.select(null);
    });
  }

  nearest(event) {
    if (!this.steps.length) return null;
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const off = this.steps.map(({ at }) => Math.abs(this.x(at) - x));
    return off.indexOf(Math.min(...off));
  }

  key(event) {
    const ways = { ArrowLeft: -1, ArrowRight: 1, Home: -1e6, End: 1e6 };
    if (event.ctrlKey || event.metaKey || event.altKey || !this.steps.length) return;
    if (event.key in ways) {
      const before = this.pointed ?? this.steps.length;
      const at = Math.min(Math.max(before + ways[event.key], 0), this.steps.length - 1);
      if (event.shiftKey) this.on.select([this.chosen?.[0] ?? Math.min(before, this.steps.length - 1), at]);
      this.on.point(at);
    } else if (event.key === "Enter" && this.chosen) this.on.zoom();
    else if (event.key === "Escape") {
      this.on.select(null);
      this.on.point(null);
    } else return;
    event.preventDefault();
  }
}

/** The next higher number that an axis can end with. */
function nice(value) {
  if (value <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].find((step) => step * size >= value) * size;
}
