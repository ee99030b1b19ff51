// SPDX-License-Identifier: GPL-2.0-or-later
import { choices, choose, field, said, start } from "./admin.js";
import { when } from "../common/columns.js";
import { byId, h, put } from "../common/dom.js";
import { Records, pagesOf } from "./records.js";
import { plain, shown } from "../common/text.js";

const TIMES = { "": "at any time", "-1h": "last hour", "-1d": "last day", "-7d": "last 7 days", "-30d": "last 30 days" };
const columns = [
  { label: "When", kind: "mono time", cell: ({ at }) => when(at) },
  field("username", "Who", "mono strong"), field("address", "From", "mono"),
  { label: "What", cell: ({ action }) => said(action) },
  field("subject", "Of what", "mono wrap"),
  { label: "Detail", kind: "mono wrap", cell: ({ detail }) => told(detail) },
];

/** An object as "name: value", one behind the other. */
function told(detail) {
  const text = Object.entries(detail).map(([name, value]) =>
    `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ");
  return h("bdi", { title: plain(text, 2000) }, shown(text, 400));
}

start(async () => {
  const form = byId("filters");
  const select = (name, label, options) => choose(name, label, options, () => records.reload());
  put(form,
    h("input", { name: "username", "aria-label": "User", placeholder: "User", spellcheck: "false", autocapitalize: "none", maxlength: 200, change: () => records.reload() }),
    select("action", "What", [["", "everything"], ...choices.actions.map((one) => [one, said(one)])]),
    select("from", "When", Object.entries(TIMES)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    records.reload();
  });
  const asked = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim()));
  const records = new Records({
    columns, filtered: false, empty: "Nothing of this kind is written down.",
    read: pagesOf("/api/v1/audit", "audit", { parameters: asked, key: "before" }),
  });
  await records.reload();
});
