// SPDX-License-Identifier: GPL-2.0-or-later
// The time range: relative, as the API has it (-1h), or two moments.

import { h, replace } from "./dom.js";
import { fromWall, toWall, wall, zone } from "./zone.js";

const RELATIVE = {
  "-5m": "Last 5 minutes", "-15m": "Last 15 minutes", "-1h": "Last hour", "-6h": "Last 6 hours",
  "-1d": "Last 24 hours", "-2d": "Last 2 days", "-7d": "Last 7 days", "-30d": "Last 30 days",
};
const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };

/** The shortest relative range that spans so many seconds. */
export function relative(seconds) {
  return Object.keys(RELATIVE).find((text) => length(text) >= seconds) ?? "-30d";
}

/** The next longer ones. */
export function longer(from) {
  const names = Object.keys(RELATIVE);
  return ["-1d", "-7d", "-30d"].filter((name) => names.indexOf(name) > names.indexOf(from));
}

const length = (text) => Number(text.slice(1, -1)) * SECONDS[text.at(-1)];

export const nameOf = (from) => RELATIVE[from] ?? from;

/** In words; moments are told on the clock of the zone. */
export function words({ from, to }) {
  if (!from && !to) return "All times";
  if (!to && RELATIVE[from]) return RELATIVE[from];
  if (!to && from.startsWith("-")) return `Last ${from.slice(1)}`;
  const begin = moment(from);
  const end = to ? moment(to) : { date: "", time: "now" };
  const second = end.date && end.date !== begin.date ? `${end.date} ${end.time}` : end.time;
  return `${begin.date} ${begin.time} – ${second}`;
}

function moment(text) {
  if (!text) return { date: "", time: "…" };
  return Number.isNaN(Date.parse(text)) ? { date: "", time: text } : wall(text);
}

export class RangePicker {
  /** `onPick` gets {from, to}. */
  constructor(menu, label, onPick) {
    this.menu = menu;
    this.label = label;
    this.onPick = onPick;
    this.value = { from: "-1h", to: "" };
    menu.addEventListener("toggle", () => {
      if (menu.open) this.build();
    });
  }

  set(value, everywhere = false) {
    this.value = value;
    this.label.textContent = everywhere ? "All times" : words(value);
    this.menu.title = everywhere ? "A Call-ID is looked for at any time" : zone();
  }

  build() {
    const { from, to } = this.value;
    const now = new Date().toISOString();
    const begin = to || !from.startsWith("-") ? from
      : new Date(Date.now() - (SECONDS[from.at(-1)] ? length(from) * 1000 : 3_600_000)).toISOString();
    const input = (name, text, value) => h("label", {}, text,
      h("input", {
        name, value: toWall(value), required: true, size: 21, placeholder: "2026-11-23 18:05:00",
        pattern: String.raw`\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,3})?)?`,
        title: "year-month-day hour:minute:second",
      }));
    const form = h("form", { class: "absolute", submit: (event) => this.absolute(event) },
      input("from", "From", begin || now), input("to", "To", to || now),
      h("p", { class: "faint" }, zone()), h("button", { class: "main" }, "Apply"));
    replace(this.menu.querySelector(".panel"),
      h("div", { class: "relatives" }, Object.entries(RELATIVE).map(([value, text]) =>
        h("button", {
          type: "button", "aria-pressed": String(!to && value === from),
          click: () => this.pick({ from: value, to: "" }),
        }, text))),
      form);
  }

  absolute(event) {
    event.preventDefault();
    const { from, to } = event.target.elements;
    const value = { from: fromWall(from.value), to: fromWall(to.value, { last: true }) };
    if (!value.from || !value.to || value.from >= value.to) {
      from.setCustomValidity("must be before To");
      from.reportValidity();
      from.setCustomValidity("");
      return;
    }
    this.pick(value);
  }

  pick(value) {
    this.menu.open = false;
    this.onPick(value);
  }
}
