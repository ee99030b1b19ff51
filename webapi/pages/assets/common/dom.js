// SPDX-License-Identifier: GPL-2.0-or-later
// Elements and text. Nothing in these modules turns text into markup: this file is the only way to
// the page, and it knows text nodes and attributes.

const SVG = "http://www.w3.org/2000/svg";

/** An element; attributes that are null or false are left out, functions become listeners. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same, of a drawing. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  put(element, children);
  return element;
}

/** Add nodes and text; lists are taken apart, null is nothing. */
export function put(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
}

/** Put these in the place of what is there. */
export function replace(element, ...children) {
  element.replaceChildren();
  put(element, children);
}

export const byId = (id) => document.getElementById(id);
