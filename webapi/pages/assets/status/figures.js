// SPDX-License-Identifier: GPL-2.0-or-later
// The charts: counters and key figures of the API over a time that one chooses.

import { rate, short } from "../common/amount.js";
import { get } from "../common/api.js";
import { Chart } from "../common/chart.js";
import { byId, h, replace } from "../common/dom.js";
import { words } from "../common/range.js";
import { away } from "../common/sites.js";
import { count, span } from "../common/text.js";

const RANGES = { "-1h": "1 h", "-1d": "24 h", "-7d": "7 days" };
const STEPS = [60, 300, 900, 3600, 21_600, 86_400];
const MOST_STEPS = 180;
const LEAST_SHARE = 0.25;
const ratio = (value) => `${value.toFixed(1)} %`;
const delay = (value) => span(value);
const perMinute = (value) => `${rate(value)}/min`;
const perSecond = (value) => `${rate(value)}/s`;
const CHARTS = [
  {
    title: "Calls", unit: "per minute", lines: [
      { name: "attempts", label: "begun", tone: "going" },
      { name: "answered", label: "answered", tone: "good" },
      { name: "unsuccessful", label: "failed", tone: "bad", hint: "refused by the network, or timed out" }],
    format: perMinute, axis: short, from: "calls", per: 60,
  },
  {
    title: "ASR and NER", lines: [
      { name: "ner", label: "NER", tone: "turn", hint: "Network effectiveness ratio, ITU-T E.425: where it was not up to people" },
      { name: "asr", label: "ASR", tone: "good", hint: "Answer seizure ratio, ITU-T E.411: answered of all with an outcome" }],
    format: ratio, axis: (value) => `${value} %`, most: 100, from: "calls",
  },
  {
    title: "Post-dial delay", unit: "and time to the answer", lines: [
      { name: "pdd_ms", label: "ringing", tone: "going", hint: "INVITE to ringing, average" },
      { name: "setup_ms", label: "answer", tone: "turn", hint: "INVITE to answer, average" }],
    format: delay, axis: delay, from: "calls",
  },
  {
    title: "SIP messages", unit: "per second", lines: [{ name: "messages", label: "stored", tone: "going" }],
    format: perSecond, axis: short, from: "traffic", per: 1,
  },
  {
    title: "Registrations", unit: "per minute", lines: [
      { name: "successes", label: "succeeded", tone: "good" },
      { name: "failures", label: "failed", tone: "bad", hint: "final responses but 2xx, 401 and 407" }],
    format: perMinute, axis: short, from: "registrations", per: 60,
  },
  {
    title: "Duration of calls", lines: [{ name: "acd_ms", label: "average", tone: "good", hint: "of calls that have ended" }],
    format: delay, axis: delay, from: "calls",
  },
  {
    title: "Packets lost", unit: "before the journal, per minute", lines: [
      { name: "lost", label: "lost", tone: "bad", hint: "by the kernel or for a full journal: the balance has the causes" }],
    format: perMinute, axis: short, from: "capture", per: 60, known: true,
  },
];

export class Figures {
  /** `onFailure` gets what went wrong, null when nothing did. */
  constructor(onFailure) {
    this.onFailure = onFailure;
    this.node = "";
    this.chosen = null;
    this.asking = null;
    this.range = read(location.search);
    const on = {
      point: (at) => { for (const { chart } of this.charts) chart.point(at); },
      select: (chosen) => {
        this.chosen = chosen;
        for (const { chart } of this.charts) chart.select(chosen);
      },
      zoom: () => this.zoom(),
    };
    this.charts = CHARTS.map((asked) => ({ asked, chart: new Chart(asked, on) }));
    replace(byId("charts"), this.charts.map(({ chart }) => chart.element));
    replace(byId("ranges"), Object.entries(RANGES).map(([from, text]) => h("button", {
      type: "button", "data-from": from, click: () => this.go({ from, to: "" }),
    }, text)));
    byId("zoom-out").addEventListener("click", () => this.zoomOut());
    addEventListener("popstate", () => {
      this.range = read(location.search);
      this.ask();
    });
  }

  /** The range with this number. */
  choose(number) {
    const from = Object.keys(RANGES)[number];
    if (from) this.go({ from, to: "" });
  }

  go(range) {
    this.range = range;
    const query = range.to ? `?${new URLSearchParams(range)}` : range.from === "-1h" ? "" : `?from=${range.from}`;
    history.pushState(null, "", `${location.pathname}${query}`);
    this.ask();
  }

  zoom() {
    if (!this.chosen || !this.answer) return;
    const { steps } = this.charts[0].chart;
    const [first, last] = this.chosen.toSorted((one, other) => one - other);
    this.drop();
    if (first === last) return;
    const at = (index, more) => new Date(steps[index].begin + more).toISOString();
    this.go({ from: at(first, 0), to: at(last, this.answer.step * 1000) });
  }

  zoomOut() {
    if (this.range.to) this.go({ from: fitting(this.range), to: "" });
  }

  drop() {
    this.chosen = null;
    for (const { chart } of this.charts) chart.select(null);
  }

  show() {
    for (const button of byId("ranges").children) {
      button.setAttribute("aria-pressed", String(!this.range.to && button.dataset.from === this.range.from));
    }
    byId("zoom-out").hidden = !this.range.to;
    byId("span").textContent = this.range.to ? words(this.range) : "";
  }

  /** Losses are those of this capture node, or of all. */
  ofNode(name) {
    this.node = name;
    this.ask();
  }

  /** Ask again, while it is a time that goes on; or in any case. */
  async ask({ isRefresh = false } = {}) {
    if (isRefresh && (this.range.to || this.chosen)) return;
    this.show();
    this.asking?.abort();
    const mine = new AbortController();
    this.asking = mine;
    const { from, to } = this.range;
    try {
      this.answer = await get("/api/v1/stats", {
        from, ...(to ? { to } : {}), ...(this.node ? { capture_node: this.node } : {}), step: stepOf(this.range),
      }, mine.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.onFailure(error);
      return;
    }
    const message = away(this.answer);
    this.onFailure(message ? { message } : null);
    this.drop();
    this.draw();
  }

  /** The same in another time zone, too. */
  draw() {
    this.show();
    if (!this.answer) return;
    for (const { asked, chart } of this.charts) chart.set(stepped(this.answer, asked));
  }
}

/** The time of an address; what is not one is the last hour. */
function read(search) {
  const given = new URLSearchParams(search);
  const [from, to] = [given.get("from") ?? "", given.get("to") ?? ""];
  if (to && Date.parse(from) < Date.parse(to)) return { from, to };
  return { from: from in RANGES ? from : "-1h", to: "" };
}

const HOUR_MS = 3_600_000;
const LENGTHS = { "-1h": HOUR_MS, "-1d": 24 * HOUR_MS, "-7d": 168 * HOUR_MS };
const lengthOf = ({ from, to }) => (to ? Date.parse(to) - Date.parse(from) : LENGTHS[from]);

/** The shortest range that has all of a time in it. */
const fitting = ({ from }) =>
  Object.keys(RANGES).find((name) => LENGTHS[name] >= Date.now() - Date.parse(from)) ?? "-7d";

/** Seconds of a step. */
const stepOf = (range) => STEPS.find((step) => lengthOf(range) / 1000 / step <= MOST_STEPS) ?? STEPS.at(-1);

/** Every step of the time, also those without rows, which `known` figures do not know; one that has only begun would tell nothing. */
function stepped(answer, { from: part, lines, per, known }) {
  const [from, to, long] = [Date.parse(answer.from), Date.parse(answer.to), answer.step * 1000];
  const rows = new Map(answer[part].map((row) => [Date.parse(row.time), row]));
  const steps = [];
  for (let begin = Math.floor(from / long) * long; begin < to; begin += long) {
    const [first, last] = [Math.max(begin, from), Math.min(begin + long, to)];
    if (last - first < LEAST_SHARE * long) continue;
    const row = rows.get(begin);
    const values = known && !row ? {} : valuesOf(row, lines, per, last - first);
    steps.push({ begin: first, at: (first + last) / 2, values });
  }
  const total = part === "calls" ? answer.totals[0] : sums(answer[part]);
  const whole = known && !rows.size ? {} : valuesOf(total, lines, per && 1, 1000);
  return { from, to, steps, whole };
}

/** `per` seconds, of counters; other figures are as they are, and missing without a base. */
function valuesOf(row, lines, per, ms) {
  const value = (name) => {
    const number = name === "unsuccessful" ? (row?.failed ?? 0) + (row?.timed_out ?? 0) : row?.[name];
    return per ? ((number ?? 0) * per * 1000) / ms : number ?? null;
  };
  return Object.fromEntries(lines.map(({ name }) => [name, value(name)]));
}

function sums(rows) {
  const found = {};
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      if (typeof value === "number") found[name] = (found[name] ?? 0) + value;
    }
  }
  return found;
}
