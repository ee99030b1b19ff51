// SPDX-License-Identifier: GPL-2.0-or-later
// How the audio of a call was: figures in words, and charts of what was reported as time went on.

import { Chart } from "../common/chart.js";
import { h } from "../common/dom.js";
import { count as number, endpoint, plain, shown, span } from "../common/text.js";
import { full } from "../common/zone.js";
import { fill } from "./pane.js";

/** Users are satisfied; some are not (ITU-T G.109, R = 80 and 70). */
const [SATISFIED, SOME_NOT] = [4.03, 3.6];
const MOST_LINES = 6;
const MOST_STREAMS = 50;
const FLOWS = { both: "", forward: "one way", back: "one way back", none: "silent: hold or refused" };
const percent = (value) => `${Number(value.toFixed(2))} %`;
const score = (value) => value.toFixed(2);
const CHARTS = [
  { name: "mos", title: "MOS", unit: "reported, else computed (G.107)", format: score, axis: String, least: 1, most: 5 },
  { name: "loss_percent", title: "Packets lost", unit: "since the report before", format: percent, axis: (value) => `${value} %` },
  { name: "jitter_ms", title: "Jitter", format: span, axis: span },
  { name: "rtt_ms", title: "Round trip", format: span, axis: span },
];

export const flowText = ({ flow }) => FLOWS[flow];

const mean = (value) => value?.mean ?? value ?? null;
/** Of a stream as it was reported, else as computed; of a point as it is. */
const mosOf = ({ mos, mos_reported: reported, mos_computed: computed }) => mean(mos ?? reported ?? computed);

export function mosTone(heard) {
  const mos = mosOf(heard);
  if (mos === null) return "tone-none";
  return mos >= SATISFIED ? "tone-good" : mos >= SOME_NOT ? "tone-wait" : "tone-bad";
}

/** What was reported of a stream, of one way or of a point, in one line. */
export function figures(heard) {
  if (!heard.reports && !heard.reported) return "no report of how it was heard";
  const mos = mosOf(heard);
  const [lost, jitter] = [mean(heard.loss_percent), mean(heard.jitter_ms)];
  const said = [mos !== null && `MOS ${score(mos)}`, lost !== null && `${percent(lost)} lost`, jitter !== null && `jitter ${span(jitter)}`];
  return said.filter(Boolean).join(" · ") || "reported, without figures";
}

/** One way of the verdict in words; "no report" is not zero. */
export function heardText(way) {
  if (way.reported === null) return "reported, which way is not known";
  return way.reported ? figures(way) : "no report received";
}

export const captureText = (capture) => (capture
  ? `${percent(capture.percent)} of ${number(capture.received)} packets` : null);

/** Fill the pane; `first` is the stream that comes first in the charts, or none. */
export function show(pane, call, { first = null, agreed = null, ...ways }) {
  const { quality } = call;
  const streams = call.streams.toSorted((one, other) => (other === first) - (one === first));
  const drawn = streams.filter(({ points }) => points.length).slice(0, MOST_LINES);
  fill(pane, {
    title: agreed ? "Audio agreed" : "Quality", ...ways,
    facts: [
      agreed && ["Agreed", full(agreed.at)],
      agreed && ["Ends", shown(`${endpoint(agreed.src_ip, agreed.src_port)}, ${endpoint(agreed.dst_ip, agreed.dst_port)}`)],
      agreed && ["Audio", shown(`${agreed.codec ?? "no common codec"}${FLOWS[agreed.flow] && `, ${FLOWS[agreed.flow]}`}`)],
      quality?.codec && ["Codec", shown(quality.codec)],
      quality && ["Callee hears", heardText(quality.to_callee)],
      quality && ["Caller hears", heardText(quality.to_caller)],
      quality?.capture && ["Lost while capturing", captureText(quality.capture)],
    ],
  },
  h("ul", { class: "streams" }, streams.slice(0, MOST_STREAMS).map((stream) => streamItem(stream, drawn.indexOf(stream))),
    streams.length > MOST_STREAMS ? h("li", { class: "faint" }, `and ${streams.length - MOST_STREAMS} more`) : null),
  drawn.length ? charts(call, drawn) : h("p", { class: "faint" }, streams.length
    ? "No single reports with this Call-ID: they came without it, or are no longer stored."
    : "Nobody has reported how the audio was heard: neither the phones nor a relay sent RTCP."));
}

const nameOf = (stream) => ["src", "dst"].map((end) => stream[`${end}_name`] ?? stream[`${end}_ip`] ?? "?").join(" → ");

function streamItem(stream, line) {
  const ends = `${endpoint(stream.src_ip, stream.src_port)} → ${endpoint(stream.dst_ip, stream.dst_port)}`;
  const ssrc = stream.ssrc === null ? "" : `SSRC 0x${stream.ssrc.toString(16)}`;
  const packets = stream.packets === null ? "" : `${number(stream.packets)} packets`;
  return h("li", {},
    h("span", { class: line < 0 ? "line" : `line tone-line-${line}` }),
    h("div", {}, h("strong", {}, shown(nameOf(stream), 80)), " ",
      h("span", { class: mosTone(stream), "data-figures": stream.way ?? "" }, figures(stream)),
      h("p", { class: "faint mono" }, shown([stream.source, ends, stream.direction, ssrc, packets,
        stream.reports ? `${number(stream.reports)} reports` : "", stream.faults ? `${number(stream.faults)} with values that cannot be` : ""]
        .filter(Boolean).join(" · "), 300))));
}

/** A chart for each figure that somebody reported; they are read and zoomed together. */
function charts(call, streams) {
  const whole = { from: Date.parse(call.from), to: Date.parse(call.to) };
  const shownCharts = [];
  let chosen = null;
  const back = h("button", { type: "button", hidden: true, click: () => draw(whole) }, "Whole call");
  const on = {
    point: (at) => { for (const { chart } of shownCharts) chart.point(at); },
    select: (range) => {
      chosen = range;
      for (const { chart } of shownCharts) chart.select(range);
    },
    zoom: () => {
      const [first, last] = (chosen ?? [0, 0]).toSorted((one, other) => one - other);
      const { steps } = shownCharts[0].chart;
      on.select(null);
      if (first !== last) draw({ from: steps[first].at, to: steps[last].at });
    },
  };
  for (const asked of CHARTS) {
    if (!streams.some(({ points }) => points.some((point) => point[asked.name] !== null))) continue;
    const lines = streams.map((stream, line) => ({ name: line, label: plain(nameOf(stream), 40), tone: `line-${line}` }));
    shownCharts.push({ asked, chart: new Chart({ ...asked, lines, isSparse: true }, on) });
  }
  const draw = ({ from, to }) => {
    back.hidden = from === whole.from && to === whole.to;
    for (const { asked, chart } of shownCharts) {
      chart.set({ from, to, steps: steps(streams, asked.name, from, to), whole: all(streams, asked.name) });
    }
  };
  const element = h("div", { class: "charts" }, h("p", {}, back), shownCharts.map(({ chart }) => chart.element));
  draw(whole);
  return element;
}

/** Of all charts the same, so that they are read together. */
function steps(streams, name, from, to) {
  const found = new Map();
  streams.forEach(({ points }, line) => {
    for (const point of points) {
      const at = Date.parse(point.at);
      if (at < from || at > to) continue;
      if (!found.has(at)) found.set(at, { at, values: {} });
      found.get(at).values[line] = point[name];
    }
  });
  return [...found.values()].sort((one, other) => one.at - other.at);
}

const all = (streams, name) => Object.fromEntries(streams.map((stream, line) =>
  [line, name === "mos" ? mosOf(stream) : mean(stream[name])]));
