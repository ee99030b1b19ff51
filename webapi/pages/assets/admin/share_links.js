// SPDX-License-Identifier: GPL-2.0-or-later
import { action, field, mark, ownersOf, start } from "./admin.js";
import { send } from "../common/api.js";
import { when, words } from "../common/columns.js";
import { h } from "../common/dom.js";
import { edit } from "../common/editor.js";
import { Records, pagesOf } from "./records.js";
import { count, plain } from "../common/text.js";

const PATH = "/api/v1/share-links";
const columns = (all) => [
  {
    label: "Call", kind: "mono strong",
    cell: ({ call_id: id }) => h("a", { href: `/calls/${encodeURIComponent(id)}` }, words(id)),
  },
  { label: "Opens", cell: ({ legs, message_ids: ids }) => (ids ? `${count(ids.length)} messages` : legs.length ? `${count(legs.length + 1)} legs` : "one leg") },
  { label: "Capture file", cell: ({ may_export: may }) => may && mark("going", "with pcap") },
  field("note", "Note", "wrap"), ...(all ? [field("username", "User", "mono")] : []),
  { label: "Made", kind: "mono time", cell: ({ created_at: at }) => when(at) },
  { label: "Opened", kind: "number", cell: ({ uses }) => count(uses) },
  { label: "Last opened", kind: "mono time", cell: ({ last_used_at: at }) => when(at) ?? "never" },
  {
    label: "Expires", kind: "mono time", cell: ({ expires_at: at }) => (Date.parse(at) > Date.now()
      ? when(at) : mark("none", "expired")),
  },
];

start(async (me, may) => {
  const records = new Records({
    columns: columns(may("admin")), empty: "No call is shared. The page of a call makes links.",
    read: pagesOf(PATH, "share_links", { parameters: () => parameters() }),
    actions: (link) => action("Revoke", nameOf(link), () => revoke(link)),
  });
  const parameters = ownersOf(may, () => records.reload());

  async function revoke(link) {
    const done = await edit({
      title: `Revoke the ${nameOf(link)}?`, verb: "Revoke", danger: true,
      text: "Whoever has it sees nothing from now on.",
      send: () => send("DELETE", `${PATH}/${link.id}`),
    });
    if (done) await records.reload();
  }

  await records.reload();
});

const nameOf = ({ id, call_id: call }) => plain(`link ${id} to ${call}`, 80);
