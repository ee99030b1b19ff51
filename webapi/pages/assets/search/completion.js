// SPDX-License-Identifier: GPL-2.0-or-later
// Completion of the search box: an ARIA combobox with a list of fields, values and meanings.

import { h, replace } from "../common/dom.js";
import { meanings, split, term } from "./terms.js";
import { plain } from "../common/text.js";

const MOST = 12;

export class Completion {
  /** `fields()` are those of the tab in front, as the server tells them. */
  constructor(input, list, fields) {
    this.input = input;
    this.list = list;
    this.fields = fields;
    this.options = [];
    this.active = -1;
    input.addEventListener("input", () => this.open());
    input.addEventListener("click", () => this.open());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the box keeps the focus
      const option = event.target.closest("[role=option]");
      if (option) this.take(Number(option.dataset.at));
    });
  }

  open() {
    this.options = this.found();
    this.active = -1;
    replace(this.list, this.options.map((option, at) =>
      h("li", { role: "option", id: `completion-${at}`, "data-at": at, "aria-selected": "false" },
        h("span", { class: "mono" }, plain(option.text)),
        h("span", { class: "faint" }, plain(option.help)))));
    this.show(this.options.length > 0);
  }

  close() {
    this.show(false);
  }

  show(visible) {
    this.list.hidden = !visible;
    this.input.setAttribute("aria-expanded", String(visible));
    if (!visible) this.input.removeAttribute("aria-activedescendant");
  }

  /** The term at the caret, or an empty one there. */
  current() {
    const at = this.input.selectionStart ?? this.input.value.length;
    const touching = split(this.input.value).find(({ start, end }) => start <= at && at <= end);
    return touching ?? { name: "", value: "", start: at, end: at };
  }

  found() {
    const { name, value, start, end } = this.current();
    const raw = this.input.value.slice(start, end);
    const fields = this.fields();
    const known = fields.find((field) => field.name === name);
    if (known && !raw.startsWith('"')) return values(known, value);
    const typed = raw.toLowerCase();
    const named = fields.filter(({ name: own, label }) =>
      own.includes(typed) || label.toLowerCase().includes(typed));
    const byField = named.map(({ name: own, label, help }) =>
      ({ text: `${own}:`, help: `${label}: ${help}`, more: true }));
    if (!typed) return byField.slice(0, MOST);
    const names = new Set(fields.map((field) => field.name));
    const labels = new Map(fields.map((field) => [field.name, field.label]));
    const byMeaning = typed.startsWith('"') ? [] : meanings(raw, names).map((pairs) => ({
      text: pairs.map(([own, of]) => term(own, of)).join(" "),
      help: pairs.map(([own]) => labels.get(own)).join(", "),
    }));
    const begins = byField.filter(({ text }) => text.startsWith(typed));
    const others = byField.filter(({ text }) => !text.startsWith(typed));
    return [...begins, ...byMeaning, ...others].slice(0, MOST);
  }

  key(event) {
    if (event.key === "Escape" && !this.list.hidden) {
      event.stopPropagation();
      this.close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (this.list.hidden) this.open();
      else this.move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && !this.list.hidden && this.active >= 0) {
      event.preventDefault();
      this.take(this.active);
    } else if (event.key === "Tab" && !this.list.hidden && this.active >= 0) {
      event.preventDefault();
      this.take(this.active);
    } else if (event.key === "Enter") this.close();
  }

  move(step) {
    const length = this.options.length;
    if (!length) return;
    this.list.children[this.active]?.setAttribute("aria-selected", "false");
    this.active = (this.active + step + (this.active < 0 && step < 0 ? 1 : 0) + length) % length;
    const chosen = this.list.children[this.active];
    chosen.setAttribute("aria-selected", "true");
    chosen.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", chosen.id);
  }

  take(at) {
    const { text, more } = this.options[at];
    const { start, end } = this.current();
    const before = this.input.value.slice(0, start);
    const after = this.input.value.slice(end).trimStart();
    const written = more ? text : `${text} `;
    this.input.value = before + written + after;
    const caret = before.length + written.length;
    this.input.setSelectionRange(caret, caret);
    if (more) this.open();
    else this.close();
  }
}

function values({ name, label, help, values: allowed }, typed) {
  const comma = typed.lastIndexOf(",") + 1;
  const before = typed.slice(0, comma);
  const last = typed.slice(comma).toLowerCase();
  const taken = new Set(before.split(","));
  const fitting = allowed.filter((one) => one.toLowerCase().startsWith(last) && !taken.has(one));
  if (fitting.length === 1 && fitting[0] === typed.slice(comma)) return [];
  return fitting.slice(0, MOST).map((one, at) =>
    ({ text: `${name}:${before}${one}`, help: at ? "" : `${label}: ${help}` }));
}
