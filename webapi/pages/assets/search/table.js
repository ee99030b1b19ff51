// SPDX-License-Identifier: GPL-2.0-or-later
// A table of rows: one of them has the focus, keys move it, Enter opens it.

import { h, replace } from "../common/dom.js";

export class Table {
  /** `onSort` gets the value of the API's parameter. */
  constructor(table, { onSort }) {
    this.table = table;
    this.head = table.tHead;
    this.body = table.tBodies[0];
    this.onSort = onSort;
    this.rows = new Map(); // key → {row, element}
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row && !event.target.closest("a") && getSelection().isCollapsed) this.open(row, event);
    });
    this.body.addEventListener("focusin", (event) => this.mark(event.target.closest("tr")));
    this.body.addEventListener("keydown", (event) => this.key(event));
  }

  /** `tab` says how rows are told apart and where they lead. */
  setUp({ columns, sort, sorts, keyOf, pathOf, caption }) {
    Object.assign(this, { columns, keyOf, pathOf });
    this.table.caption.textContent = caption;
    replace(this.head, h("tr", {}, columns.map((column) => this.header(column, sort, sorts))));
  }

  header(column, sort, sorts) {
    const { label, title, kind = "" } = column;
    const key = sorts.includes(column.sort) ? column.sort : null;
    const name = sort.replace(/^-/, "");
    const direction = key !== name ? "none" : sort.startsWith("-") ? "descending" : "ascending";
    const next = direction === "descending" ? key : `-${key}`;
    return h("th", { scope: "col", class: kind, title, "aria-sort": key ? direction : null },
      key ? h("button", { type: "button", "data-sort": key, click: () => this.onSort(next) }, label)
        : label);
  }

  clear() {
    this.rows.clear();
    replace(this.body);
  }

  append(rows) {
    for (const row of rows) {
      const key = this.keyOf(row);
      if (this.rows.has(key)) continue;
      const element = this.element(row);
      this.rows.set(key, { row, element });
      this.body.append(element);
    }
    if (this.body.rows.length && !this.body.querySelector('[tabindex="0"]')) {
      this.body.rows[0].tabIndex = 0;
    }
  }

  /** Put a row that has just come on top, or in the place where it was; true when it is new. */
  upsert(row, most) {
    const key = this.keyOf(row);
    const old = this.rows.get(key);
    const element = this.element(row);
    element.classList.add("fresh");
    this.rows.set(key, { row, element });
    if (old) {
      element.tabIndex = old.element.tabIndex;
      const focused = old.element === document.activeElement;
      old.element.replaceWith(element);
      if (focused) element.focus({ preventScroll: true });
      return false;
    }
    this.body.prepend(element);
    while (this.body.rows.length > most) {
      const last = this.body.rows[this.body.rows.length - 1];
      this.rows.delete(last.dataset.key);
      last.remove();
    }
    if (!this.body.querySelector('[tabindex="0"]')) element.tabIndex = 0;
    return true;
  }

  element(row) {
    const path = this.pathOf(row);
    return h("tr", { tabindex: -1, "data-key": this.keyOf(row), "data-path": path },
      this.columns.map((column, at) => {
        const content = column.cell(row);
        const cell = at === 0 && path ? h("a", { href: path, tabindex: -1 }, content) : content;
        return h("td", { class: column.kind, "data-label": column.label }, cell);
      }));
  }

  mark(row) {
    if (!row) return;
    this.body.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    row.tabIndex = 0;
  }

  move(step) {
    const rows = [...this.body.rows];
    const at = rows.indexOf(document.activeElement?.closest?.("tr"));
    const from = at < 0 ? rows.findIndex((row) => row.tabIndex === 0) - (step > 0 ? 1 : 0) : at;
    rows[Math.min(Math.max(from + step, 0), rows.length - 1)]?.focus();
  }

  key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -1e6, End: 1e6 };
    if (event.key in steps && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.move(steps[event.key]);
    } else if (event.key === "Enter") this.open(event.target.closest("tr"), event);
  }

  open(row, event) {
    const { path } = row.dataset;
    if (!path) return;
    if (event.ctrlKey || event.metaKey) window.open(path, "_blank", "noopener");
    else location.assign(path);
  }
}
