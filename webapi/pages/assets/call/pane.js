// SPDX-License-Identifier: GPL-2.0-or-later
// The pane beside the ladder: what it shows has a title, tools and facts.

import { h, replace } from "../common/dom.js";

export const tool = (text, name, click, pressed = null) => h("button", {
  type: "button", class: "quiet", title: name, "aria-label": name, "aria-pressed": pressed, click,
}, text);

/** Fill the pane; `tools` stand before ×, `facts` are pairs of name and value. */
export function fill(pane, { title, tools = [], facts, onMove, onClose }, ...content) {
  replace(pane,
    h("header", {}, h("h2", {}, title), h("span", { class: "gap" }),
      onMove ? [tool("↑", "Row before (k)", () => onMove(-1)), tool("↓", "Next row (j)", () => onMove(1))] : null,
      tools, tool("×", "Close (Esc)", onClose)),
    h("dl", {}, facts.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    content);
  pane.scrollTop = 0;
  pane.hidden = false;
}
