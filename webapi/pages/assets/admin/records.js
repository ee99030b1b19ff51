// SPDX-License-Identifier: GPL-2.0-or-later
// A table of things that are looked after: pages of the API, a filter over all of them, and what
// can be done with each.

import { most, tell } from "./admin.js";
import { get } from "../common/api.js";
import { byId, h, replace } from "../common/dom.js";
import { count } from "../common/text.js";
import { onChange } from "../common/zone.js";

const PAGE = Math.min(200, most);

/** Pages of a list of the API: `name` is that of its rows, `parameters()` what is asked besides. */
export const pagesOf = (path, name, { parameters = () => ({}), key = "after" } = {}) =>
  async (cursor, limit) => {
    const found = await get(path, { ...parameters(), limit, ...(cursor === null ? {} : { [key]: cursor }) });
    return { rows: found[name], next: found.next, found };
  };

export class Records {
  /**
   * `read(cursor, limit)` gets {rows, next}; `actions(row)` are buttons; `empty` is said when there
   * is nothing; with `filtered` there is a field that filters.
   */
  constructor({ columns, read, actions = null, empty, filtered = true, keyOf = (row) => row.id }) {
    Object.assign(this, { columns, read, actions, empty, keyOf });
    this.rows = [];
    this.next = null;
    this.text = "";
    this.drawn = PAGE;
    this.round = 0;
    this.body = byId("table").tBodies[0];
    replace(byId("table").tHead, h("tr", {},
      columns.map(({ label, kind }) => h("th", { scope: "col", class: kind }, label)),
      actions && h("th", { scope: "col", class: "doing" }, h("span", { class: "hidden" }, "Actions"))));
    byId("more").addEventListener("click", () => this.more());
    if (filtered) this.addFilter();
    onChange(() => this.draw());
  }

  addFilter() {
    replace(byId("filters"), h("input", {
      type: "search", "aria-label": "Filter", placeholder: "Filter", spellcheck: "false", maxlength: 200,
      input: (event) => this.filter(event.target.value.trim().toLowerCase()),
    }));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
  }

  /** From the beginning; what is shown stays until the answer is there. */
  async reload() {
    const { rows, next } = (await this.ask(null, PAGE)) ?? this;
    Object.assign(this, { rows, next });
    if (this.text) await this.all();
    this.draw();
  }

  async more() {
    this.drawn += PAGE;
    if (this.next !== null && this.found().length < this.drawn) await this.add(PAGE);
    this.draw();
  }

  async filter(text) {
    this.text = text;
    this.drawn = PAGE;
    this.draw();
    if (!text) return;
    await this.all();
    this.draw();
  }

  /** A filter is over all rows, not only over those that are there. */
  async all() {
    while (this.next !== null && await this.add(most));
  }

  async add(limit) {
    const found = await this.ask(this.next, limit);
    if (!found) return false;
    this.rows = [...this.rows, ...found.rows];
    this.next = found.next;
    return true;
  }

  /** A page, or null when it cannot be had or nobody waits for it any more. */
  async ask(cursor, limit) {
    const mine = ++this.round;
    byId("results").setAttribute("aria-busy", "true");
    try {
      const found = await this.read(cursor, limit);
      if (mine !== this.round) return null;
      tell("");
      return found;
    } catch (error) {
      if (mine === this.round) tell(error.message);
      return null;
    } finally {
      if (mine === this.round) byId("results").removeAttribute("aria-busy");
    }
  }

  found() {
    if (!this.text) return this.rows;
    return this.rows.filter((row) =>
      JSON.stringify(Object.values(row)).toLowerCase().includes(this.text));
  }

  draw() {
    const found = this.found();
    const focused = document.activeElement?.closest?.("#table tr")?.dataset.key;
    const label = document.activeElement?.getAttribute?.("aria-label");
    replace(this.body, found.slice(0, this.drawn).map((row) => this.element(row)));
    if (focused) {
      [...this.body.querySelectorAll("button")].find((button) =>
        button.closest("tr").dataset.key === focused && button.getAttribute("aria-label") === label)?.focus();
    }
    byId("empty").hidden = found.length > 0;
    replace(byId("empty"), h("p", {}, this.text ? "Nothing has this text." : this.empty));
    byId("more").hidden = found.length <= this.drawn && this.next === null;
    const shown = Math.min(found.length, this.drawn);
    byId("count").textContent = `${count(shown)} of ${count(this.rows.length)}${this.next === null ? "" : " and more"}`;
  }

  element(row) {
    return h("tr", { "data-key": this.keyOf(row) },
      this.columns.map(({ label, kind, cell }) => h("td", { class: kind, "data-label": label }, cell(row))),
      this.actions && h("td", { class: "doing" }, this.actions(row)));
  }
}
