// SPDX-License-Identifier: GPL-2.0-or-later
// A table that is shown whole and only read.

import { h } from "./dom.js";
import { shown } from "./text.js";

/** Text of others. */
export const words = (value, longest = 120) => h("bdi", {}, shown(value, longest));

/** `columns` have label, cell (of a row), and may have title and kind; without rows `empty` is said. */
export function grid(label, columns, rows, empty) {
  if (!rows.length) return h("p", { class: "faint" }, empty);
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 },
    h("table", { class: "grid" }, h("caption", { class: "hidden" }, label),
      h("thead", {}, h("tr", {}, columns.map((column) =>
        h("th", { scope: "col", class: column.kind, title: column.title }, column.label)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column) =>
        h("td", { class: column.kind, "data-label": column.label }, column.cell(row))))))));
}
