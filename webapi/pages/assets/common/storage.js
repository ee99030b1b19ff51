// SPDX-License-Identifier: GPL-2.0-or-later
// What the captured messages occupy, how long that fits, what there is of each kind and what went.

import { age, ago, bytes, percent } from "./amount.js";
import { h, s } from "./dom.js";
import { grid, words } from "./grid.js";
import { count } from "./text.js";
import { wall } from "./zone.js";

const NEVER_MS = 100 * 365 * 86_400_000;
const NEAR = 0.95;
const day = (moment) => {
  const { date, time } = wall(moment);
  return `${date} ${time.slice(0, 5)}`;
};

/** A bar for the messages and one for the disk of each capture node that looks after them. */
export function limits({ retention: { nodes } }) {
  if (!nodes.length) return h("p", { class: "faint" }, "No capture node has measured it yet.");
  return h("div", { class: "limits" }, nodes.flatMap((node) => {
    const told = nodes.length > 1 ? ` by ${node.capture_node}` : "";
    return [
      bar(`Captured messages${told}`, node.octets, node.octets_limit, node.octets_limit, forecast(node, "octets", node.octets, node.octets_limit)),
      node.disk ? bar(`Disk ${node.disk}${told}`, node.disk_used, node.disk_size, node.disk_limit, forecast(node, "disk", node.disk_used, node.disk_limit)) : null,
    ];
  }));
}

function bar(title, used, size, limit, said) {
  const share = size ? Math.min(used / size, 1) : 0;
  const tone = limit && used > NEAR * limit ? "wait" : "good";
  return h("div", { class: "limit" },
    h("p", {}, h("strong", {}, words(title)), " ", h("span", {}, size ? `${bytes(used)} of ${bytes(size)} · ${percent(used, size)}` : bytes(used))),
    size ? s("svg", { class: `bar-line tone-${tone}`, height: 10, width: "100%", "aria-hidden": "true" },
      s("rect", { class: "ground", width: "100%", height: 10, rx: 3 }),
      s("rect", { class: "used", width: `${100 * share}%`, height: 10, rx: 3 }),
      limit && limit < size ? s("rect", { class: "mark", x: `${(100 * limit) / size}%`, width: 2, height: 10 }) : null) : null,
    h("p", { class: "faint" }, said));
}

/** As `python -m collector retention` tells it, of the last hour and of the last day. */
function forecast({ growth }, name, used, limit) {
  const parts = Object.entries(growth).map(([span, grown]) => {
    if (!grown) return `last ${span}: not known yet`;
    const perHour = grown[name] * 3600;
    const text = `last ${span} ${perHour < 0 ? "−" : "+"}${bytes(Math.abs(perHour))}/h`;
    if (!limit) return text;
    const left = ((limit - used) / grown[name]) * 1000;
    if (used >= limit) return `${text}, reached`;
    return grown[name] > 0 && left < NEVER_MS ? `${text}, reached in ${age(left)}` : `${text}, never reached`;
  });
  return [limit ? `Limit ${bytes(limit)}` : "No limit", ...parts].join(" · ");
}

/** `more` columns go to the end. */
export function kinds({ time, retention }, more = []) {
  return grid("What there is of each kind", [
    { label: "Kind", kind: "strong", cell: ({ kind }) => kind },
    { label: "Partitions", kind: "number", cell: ({ partitions }) => count(partitions) },
    { label: "Rows", title: "As PostgreSQL estimates it", kind: "number", cell: ({ rows }) => (rows ? `≈ ${count(rows)}` : "0") },
    { label: "Size", title: "With indexes", kind: "number", cell: ({ octets }) => size(octets) },
    {
      label: "Oldest", kind: "number",
      cell: ({ begin, partitions }) => (begin ? h("time", { datetime: begin, title: day(begin) }, ago(begin, time))
        : h("span", { class: "faint" }, partitions ? "default partition" : "none")),
    },
    { label: "Kept for", kind: "number", cell: ({ kept_s: kept }) => (kept ? age(kept * 1000) : "ever") },
    ...more,
  ], retention.kinds, "");
}

/** Bytes, or that they are not known. */
export const size = (octets) => (octets === null ? h("span", { class: "faint" }, "not known yet") : bytes(octets));

/** A setting whose limit was reached, or age. */
export const because = (reason) => (reason === "age" ? "age" : words(`retention.${reason}`));

export function dropped({ retention }) {
  return grid("What went", [
    { label: "Went", kind: "strong", cell: ({ kind }) => kind },
    { label: "Because of", kind: "mono", cell: ({ reason }) => because(reason) },
    { label: "Partitions", kind: "number", cell: ({ partitions }) => count(partitions) },
    { label: "Messages", kind: "number", cell: ({ messages }) => `≈ ${count(messages)}` },
    { label: "Freed", kind: "number", cell: ({ octets }) => bytes(octets) },
    { label: "Reached to", title: "End of the newest of the last partitions that went", kind: "mono", cell: ({ kind, reason }) => {
      const ends = retention.last.filter((one) => one.kind === kind && one.reason === reason).map((one) => one.range_end);
      return ends.length ? day(ends.sort().at(-1)) : "";
    } },
  ], retention.dropped, "No partition had to go yet.");
}
