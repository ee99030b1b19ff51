// SPDX-License-Identifier: GPL-2.0-or-later
import { mark, start } from "./admin.js";
import { get } from "../common/api.js";
import { byId, h, put, replace } from "../common/dom.js";
import { Records } from "./records.js";
import { plain, shown } from "../common/text.js";

const TONES = { environment: "turn", file: "going", default: "none" };
const LONG = 2000;
const code = (text) => h("bdi", {}, shown(text, LONG));
const columns = [
  { label: "Setting", kind: "mono strong", cell: ({ key }) => key },
  { label: "In force", kind: "mono wrap", cell: ({ text }) => code(text) },
  {
    label: "Comes from", cell: ({ origin, variable }) => h("span", { title: origin === "environment" ? variable : null },
      mark(TONES[origin], origin)),
  },
  { label: "Default", kind: "mono wrap quiet", cell: (row) => row.origin !== "default" && code(row.default) },
  { label: "What it is", kind: "wrap long", cell: ({ help }) => help },
];

start(async () => {
  const changed = h("input", { type: "checkbox", change: () => records.reload() });
  const records = new Records({
    columns, keyOf: ({ key }) => key, empty: "Every setting has its default.",
    read: async () => {
      const { file, settings } = await get("/api/v1/settings");
      replace(byId("above"), h("p", { class: "faint" },
        file ? ["From ", h("span", { class: "mono" }, plain(file)), " and the environment"] : "There is no settings file, only the environment",
        ", as this web API read them when it started. A capture node on another host has settings of its own."));
      return { rows: settings.filter(({ origin }) => !changed.checked || origin !== "default"), next: null };
    },
  });
  put(byId("filters"), h("label", {}, changed, "only those that are no defaults"));
  await records.reload();
});
