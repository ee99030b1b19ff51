// SPDX-License-Identifier: GPL-2.0-or-later
// Saved searches: one's own and those that others share.

import { get, send } from "../common/api.js";
import { h, replace } from "../common/dom.js";
import { plain, shown } from "../common/text.js";

const PATH = "/api/v1/saved-searches";

export class SavedSearches {
  /** `current()` is the search as {kind, parameters}; `onPick` gets a saved one. */
  constructor(menu, { current, onPick }) {
    this.panel = menu.querySelector(".panel");
    this.current = current;
    this.onPick = (search) => {
      menu.open = false;
      onPick(search);
    };
    menu.addEventListener("toggle", () => menu.open && this.show());
  }

  async show() {
    try {
      const { saved_searches: found } = await get(PATH, { limit: 200 });
      this.build(found);
    } catch (error) {
      this.build([], error.message);
    }
  }

  build(found, message = "") {
    replace(this.panel,
      found.length ? found.map((search) => this.line(search)) : h("p", { class: "faint" }, "None yet"),
      h("form", { class: "save", submit: (event) => this.save(event) },
        h("input", { name: "name", "aria-label": "Name", placeholder: "Save this search as", required: true, maxlength: 100 }),
        h("label", {}, h("input", { type: "checkbox", name: "shared" }), "for all"),
        h("button", { class: "main" }, "Save")),
      h("p", { class: "faint", role: "status" }, message));
  }

  line(search) {
    const { name, own, username, kind, shared } = search;
    const by = own ? (shared ? "for all" : "") : `by ${plain(username, 40)}`;
    return h("div", { class: "saved" },
      h("button", { type: "button", title: plain(`${kind} ${new URLSearchParams(search.parameters)}`), click: () => this.onPick(search) },
        shown(name, 60), h("span", { class: "faint" }, by)),
      own && h("button", { type: "button", class: "quiet", "aria-label": `Remove ${plain(name, 60)}`, click: () => this.change(send("DELETE", `${PATH}/${search.id}`)) }, "×"));
  }

  save(event) {
    event.preventDefault();
    const { name, shared } = event.target.elements;
    return this.change(send("POST", PATH, {
      name: name.value.trim(), shared: shared.checked, ...this.current(),
    }));
  }

  async change(asked) {
    try {
      await asked;
      await this.show();
    } catch (error) {
      this.panel.querySelector("[role=status]").textContent = error.message;
    }
  }
}
