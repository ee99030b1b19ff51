// SPDX-License-Identifier: GPL-2.0-or-later
import { choices, choose, field, start } from "./admin.js";
import { age, bytes, short } from "../common/amount.js";
import { get } from "../common/api.js";
import { Chart } from "../common/chart.js";
import { when } from "../common/columns.js";
import { byId, h, put, replace } from "../common/dom.js";
import { Records, pagesOf } from "./records.js";
import { because, dropped, kinds, limits, size } from "../common/storage.js";
import { count } from "../common/text.js";
import { onChange } from "../common/zone.js";

const PATH = "/api/v1/retention";
const columns = [
  { label: "Went", kind: "mono time", cell: ({ dropped_at: at }) => when(at) },
  field("kind", "Kind", "strong"),
  { label: "Because of", kind: "mono", cell: ({ reason }) => because(reason) },
  { label: "From", kind: "mono time", cell: ({ range_begin: at }) => when(at) },
  { label: "To", kind: "mono time", cell: ({ range_end: at }) => when(at) },
  { label: "Messages", kind: "number", cell: ({ messages }) => `≈ ${count(messages)}` },
  { label: "Freed", kind: "number", cell: ({ octets }) => bytes(octets) },
  field("partition", "Partition", "mono"), field("capture_node", "By"),
];
const EXPECTED = {
  label: "Expected", title: "When all of the time is there, if as much comes as on average until now", kind: "number",
  cell: ({ kept_s: kept, octets_expected: octets }) => (kept ? size(octets) : "grows for ever"),
};

start(async () => {
  const charts = h("div", {});
  const chart = new Chart({
    title: "Size of each kind", unit: "last two days, with indexes", format: bytes, axis: (octets) => `${short(octets)}B`,
    lines: choices.kept.map((kind, at) => ({ name: kind, label: kind, tone: `kind-${at}` })),
  }, { point: (at) => chart.point(at), select: () => {}, zoom: () => {} });
  put(charts, chart.element);
  const form = byId("filters");
  const found = await get(PATH);
  const show = () => replace(byId("above"), h("div", { class: "summary" },
    limits({ retention: found }),
    h("section", {}, h("h2", {}, "What is kept"), kinds({ time: found.time, retention: found }, [EXPECTED]), rules(found)),
    h("div", { class: "halves" }, charts, h("section", {}, h("h2", {}, "What went, and why"), dropped({ retention: found }))),
    h("header", {}, h("h2", {}, "Every partition that went"), form)));
  show();
  drawSizes(chart, found);
  onChange(show);

  const any = (words, text) => [["", text], ...words.map((word) => [word, word])];
  const reload = () => records.reload();
  put(form, choose("kind", "Kind that went", any(choices.kept, "every kind"), reload),
    choose("reason", "Because of", any(choices.reasons, "for any reason"), reload));
  const asked = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  const records = new Records({
    columns, filtered: false, empty: "None, yet.",
    read: pagesOf(`${PATH}/drops`, "drops", { parameters: asked, key: "before" }),
  });
  await records.reload();
});

function drawSizes(chart, { time, step, history }) {
  if (!history.length) return;
  const steps = history.map(({ time: begin, octets }) => ({ at: Date.parse(begin) + step * 500, values: octets }));
  chart.set({ from: Date.parse(history[0].time), to: Date.parse(time), steps, whole: steps.at(-1).values });
}

/** In which order kinds go, and what of them is not kept in the first place. */
function rules({ precious, failed_only: methods, failed_only_s: after }) {
  const order = precious.length ? `${precious.join(", then ")}.` : "in no order of yours.";
  return h("p", { class: "faint" }, `When a limit is reached, the oldest partition of the least precious kind goes: ${order}`,
    methods.length ? ` Of ${methods.join(", ")} only what failed is kept, after ${age(after * 1000)}.` : null);
}
