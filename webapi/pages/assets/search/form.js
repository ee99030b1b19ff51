// SPDX-License-Identifier: GPL-2.0-or-later
// The form beside the box: the same parameters, one field each.

import { h, replace } from "../common/dom.js";

/** Fill the form with the fields of a tab and these parameters. */
export function show(form, tab, parameters) {
  const fields = tab.form.map((name) => tab.fields.find((field) => field.name === name));
  replace(form,
    fields.map(({ name, label, help, values }) => {
      const list = values.length ? `values-${name}` : null;
      return h("label", { title: help }, h("span", {}, label),
        h("input", {
          name, value: parameters.get(name) ?? "", list, placeholder: values.length ? "any" : null,
          spellcheck: "false", autocapitalize: "none", maxlength: 1000,
        }),
        list && h("datalist", { id: list }, values.map((value) => h("option", { value }))));
    }),
    h("div", { class: "actions" }, h("button", { class: "main" }, "Search"),
      h("button", { type: "reset" }, "Clear")));
}

/** What the form says, with those parameters that it has no field for. */
export function read(form, tab, parameters) {
  const found = new Map([...parameters].filter(([name]) => !tab.form.includes(name)));
  for (const name of tab.form) {
    const value = form.elements[name].value.trim();
    if (value) found.set(name, value);
  }
  return found;
}
