// SPDX-License-Identifier: GPL-2.0-or-later
// A dialog with a form: sends what was entered, shows what the API says at its field, and is gone
// from the page when it is closed.

import { copyText } from "./clipboard.js";
import { h, put } from "./dom.js";

let number = 0;

/**
 * Ask for `fields`, begin with `values`, and `send(entered)`; the answer, or null when it was left.
 * A field has a name, a label and a kind: text, number, list, select, check, checks, or file. What
 * is empty and `optional` is not sent; two that are `half` stand beside each other. `danger` is
 * for what cannot be undone.
 */
export function edit({ title, text = null, fields = [], values = {}, verb, danger = false, send }) {
  return new Promise((resolve) => {
    const id = `editor-${++number}`;
    const controls = fields.map((field) => build(field, values[field.name], `${id}-${field.name}`));
    const failure = h("p", { class: "notice bad", role: "alert", hidden: true });
    const button = h("button", { class: danger ? "main danger" : "main" }, verb);
    let result = null;
    const submit = async (event) => {
      event.preventDefault();
      button.disabled = true;
      failure.hidden = true;
      for (const control of controls) control.wrong("");
      try {
        result = await send(entered(controls));
        dialog.close();
      } catch (error) {
        const wrong = controls.find(({ field }) => field.name === error.field);
        const message = error.message.replace(`${error.field}: `, "");
        if (wrong) wrong.wrong(message);
        else {
          failure.textContent = error.message;
          failure.hidden = false;
        }
      } finally {
        button.disabled = false;
      }
    };
    const dialog = h("dialog", { class: "editor", "aria-labelledby": id },
      h("form", { submit, autocomplete: "off" },
        h("h2", { id }, title), text && h("p", {}, text),
        controls.map(({ element }) => element), failure,
        h("div", { class: "buttons" },
          h("button", { type: "button", click: () => dialog.close() }, "Cancel"), button)));
    open(dialog, () => resolve(result));
  });
}

/** Show a secret that cannot be shown again; nothing of it is left when this is closed. */
export function reveal({ title, text, label, secret }) {
  return new Promise((resolve) => {
    const id = `editor-${++number}`;
    const told = h("span", { class: "faint", role: "status" });
    const shown = h("input", { readonly: true, class: "secret", id: `${id}-secret`, spellcheck: "false" });
    // A property, not an attribute: it is in no copy of the page's markup.
    shown.value = secret;
    const dialog = h("dialog", { class: "editor", "aria-labelledby": id },
      h("form", { method: "dialog" },
        h("h2", { id }, title), h("p", {}, text),
        h("label", {}, h("span", {}, label), shown),
        h("div", { class: "buttons" }, told,
          h("button", { type: "button", click: () => copyText(shown.value, told) }, "Copy"),
          h("button", { class: "main" }, "Done"))));
    const forget = () => {
      shown.value = "";
      dialog.close();
    };
    addEventListener("pagehide", forget, { once: true });
    open(dialog, () => {
      forget();
      removeEventListener("pagehide", forget);
      resolve();
    });
    shown.select();
  });
}

function open(dialog, then) {
  dialog.addEventListener("close", () => {
    dialog.remove();
    then();
  });
  put(document.body, dialog);
  dialog.showModal();
}

const entered = (controls) => Object.fromEntries(controls
  .map(({ field, value }) => [field, value()])
  .filter(([{ optional }, value]) => !(optional && (value === "" || value?.length === 0)))
  .map(([{ name }, value]) => [name, value]));

/** A field as an element, its value, and what is wrong with it. */
function build(field, value, id) {
  const { label, help, kind = "text", half = false } = field;
  const told = h("span", { class: "wrong", id: `${id}-wrong`, role: "alert" });
  const described = `${id}-wrong${help ? ` ${id}-help` : ""}`;
  const hint = help && h("span", { class: "faint", id: `${id}-help` }, help);
  const { inputs, read, element } = KINDS[kind](field, value, { id, "aria-describedby": described });
  const name = kind === "checks" ? h("legend", {}, label) : h("label", { for: id }, label);
  return {
    field,
    value: read,
    wrong(message) {
      told.textContent = message;
      for (const input of inputs) {
        if (message) input.setAttribute("aria-invalid", "true");
        else input.removeAttribute("aria-invalid");
      }
      if (message) inputs[0].focus();
    },
    element: h(kind === "checks" ? "fieldset" : "div", { class: `field ${kind} ${half ? "half" : ""}` }, name, element, hint, told),
  };
}

const typed = (parse, more = {}) => ({ name, required, maxlength = 250, placeholder, min, max, accept }, value, attributes) => {
  const input = h("input", {
    name, required, maxlength, placeholder, min, max, accept, value: value ?? "", spellcheck: "false", autocapitalize: "none",
    ...more, ...attributes,
  });
  return { inputs: [input], element: input, read: () => parse(input) };
};
const parts = (text) => text.split(/[\s,]+/).filter(Boolean);

const KINDS = {
  text: typed((input) => input.value.trim()),
  number: typed((input) => (input.value === "" ? "" : Number(input.value)), { type: "number", step: "any" }),
  list: (field, value, attributes) => typed((input) => parts(input.value))(field, value?.join(" "), attributes),
  file: typed((input) => input.files[0], { type: "file", value: null }),
  check: ({ name }, value, attributes) => {
    const input = h("input", { type: "checkbox", name, checked: Boolean(value), ...attributes });
    return { inputs: [input], element: input, read: () => input.checked };
  },
  select: ({ name, options }, value, attributes) => {
    const select = h("select", { name, ...attributes }, options.map(([one, text]) =>
      h("option", { value: one, selected: one === value }, text)));
    return { inputs: [select], element: select, read: () => select.value };
  },
  checks: ({ name, options }, value = [], attributes) => {
    const inputs = options.map(([one]) => h("input", {
      type: "checkbox", name, value: one, checked: value.includes(one), "aria-describedby": attributes["aria-describedby"],
    }));
    return {
      inputs,
      element: options.map(([, text], at) => h("label", {}, inputs[at], text)),
      read: () => inputs.filter(({ checked }) => checked).map(({ value: one }) => one),
    };
  },
};
