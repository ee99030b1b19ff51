// SPDX-License-Identifier: GPL-2.0-or-later
import * as advice from "./advice.js";
import { Failure, get } from "../common/api.js";
import { COLUMNS, keyOf, pathOf, tone } from "../common/columns.js";
import { Completion } from "./completion.js";
import { byId, h, replace } from "../common/dom.js";
import * as form from "./form.js";
import { LiveStream } from "./live.js";
import { RangePicker, relative } from "../common/range.js";
import { SavedSearches } from "./saved.js";
import { isTyping } from "../common/shell.js";
import { away } from "../common/sites.js";
import * as address from "./state.js";
import { Table } from "./table.js";
import { join, meanings, parse, split } from "./terms.js";
import { count, plain, shown } from "../common/text.js";
import { onChange, zone } from "../common/zone.js";

const LIVE_ROWS = 1000;
const main = byId("main");
const tabs = JSON.parse(main.dataset.tabs);
const sites = JSON.parse(main.dataset.sites);
const pageRows = Math.min(100, Number(main.dataset.most));
const box = byId("box");
const allNames = new Set(tabs.flatMap(({ fields }) => fields.map(({ name }) => name)));
const notice = byId("notice");
const empty = byId("empty");
const more = byId("more");

let state = address.read(location.search, tabs);
let next = null;
let asking = null;
let stream = null;
let complete = true;
let guesses = [];
let arrived = 0;

const names = () => new Set(state.tab.fields.map(({ name }) => name));
const table = new Table(byId("table"), { onSort: (sort) => change({ sort }) });
const range = new RangePicker(byId("range"), byId("range-text"), change);
new SavedSearches(byId("saved"), {
  current: () => ({ kind: state.tab.name, parameters: address.parametersOf(state) }),
  onPick: ({ kind, parameters }) => {
    const query = new URLSearchParams({ ...parameters, tab: kind });
    box.value = "";
    change(address.read(`?${query}`, tabs));
  },
});
new Completion(box, byId("completions"), () => state.tab.fields);

/** Another state, written into the address, and what it finds. */
function change(changes, { push = true } = {}) {
  state = { ...state, ...changes };
  const path = address.write(state, tabs);
  sessionStorage.setItem("kemiscope.search", path);
  if (path !== location.pathname + location.search) {
    history[push ? "pushState" : "replaceState"](null, "", path);
  }
  show();
  run();
}

const columnsOf = (tab) => COLUMNS[tab.name].filter(({ key }) => key !== "site" || sites.length > 1);

function chosenColumns() {
  const all = columnsOf(state.tab);
  const chosen = state.columns?.map((key) => all.find((column) => column.key === key)).filter(Boolean);
  return chosen?.length ? chosen : all.filter(({ usual }) => usual);
}

/** Everything but the rows, as the state says. */
function show() {
  const { tab } = state;
  document.title = `${tab.title} · kemiscope`;
  if (document.activeElement !== box || !box.value.trim()) box.value = join(state.filters);
  for (const button of byId("tabs").children) {
    const chosen = button.dataset.tab === tab.name;
    button.setAttribute("aria-selected", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
  }
  byId("results").setAttribute("aria-labelledby", `tab-${tab.name}`);
  range.set({ from: state.from || relative(tab.range), to: state.to }, address.isEverywhere(state));
  byId("live").setAttribute("aria-pressed", String(state.live));
  byId("live").hidden = !tab.live;
  form.show(byId("form"), tab, state.filters);
  showChips();
  showColumnMenu();
  showExports();
  setUpTable();
}

function setUpTable() {
  table.setUp({
    columns: chosenColumns(), sort: state.sort, sorts: state.live ? [] : state.tab.sorts,
    keyOf: (row) => keyOf(state.tab.name, row), pathOf: (row) => pathOf(state.tab.name, row),
    caption: state.tab.title,
  });
}

function showChips() {
  const labels = new Map(state.tab.fields.map(({ name, label }) => [name, label]));
  replace(byId("chips"), [...state.filters].map(([name, value]) => {
    const known = labels.has(name);
    const label = labels.get(name) ?? name;
    const without = () => change({
      filters: new Map([...state.filters].filter(([other]) => other !== name)),
    });
    return h("li", { class: known ? "chip" : "chip idle", "data-name": name, title: known ? null : `not for ${state.tab.title.toLowerCase()}` },
      h("span", {}, label), " ", h("bdi", { class: "mono" }, shown(value, 80)),
      h("button", { type: "button", "aria-label": `Without ${plain(`${label} ${value}`, 80)}`, click: () => { box.value = ""; without(); } }, "×"));
  }));
}

function showColumnMenu() {
  const all = columnsOf(state.tab);
  const chosen = new Set(chosenColumns().map(({ key }) => key));
  const toggle = (key, on) => {
    if (on) chosen.add(key);
    else chosen.delete(key);
    const keys = all.map((column) => column.key).filter((other) => chosen.has(other));
    state.columns = keys.length ? keys : null;
    history.replaceState(null, "", address.write(state, tabs));
    redraw();
  };
  replace(byId("columns").querySelector(".panel"),
    all.map(({ key, label }) => h("label", {},
      h("input", { type: "checkbox", name: key, checked: chosen.has(key), change: (event) => toggle(key, event.target.checked) }), label)),
    h("button", { type: "button", click: () => { state.columns = null; change({}, { push: false }); } }, "As usual"));
}

/** The same rows in other columns or in another time zone. */
function redraw() {
  const rows = [...table.rows.values()].map(({ row }) => row);
  setUpTable();
  table.clear();
  table.append(rows);
}

function showExports() {
  const { exports, name } = state.tab;
  const { sort, ...parameters } = address.parametersOf(state);
  const query = new URLSearchParams({ ...parameters, sort });
  const kinds = { csv: "CSV", jsonl: "JSON lines", pcap: "PCAP", pcapng: "PCAP-NG", txt: "Text" };
  byId("exports").classList.toggle("idle", exports.length === 0);
  const times = `&${new URLSearchParams({ time_zone: zone() })}`;
  const path = (suffix) => `/api/v1/${name}/export.${suffix}?${query}${suffix === "csv" ? times : ""}`;
  replace(byId("exports").querySelector(".panel"), exports.map((suffix) =>
    h("a", { href: path(suffix), download: true }, kinds[suffix])),
  h("p", { class: "faint" }, "All that the search finds, not only what is shown."));
}

/** Search, from the beginning. */
async function run() {
  asking?.abort();
  stream?.close();
  stream = null;
  const mine = new AbortController();
  asking = mine;
  arrived = 0;
  empty.hidden = true;
  tell("");
  byId("results").setAttribute("aria-busy", "true");
  try {
    if (state.live) {
      // First the stream and then the search, so that nothing falls between them.
      table.clear();
      await goLive();
    }
    const found = await page(null, mine.signal);
    if (!state.live) table.clear();
    take(found);
    if (!found[state.tab.name].length && !state.live) {
      advice.nothing(empty, state, guesses, (changes) => { box.value = ""; change(changes); });
    }
  } catch (error) {
    if (error.name === "AbortError") return;
    table.clear();
    next = null;
    showCount();
    fail(error);
  } finally {
    if (asking === mine) byId("results").removeAttribute("aria-busy");
  }
}

const page = (cursor, signal) => get(`/api/v1/${state.tab.name}`, {
  ...address.parametersOf(state), limit: pageRows, ...(cursor ? { cursor } : {}),
  ...(state.live && sites.length > 1 ? { site: sites[0] } : {}),
}, signal);

function take(found) {
  table.append(found[state.tab.name]);
  ({ next, complete } = found);
  // Then it is not the time that was too short.
  if (found.missing.length) {
    complete = true;
    tell(away(found), "wait");
  }
  showCount();
}

function fail(error) {
  if (!(error instanceof Failure)) throw error;
  advice.failed(empty, error, change);
  const chip = error.field && document.querySelector(`.chip[data-name="${CSS.escape(error.field)}"]`);
  chip?.classList.add("wrong");
}

async function showMore() {
  if (!next || more.disabled) return;
  more.disabled = true;
  try {
    take(await page(next, asking?.signal));
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  } finally {
    more.disabled = false;
  }
}

function showCount() {
  const rows = [...table.rows.values()].map(({ row }) => row);
  const title = state.tab.title.toLowerCase();
  const least = next ? ", and there are more" : "";
  const stopped = complete ? "" : " The query was stopped at web.query_timeout; More goes on.";
  byId("count").textContent = state.live
    ? `Live: ${count(arrived)} new, ${count(rows.length)} ${title} shown`
    : `${count(rows.length)} ${rows.length === 1 ? title.slice(0, -1) : title}${least}.${stopped}`;
  more.hidden = !next || state.live;
  showSummary(rows);
}

/** How many of the rows have which state; a click searches for it. */
function showSummary(rows) {
  const counts = new Map();
  for (const { state: name } of rows) if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].sort((one, other) => other[1] - one[1]);
  replace(byId("summary"), sorted.map(([name, found]) => h("li", {},
    h("button", {
      type: "button", class: `badge ${tone(name)}`, title: `Only ${name.replace("_", " ")}`,
      click: () => { box.value = ""; change({ filters: new Map([...state.filters, ["state", name]]) }); },
    }, `${name.replace("_", " ")} ${count(found)}`))));
}

/** Begins the stream; done when it shows everything from now on, or cannot. */
function goLive() {
  const mine = state;
  let begun = null;
  const ready = new Promise((resolve) => { begun = resolve; });
  const seen = (row) => {
    if (state !== mine) return;
    if (table.upsert(row, LIVE_ROWS)) arrived += 1;
    empty.hidden = true;
    showCount();
  };
  const { site, ...filters } = Object.fromEntries(address.filtersOf(state));
  const which = sites.length > 1 ? `Live shows what ${plain(sites[0], 40)} captures.` : "";
  stream = new LiveStream(`/api/v1/live/${state.tab.name}`, filters, {
    ready: () => { tell(which); byId("live").classList.add("on"); begun(); },
    call: seen,
    message: seen,
    skipped: (data) => tell(`${Object.values(data)[0]} more in this second than are shown; narrow the search.`, "wait"),
    unavailable: ({ message }) => tell(message, "bad"),
    gap: ({ message }) => tell(`Some may be missing: ${message}. Search again with r.`, "wait"),
    dropped: ({ message }) => tell(message, "bad"),
    waiting: () => byId("live").classList.remove("on"),
    refused: (error) => {
      byId("live").classList.remove("on");
      tell(error.message, "bad");
      begun();
    },
  });
  return ready;
}

function tell(text, kind = "") {
  notice.className = `notice ${kind}`;
  notice.textContent = text;
  notice.hidden = !text;
}

function submit(event) {
  event.preventDefault();
  const { parameters, problems } = parse(box.value, names(), allNames);
  guesses = split(box.value).filter(({ name }) => !name).map(({ value: word }) => ({
    word, taken: new Set((meanings(word, names())[0] ?? []).map(([name]) => name)),
  }));
  if (problems.length) {
    tell(`${plain(problems.join("; "), 300)}.`, "wait");
    return;
  }
  byId("completions").hidden = true;
  box.value = "";
  change({ filters: parameters });
}

function choose(name) {
  const tab = tabs.find((one) => one.name === name);
  if (tab === state.tab) return;
  box.value = "";
  change({ tab, sort: `-${tab.time}`, columns: null, live: state.live && tab.live });
}

const toggleLive = () => change({ live: !state.live, to: state.live ? state.to : "", sort: `-${state.tab.time}` });

function toggleForm() {
  const hidden = !byId("form").hidden;
  byId("form").hidden = hidden;
  byId("form-switch").setAttribute("aria-expanded", String(!hidden));
  if (!hidden) byId("form").querySelector("input").focus();
}

byId("search").addEventListener("submit", submit);
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  box.value = "";
  change({ filters: form.read(byId("form"), state.tab, state.filters) });
});
byId("form").addEventListener("reset", (event) => {
  event.preventDefault();
  box.value = "";
  change({ filters: new Map() });
});
byId("form-switch").addEventListener("click", toggleForm);
byId("live").addEventListener("click", toggleLive);
more.addEventListener("click", showMore);
byId("tabs").addEventListener("click", (event) => {
  if (event.target.dataset.tab) choose(event.target.dataset.tab);
});
byId("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const at = tabs.indexOf(state.tab);
  choose(tabs[(at + step + tabs.length) % tabs.length].name);
  byId(`tab-${state.tab.name}`).focus();
});
addEventListener("popstate", () => {
  state = address.read(location.search, tabs);
  box.value = "";
  show();
  run();
});
addEventListener("pagehide", () => stream?.close());
addEventListener("pageshow", (event) => event.persisted && run());
onChange(() => {
  show();
  redraw();
});
document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const keys = {
    "/": () => { box.focus(); box.select(); }, j: () => table.move(1), k: () => table.move(-1),
    l: () => state.tab.live && toggleLive(), r: () => run(), m: showMore, f: toggleForm,
  };
  const tab = tabs[Number(event.key) - 1];
  if (tab) choose(tab.name);
  else if (!keys[event.key]) return;
  else keys[event.key]();
  event.preventDefault();
});

sessionStorage.setItem("kemiscope.search", location.pathname + location.search);
show();
run();
