// SPDX-License-Identifier: GPL-2.0-or-later
import { action, field, mark, start, tool } from "./admin.js";
import { send, upload } from "../common/api.js";
import { when } from "../common/columns.js";
import { edit } from "../common/editor.js";
import { Records, pagesOf } from "./records.js";
import { plain } from "../common/text.js";

const PATH = "/api/v1/aliases";
const TYPES = { csv: "text/csv", json: "application/json" };
const FIELDS = [
  { name: "name", label: "Name", required: true },
  { name: "network", label: "Address or network", required: true, maxlength: 64, help: "192.0.2.7, 192.0.2.0/24, 2001:db8::/32" },
  { name: "port", label: "Port", kind: "number", half: true, min: 0, max: 65535, help: "0: every port" },
  { name: "type", label: "Type", half: true, maxlength: 64, help: "proxy, carrier, phone" },
  { name: "capture_node", label: "Capture node", maxlength: 64, help: "Only for what this node has captured; empty: every node" },
  { name: "enabled", label: "In force", kind: "check" },
];
const NEW = { port: 0, enabled: true };
const columns = [
  field("name", "Name", "strong"), field("network", "Network", "mono"),
  { label: "Port", kind: "number", cell: ({ port }) => (port ? String(port) : "every") },
  field("capture_node", "Capture node"), field("type", "Type"),
  { label: "State", cell: ({ enabled }) => (enabled ? mark("good", "in force") : mark("none", "off")) },
  { label: "Changed", kind: "mono time", cell: ({ changed_at: at }) => when(at) },
];

start(async (me, may) => {
  const records = new Records({
    columns, read: pagesOf(PATH, "aliases"), empty: "No address has a name yet.",
    actions: may("admin") ? (alias) => {
      const name = plain(`${alias.name} ${alias.network}`);
      return [
        action("Change", name, () => change(alias)),
        action("Remove", name, () => remove(alias, name)),
      ];
    } : null,
  });
  const asked = async (answer) => {
    if (await answer) await records.reload();
  };

  const add = () => asked(edit({
    title: "Name an address", verb: "Add", fields: FIELDS, values: NEW,
    send: (entered) => send("POST", PATH, entered),
  }));

  const change = (alias) => asked(edit({
    title: `Change ${plain(alias.name, 60)}`, verb: "Save", fields: FIELDS, values: alias,
    send: (entered) => send("PATCH", `${PATH}/${alias.id}`, entered),
  }));

  const remove = ({ id }, name) => asked(edit({
    title: `Remove ${name}?`, verb: "Remove", danger: true, text: "The address is shown without a name from now on.",
    send: () => send("DELETE", `${PATH}/${id}`),
  }));

  const bring = () => asked(edit({
    title: "Import aliases", verb: "Import", text: "CSV or JSON as the export has it, and as homer-app has it. If one is wrong, none is added.",
    fields: [
      { name: "file", label: "File", kind: "file", required: true, accept: ".csv,.json" },
      { name: "replace", label: "Remove all that are not in the file", kind: "check" },
    ],
    send: ({ file, replace }) => {
      const type = TYPES[file.name.split(".").pop().toLowerCase()] ?? file.type;
      return upload(`${PATH}/import?${new URLSearchParams({ replace })}`, file, type);
    },
  }));

  if (may("admin")) {
    tool("Add alias", add, true);
    tool("Import", bring);
  }
  tool("CSV", `${PATH}/export.csv`);
  tool("JSON", `${PATH}/export.json`);
  await records.reload();
});
