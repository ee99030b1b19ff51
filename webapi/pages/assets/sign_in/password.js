// SPDX-License-Identifier: GPL-2.0-or-later
import { send } from "../common/api.js";
import { byId } from "../common/dom.js";

const form = byId("password");
const failure = byId("failure");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { password, new_password: chosen, again } = form.elements;
  try {
    if (chosen.value !== again.value) throw new Error("The new password is not the same twice.");
    await send("POST", "/api/v1/me/password", {
      password: password.value, new_password: chosen.value,
    });
    location.replace(byId("main").dataset.target);
  } catch (error) {
    failure.textContent = error.message;
    failure.hidden = false;
  }
});
