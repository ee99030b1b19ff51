// SPDX-License-Identifier: GPL-2.0-or-later
import { get } from "../common/api.js";
import { causeKey, findings, shownFinding } from "./attention.js";
import * as balance from "./balance.js";
import { rate } from "../common/amount.js";
import { byId, h, replace } from "../common/dom.js";
import { Figures } from "./figures.js";
import { nodes, outputs, refused, senderKey, senders } from "./nodes.js";
import { Rates } from "./rates.js";
import { isTyping } from "../common/shell.js";
import { dropped, kinds, limits } from "../common/storage.js";
import { count, plain } from "../common/text.js";
import { proxies, rules } from "./tracing.js";
import { onChange, wall } from "../common/zone.js";

const EVERY_MS = 3000;
const FIGURES_EVERY_MS = 15_000;
const SENDERS = 12;
const clockWarning = Number(byId("main").dataset.clockWarning);
const rates = new Rates();
const failures = new Map();
let status = null;
let trace = null;
let timer = null;
let figuresAt = 0;
let mostSenders = SENDERS;
let attention = "";

const figures = new Figures((error) => tell("figures", error));

/** What went wrong with one of the questions; all else stays as it was. */
function tell(about, error) {
  if (error) failures.set(about, error.message);
  else failures.delete(about);
  const text = [...new Set(failures.values())].join(" ");
  byId("notice").hidden = !text;
  if (byId("notice").textContent !== text) byId("notice").textContent = text;
}

async function answerOf(about, path) {
  try {
    const found = await get(path);
    tell(about, null);
    return found;
  } catch (error) {
    tell(about, error);
    return null;
  }
}

async function ask() {
  clearTimeout(timer);
  if (document.visibilityState === "hidden") return;
  const [told, traced] = await Promise.all([
    answerOf("status", "/api/v1/status"), answerOf("trace", "/api/v1/trace-rules")]);
  trace = traced ?? trace;
  if (told) {
    status = told;
    rates.note(status.time, new Map([
      ...status.nodes.flatMap((node) => [
        [node.journal_id, node.received],
        ...Object.entries(node.causes).map(([cause, number]) => [causeKey(node, cause), number])]),
      ...status.senders.map((one) => [senderKey(one), one.packets])]));
  }
  // What somebody is marking to copy it stays.
  if (status && getSelection().isCollapsed) show();
  if (Date.now() - figuresAt >= FIGURES_EVERY_MS) {
    figuresAt = Date.now();
    figures.ask({ isRefresh: figures.answer !== undefined });
  }
  clearTimeout(timer);
  timer = setTimeout(ask, EVERY_MS);
}

function show() {
  showAttention();
  showNodes();
  const chosen = byId("node").value;
  const counted = status.nodes.filter(({ name }) => !chosen || name === chosen);
  balance.draw(byId("balance"), balance.sum(counted), status.causes);
  put("nodes", nodes(status, rates));
  put("senders", senders(status, rates, clockWarning, mostSenders));
  const all = byId("all-senders");
  all.hidden = status.senders.length <= mostSenders;
  all.textContent = `All ${count(status.senders.length)} senders`;
  put("refused", refused(status));
  put("limits", limits(status));
  put("kinds", kinds(status));
  put("dropped", dropped(status));
  put("outputs", outputs(status));
  if (trace) {
    put("proxies", proxies(trace, status.time));
    put("rules", rules(trace, status.time));
  }
  const { time } = wall(status.time);
  const perSecond = status.nodes.map((node) => rates.of(node.journal_id));
  const sum = perSecond.includes(null) ? null : perSecond.reduce((total, one) => total + one, 0);
  byId("asked").textContent = `${rate(sum)} packets/s · as of ${time}`;
}

/** Whose balance it is, where there are several capture nodes. */
function showNodes() {
  const select = byId("node");
  const names = [...new Set(status.nodes.map(({ name }) => name))];
  select.hidden = names.length < 2;
  const options = select.hidden ? [] : ["", ...names];
  if ([...select.options].map(({ value }) => value).join("\n") === options.join("\n")) return;
  const before = select.value;
  replace(select, options.map((name) => h("option", { value: name, selected: name === before }, name ? plain(name, 60) : "all capture nodes")));
  if (select.value !== before) figures.ofNode(select.value);
}

/** In the place of what was there; a table keeps where it was scrolled to, and the focus. */
function put(id, content) {
  const element = byId(id);
  const before = element.querySelector(".scroll");
  const [left, hasFocus] = [before?.scrollLeft ?? 0, before === document.activeElement];
  replace(element, content);
  const after = element.querySelector(".scroll");
  if (!after) return;
  after.scrollLeft = left;
  if (before && hasFocus) after.focus({ preventScroll: true });
}

/** Told again only when it is something else: screen readers read it out. */
function showAttention() {
  const found = findings(status, trace, rates, clockWarning);
  const items = found.map(shownFinding);
  const text = items.map((item) => item.textContent).join("\n");
  const worst = found[0]?.tone;
  const words = found.length === 1 ? "One thing needs attention" : `${count(found.length)} things need attention`;
  byId("verdict").textContent = found.length ? words : "All is well";
  byId("verdict").className = `tone-${worst ?? "good"}`;
  if (text !== attention) replace(byId("attention"), items);
  attention = text;
}

byId("node").addEventListener("change", ({ target }) => {
  show();
  figures.ofNode(target.value);
});
byId("all-senders").addEventListener("click", () => {
  mostSenders = Infinity;
  show();
});
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && ask());
onChange(() => {
  if (status) show();
  figures.draw();
});
document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const keys = { r: () => { figuresAt = 0; ask(); }, z: () => figures.zoomOut() };
  if (["1", "2", "3"].includes(event.key)) figures.choose(Number(event.key) - 1);
  else if (!keys[event.key]) return;
  else keys[event.key]();
  event.preventDefault();
});
ask();
