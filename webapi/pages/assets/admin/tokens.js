// SPDX-License-Identifier: GPL-2.0-or-later
import { action, field, mark, ownersOf, start, tool } from "./admin.js";
import { send } from "../common/api.js";
import { when } from "../common/columns.js";
import { edit, reveal } from "../common/editor.js";
import { Records, pagesOf } from "./records.js";
import { plain } from "../common/text.js";

const PATH = "/api/v1/tokens";
const columns = (all) => [
  field("name", "Name", "strong"), ...(all ? [field("username", "User", "mono")] : []),
  { label: "Scopes", cell: ({ scopes }) => scopes.join(", ") },
  { label: "Networks", kind: "mono", cell: ({ networks }) => networks.join(", ") || "any" },
  { label: "Made", kind: "mono time", cell: ({ created_at: at }) => when(at) },
  { label: "Last used", kind: "mono time", cell: ({ last_used_at: at }) => when(at) ?? "never" },
  {
    label: "Expires", kind: "mono time", cell: ({ expires_at: at }) => (Date.parse(at) > Date.now()
      ? when(at) : mark("none", "expired")),
  },
];

start(async (me, may) => {
  const records = new Records({
    columns: columns(may("admin")), empty: "There are no tokens.",
    read: pagesOf(PATH, "tokens", { parameters: () => parameters() }),
    actions: (token) => action("Revoke", plain(token.name, 64), () => revoke(token)),
  });
  const parameters = ownersOf(may, () => records.reload());

  async function add() {
    const made = await edit({
      title: "Make a token of your own", verb: "Make", values: { scopes: ["read"] },
      fields: [
        { name: "name", label: "Name", required: true, maxlength: 64, help: "What it is for" },
        { name: "scopes", label: "It may", kind: "checks", options: me.scopes.map((scope) => [scope, scope]) },
        { name: "networks", label: "Networks", kind: "list", optional: true, placeholder: "any", help: "From where it works: 192.0.2.7, 10.0.0.0/8", maxlength: 1000 },
        { name: "duration", label: "Expires after", optional: true, placeholder: "90d", help: "12h, 30d" },
      ],
      send: (entered) => send("POST", PATH, entered),
    });
    if (!made) return;
    await records.reload();
    await reveal({
      title: "The token", label: plain(made.name, 64), secret: made.token,
      text: "It is shown this once. Programs send it as Authorization: Bearer.",
    });
  }

  async function revoke({ id, name }) {
    const done = await edit({
      title: `Revoke ${plain(name, 64)}?`, verb: "Revoke", danger: true,
      text: "Programs that use it are refused from now on.",
      send: () => send("DELETE", `${PATH}/${id}`),
    });
    if (done) await records.reload();
  }

  tool("Make token", add, true);
  await records.reload();
});
