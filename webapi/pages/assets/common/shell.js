// SPDX-License-Identifier: GPL-2.0-or-later
// What every page has: time zone, colours, menus, keyboard help, sign-out.

import { send } from "./api.js";
import { byId, h, put } from "./dom.js";
import { browserZone, choice, choose, offsetText, onChange, zone } from "./zone.js";

const THEMES = {
  system: { text: "Colours: as the system", sign: "◐" },
  light: { text: "Colours: light", sign: "○" },
  dark: { text: "Colours: dark", sign: "●" },
};

function zones() {
  const select = byId("zone");
  const now = new Date();
  const option = (value, text) => h("option", { value }, text);
  const browser = browserZone();
  put(
    select,
    h("optgroup", { label: "Of this browser" },
      option("browser", `${browser} (${offsetText(now, browser)})`)),
    option("UTC", "UTC"),
    h("optgroup", { label: "All" }, Intl.supportedValuesOf("timeZone")
      .filter((name) => name !== "UTC").map((name) => option(name, name))),
  );
  const show = () => {
    select.value = choice();
    select.title = `Time zone: ${zone()} (${offsetText(new Date())}). It holds for what is shown, `
      + "searched and exported with this browser.";
  };
  select.addEventListener("change", () => choose(select.value));
  onChange(show);
  show();
}

function themes() {
  const button = byId("theme");
  const names = Object.keys(THEMES);
  const current = () => localStorage.getItem("kemiscope.theme") ?? "system";
  const show = () => {
    const { text, sign } = THEMES[current()] ?? THEMES.system;
    button.textContent = sign;
    button.title = text;
    button.setAttribute("aria-label", text);
  };
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(current()) + 1) % names.length];
    localStorage.setItem("kemiscope.theme", next);
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    show();
  });
  show();
}

/** Menus close by a click elsewhere and by Esc, and one opens at a time. */
function menus() {
  const open = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

/** Whether a key is meant for a field and not for the page. */
export function isTyping(event) {
  const { tagName, type } = event.target;
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(tagName) && type !== "checkbox";
  return typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
}

function help() {
  const dialog = byId("keyboard");
  byId("help").addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.key === "?" && !isTyping(event) && !dialog.open) dialog.showModal();
  });
}

function signOut() {
  byId("sign-out")?.addEventListener("click", async () => {
    try {
      await send("POST", "/api/v1/sign-out");
    } finally {
      location.assign("/sign-in");
    }
  });
}

zones();
themes();
menus();
help();
signOut();
