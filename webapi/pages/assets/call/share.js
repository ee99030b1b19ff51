// SPDX-License-Identifier: GPL-2.0-or-later
// A link that shows one call to somebody without a user.

import { send } from "../common/api.js";
import { byId } from "../common/dom.js";
import { edit, reveal } from "../common/editor.js";
import { full } from "../common/zone.js";

/** Ask how long and how much, make the link, show it once. */
export async function share(call) {
  const mayExport = !byId("exports").hidden;
  const made = await edit({
    title: "Share this call", verb: "Make link",
    text: "Whoever has the link sees the call without signing in, until it expires or is revoked.",
    fields: [
      { name: "duration", label: "Expires after", optional: true, placeholder: "7d", help: "12h, 30d" },
      call.legs.length > 1 && { name: "legs", label: "With", kind: "select", options: [["all", "all legs"], ["one", "this leg"]] },
      mayExport && { name: "export", label: "With the capture file (pcap)", kind: "check" },
      { name: "note", label: "Note", optional: true, maxlength: 200, help: "What it is for" },
    ].filter(Boolean),
    send: (entered) => send("POST", "/api/v1/share-links", { call_id: call.call_id, ...entered }),
  });
  if (!made) return;
  await reveal({
    title: "The link", label: `Opens until ${full(made.expires_at)}`,
    text: "It is shown this once.", secret: new URL(`/shared/${made.token}`, location.origin).href,
  });
}
