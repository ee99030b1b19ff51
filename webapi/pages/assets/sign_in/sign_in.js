// SPDX-License-Identifier: GPL-2.0-or-later
import { get, send } from "../common/api.js";
import { byId, h, replace } from "../common/dom.js";

const form = byId("sign-in");
const failure = byId("failure");
const target = byId("main").dataset.target;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button.main");
  button.disabled = true;
  failure.hidden = true;
  try {
    const { username, password } = form.elements;
    const me = await send("POST", "/api/v1/sign-in", {
      username: username.value.trim(), password: password.value,
    });
    const change = `/password?${new URLSearchParams({ next: target })}`;
    location.replace(me.must_change_password ? change : target);
  } catch (error) {
    failure.textContent = error.message;
    failure.hidden = false;
    button.disabled = false;
    form.elements.password.select();
  }
});

/** The ways of the settings: a form with name and password, and providers elsewhere. */
async function offer() {
  const { ways } = await get("/api/v1/sign-in");
  const elsewhere = ways.filter(({ url }) => url);
  const hasForm = ways.some(({ url }) => !url);
  for (const part of form.querySelectorAll("label, button.main, .hint")) part.hidden = !hasForm;
  const leading = (url) => `${url}${url.includes("?") ? "&" : "?"}${new URLSearchParams({ next: target })}`;
  // Not after sign-out, which leads here without saying where to go next.
  const atOnce = elsewhere.find(({ at_once: now }) => now);
  if (atOnce && new URLSearchParams(location.search).has("next")) location.replace(leading(atOnce.url));
  replace(byId("ways"), elsewhere.map(({ url, title, image }) => h("a", { href: leading(url) },
    /^(\/(?!\/)|data:image\/)/.test(image ?? "") && h("img", { src: image, alt: "", height: 18 }), title)));
}

// Without an answer there is the form.
offer().catch(() => {});

// A link from elsewhere came without the cookie; this request has it.
get("/api/v1/me").then((me) => {
  if (me.csrf_token) location.replace(target);
}, () => {});
