// SPDX-License-Identifier: GPL-2.0-or-later
// The rows of a ladder, out of what the API knows of a call. No page in here.

/** Columns, in the order in which they appear; by port as well where a host talks to itself. */
export function hostsOf(messages) {
  const byPort = messages.some(({ src_ip, dst_ip }) => src_ip === dst_ip);
  const hosts = new Map();
  const add = (ip, port, name) => {
    const key = byPort ? `${ip} ${port}` : ip;
    if (!hosts.has(key)) hosts.set(key, { key, ip, port: byPort ? port : null, name, at: hosts.size });
    return key;
  };
  const ends = messages.map((message) => [
    add(message.src_ip, message.src_port, message.src_name),
    add(message.dst_ip, message.dst_port, message.dst_name)]);
  return { hosts: [...hosts.values()], ends };
}

/**
 * Rows of messages and events in the order of time. What was sent again over the same hop is folded
 * into the first of its kind: `repeats` are those of the same capture agent, `copies` those of others.
 */
export function rowsOf({ messages, events = [] }, legs) {
  const { hosts, ends } = hostsOf(messages);
  const at = new Map(hosts.map((host) => [host.key, host.at]));
  const first = new Map();
  const rows = [];
  messages.forEach((message, index) => {
    const text = message.raw ?? message.raw_base64 ?? message.id;
    const key = [ends[index].join(" "), message.src_port, message.dst_port, text].join("\0");
    const same = first.get(key);
    if (same) {
      (same.message.node === message.node ? same.repeats : same.copies).push(message);
      return;
    }
    const row = {
      kind: "message", message, ts: message.ts, from: at.get(ends[index][0]), to: at.get(ends[index][1]),
      leg: legs.get(message.call_id) ?? 0, repeats: [], copies: [],
    };
    first.set(key, row);
    rows.push(row);
  });
  for (const event of events) rows.push({ kind: "event", event, ts: event.ts, leg: -1 });
  return { hosts, rows: rows.sort(byTime) };
}

/** A row for each message, with those that were folded. */
export function unfold(rows) {
  return rows.flatMap((row) => (row.kind === "message"
    ? [row, ...[...row.repeats, ...row.copies].map((message) => ({
      ...row, message, ts: message.ts, repeats: [], copies: [], again: true }))] : [row]))
    .sort(byTime);
}

const byTime = (one, other) => us(one.ts) - us(other.ts);

/** Microseconds since 1970 as a number: exact until the year 2255. */
export function us(moment) {
  const digits = /\.(\d+)/.exec(moment)?.[1] ?? "";
  return Math.floor(Date.parse(moment) / 1000) * 1e6 + Number(digits.padEnd(6, "0").slice(0, 6));
}

/** A span of µs as +0.000123, +12.345678. */
export const seconds = (span) => `${span < 0 ? "−" : "+"}${(Math.abs(span) / 1e6).toFixed(6)}`;

/** Whether there is a session description in the message. */
export const hasSdp = ({ raw = "" }) => /^content-type:\s*application\/sdp|^c:\s*application\/sdp|\r?\n\r?\nv=0\r?\n/im.test(raw);
