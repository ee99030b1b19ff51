// SPDX-License-Identifier: GPL-2.0-or-later
// The balance as a picture: what was received, and bands as broad as what became of it.

import { percent } from "../common/amount.js";
import { h, replace, s } from "../common/dom.js";
import { count } from "../common/text.js";

const OUTCOMES = [
  ["stored", "good", "a row in PostgreSQL"],
  ["waiting", "going", "in the journal, not stored yet"],
  ["filtered", "none", "left out because a setting says so"],
  ["duplicate", "turn", "seen before"],
  ["rejected", "wait", "not taken: not HEP, damaged, or not allowed"],
  ["dropped", "bad", "lost"],
];
const BROAD = 84;
const LEAST = 2;
const TITLE = 25;
const LINE = 20;
const GAP = 9;
const WIDTH = 300;
const BAR = 12;

/** The sums of some nodes, and whether everything is accounted for. */
export function sum(nodes) {
  const outcomes = Object.fromEntries(OUTCOMES.map(([name]) => [name, 0]));
  const found = { received: 0, waiting: 0, unaccounted: 0, outcomes, causes: {} };
  for (const node of nodes) {
    for (const name of ["received", "waiting", "unaccounted"]) found[name] += node[name];
    for (const part of ["outcomes", "causes"]) {
      for (const [name, number] of Object.entries(node[part])) {
        found[part][name] = (found[part][name] ?? 0) + number;
      }
    }
  }
  return found;
}

/** `helps` are the causes as the API explains them. */
export function draw(element, balance, helps) {
  const rows = layOut(balance, helps);
  const height = rows.at(-1).top + rows.at(-1).height;
  replace(element,
    h("div", { class: "picture" },
      h("div", { class: "source" }, h("strong", {}, count(balance.received)), h("span", {}, "received")),
      bands(rows, height),
      h("ul", { class: "outcomes" }, rows.map((row) => described(row, balance.received)))),
    proof(balance));
}

function layOut({ received, waiting, outcomes, causes }, helps) {
  let top = 0;
  return OUTCOMES.map(([name, tone, meaning]) => {
    const number = name === "waiting" ? waiting : outcomes[name];
    const broad = number ? Math.max((BROAD * number) / Math.max(received, 1), LEAST) : 0;
    const found = Object.entries(helps)
      .filter(([cause, { outcome }]) => outcome === name && cause !== name && causes[cause])
      .map(([cause, { help }]) => ({ cause, help, number: causes[cause] }))
      .sort((one, other) => other.number - one.number);
    const height = Math.max(TITLE + LINE * found.length, broad) + GAP;
    const row = { name, tone, meaning, number, broad, found, top, height };
    top += height;
    return row;
  });
}

function bands(rows, height) {
  const whole = rows.reduce((total, { broad }) => total + broad, 0);
  let left = Math.max((height - GAP - whole) / 2, 0);
  const bar = s("rect", { class: "bar-all", x: 0, y: left, width: BAR, height: Math.max(whole, LEAST), rx: 2 });
  const drawn = rows.filter(({ broad }) => broad).map(({ tone, broad, top, height: high }) => {
    const right = top + Math.max((Math.min(high, TITLE + GAP) - GAP - broad) / 2, 0);
    const middle = WIDTH / 2;
    const path = `M${BAR} ${left}C${middle} ${left} ${middle} ${right} ${WIDTH - 5} ${right}`
      + `v${broad}C${middle} ${right + broad} ${middle} ${left + broad} ${BAR} ${left + broad}z`;
    left += broad;
    return s("g", { class: `tone-${tone}` }, s("path", { class: "band", d: path }),
      s("rect", { class: "end", x: WIDTH - 5, y: right, width: 5, height: broad, rx: 1 }));
  });
  return s("svg", { viewBox: `0 0 ${WIDTH} ${height}`, height, preserveAspectRatio: "none", "aria-hidden": "true" }, bar, drawn);
}

function described({ name, tone, meaning, number, found, height }, received) {
  const item = h("li", { class: number ? `tone-${tone}` : `tone-${tone} nothing`, "data-outcome": name },
    h("p", {}, h("strong", {}, count(number)), h("span", { class: "name" }, name),
      number ? h("span", { class: "share" }, percent(number, received)) : null,
      h("span", { class: "faint" }, meaning)),
    found.length ? h("ul", {}, found.map(({ cause, help, number: of }) =>
      h("li", { "data-cause": cause, title: help }, h("b", {}, count(of)), h("code", {}, cause),
        h("span", { class: "faint" }, help)))) : null);
  item.style.height = `${height}px`;
  return item;
}

function proof({ received, waiting, unaccounted, outcomes }) {
  const parts = OUTCOMES.map(([name]) => count(name === "waiting" ? waiting : outcomes[name]));
  const closed = unaccounted === 0;
  return h("p", { class: closed ? "proof" : "proof tone-bad", id: "proof" },
    h("span", { class: closed ? "badge tone-good" : "badge tone-bad" },
      closed ? "closes" : `${count(unaccounted)} unaccounted`),
    h("span", { class: "mono" }, `${count(received)} = ${parts.join(" + ")}`));
}
