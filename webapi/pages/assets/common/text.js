// SPDX-License-Identifier: GPL-2.0-or-later
// Text from the network. Characters that one does not see, or that turn others round (Unicode TR 36
// §3.1), are shown by their numbers.

import { h } from "./dom.js";

const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u{fe00}-\u{fe0f}\u{e0100}-\u{e01ef}]/gu;
const LONGEST = 240;

const name = (character) =>
  "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

/** As one piece of text, for attributes. */
export function plain(value, longest = LONGEST) {
  return cut(String(value), longest).replace(UNSEEN, (one) => `⟨${name(one)}⟩`);
}

/** As nodes; `keep` are characters that need no number where they stand, as line ends. */
export function shown(value, longest = LONGEST, keep = "") {
  const text = cut(String(value), longest);
  const nodes = [];
  let reached = 0;
  for (const found of text.matchAll(UNSEEN)) {
    if (keep.includes(found[0])) continue;
    if (found.index > reached) nodes.push(text.slice(reached, found.index));
    nodes.push(h("span", { class: "control" }, name(found[0])));
    reached = found.index + found[0].length;
  }
  if (reached < text.length) nodes.push(text.slice(reached));
  return nodes;
}

function cut(text, longest) {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

/** Milliseconds as people read them: 180 ms, 2.4 s, 3:05, 1:02:03. */
export function span(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1000) return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** An address with its port. */
export function endpoint(ip, port) {
  if (!ip) return "";
  if (port === undefined || port === null) return ip;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

export const count = (number) => number.toLocaleString("en");
