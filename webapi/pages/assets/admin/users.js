// SPDX-License-Identifier: GPL-2.0-or-later
import { action, choices, field, mark, said, start, tool } from "./admin.js";
import { send } from "../common/api.js";
import { when } from "../common/columns.js";
import { edit, reveal } from "../common/editor.js";
import { Records, pagesOf } from "./records.js";

const PATH = "/api/v1/users";
const OWN = "internal"; // users whose password this service checks
const RANDOM_BYTES = 15;
const ROLE = { name: "role", label: "Role", kind: "select", options: choices.roles.map((role) => [role, role]) };
const NAMES = [
  { name: "full_name", label: "Full name", maxlength: 200 },
  { name: "email", label: "E-mail", maxlength: 200 },
];
const columns = [
  field("username", "User", "mono strong"), field("role", "Role"), field("full_name", "Full name"),
  field("email", "E-mail"),
  { label: "State", cell: ({ enabled }) => (enabled ? mark("good", "enabled") : mark("none", "disabled")) },
  {
    label: "Password", cell: (user) => (user.source === OWN
      ? user.must_change_password && mark("wait", "must be changed") : `kept by ${said(user.source)}`),
  },
  { label: "Added", kind: "mono time", cell: ({ created_at: at }) => when(at) },
];

start(async (me) => {
  const records = new Records({
    columns, read: pagesOf(PATH, "users"), empty: "There are no users.",
    actions: (user) => {
      const mine = user.username === me.username;
      const { username, enabled } = user;
      return [
        action("Change", username, () => change(user)),
        user.source === OWN && !mine && action("Reset password", username, () => reset(user)),
        !mine && action(enabled ? "Disable" : "Enable", username, () => enable(user, !enabled)),
        !mine && action("Remove", username, () => remove(user)),
      ];
    },
  });
  const asked = async (answer) => {
    const found = await answer;
    if (found) await records.reload();
    return found;
  };

  const show = (username, password) => reveal({
    title: `Password of ${username}`, label: "Password", secret: password,
    text: "It is shown this once, and must be changed at the first sign-in.",
  });

  async function add() {
    const user = await asked(edit({
      title: "Add a user", verb: "Add", values: { role: "user" },
      fields: [
        { name: "username", label: "User name", required: true, maxlength: 64 }, ROLE,
        ...NAMES.map((one) => ({ ...one, optional: true })),
      ],
      send: (entered) => send("POST", PATH, entered),
    }));
    if (user) await show(user.username, user.password);
  }

  const change = (user) => asked(edit({
    title: `Change ${user.username}`, verb: "Save", values: user, fields: [ROLE, ...NAMES],
    send: (entered) => send("PATCH", `${PATH}/${user.id}`, entered),
  }));

  async function reset({ id, username }) {
    const password = made();
    const done = await asked(edit({
      title: `Reset the password of ${username}?`, verb: "Reset", danger: true,
      text: "The password that there is opens nothing any more, and all sessions end.",
      send: () => send("PATCH", `${PATH}/${id}`, { password }),
    }));
    if (done) await show(username, password);
  }

  const enable = ({ id, username }, enabled) => asked(edit({
    title: `${enabled ? "Enable" : "Disable"} ${username}?`, verb: enabled ? "Enable" : "Disable", danger: !enabled,
    text: enabled ? "Sign-in and tokens work again." : "Sessions end, tokens and share links are refused.",
    send: () => send("PATCH", `${PATH}/${id}`, { enabled }),
  }));

  const remove = ({ id, username }) => asked(edit({
    title: `Remove ${username}?`, verb: "Remove", danger: true,
    text: "With sessions and tokens. The audit log keeps what was done.",
    send: () => send("DELETE", `${PATH}/${id}`),
  }));

  tool("Add user", add, true);
  await records.reload();
});

/** A password for somebody to copy: 120 random bits. */
function made() {
  const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
