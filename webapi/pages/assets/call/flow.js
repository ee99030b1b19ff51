// SPDX-License-Identifier: GPL-2.0-or-later
// The rows of a ladder, out of what the API knows of a call. No page in here.

/**
 * Columns, in the order in which they appear; by port as well where a host talks to itself. Ends of
 * media are those of signalling where the address is the same.
 */
class Columns {
  constructor(messages) {
    this.byPort = messages.some(({ src_ip, dst_ip }) => src_ip === dst_ip);
    this.hosts = [];
    this.byKey = new Map();
    this.byAddress = new Map();
    for (const message of messages) {
      for (const end of ["src", "dst"]) this.add(message[`${end}_ip`], message[`${end}_port`], message[`${end}_name`]);
    }
  }

  key(ip, port) {
    return this.byPort ? `${ip} ${port}` : ip;
  }

  add(ip, port, name) {
    const key = this.key(ip, port);
    if (this.byKey.has(key)) return this.byKey.get(key);
    const host = { key, ip, port: this.byPort ? port : null, name, at: this.hosts.length };
    this.hosts.push(host);
    this.byKey.set(key, host);
    if (!this.byAddress.has(ip)) this.byAddress.set(ip, host);
    return host;
  }

  /** The column of an end of a message. */
  of(row, end) {
    return this.byKey.get(this.key(row[`${end}_ip`], row[`${end}_port`])).at;
  }

  /** The column of an end of media, a new one if need be; undefined when its address is not known. */
  ofMedia(row, end) {
    const ip = row[`${end}_ip`];
    if (!ip || NOWHERE.has(ip)) return undefined;
    const known = this.byAddress.get(ip);
    return (known ?? this.add(ip, row[`${end}_port`], row[`${end}_name`])).at;
  }
}

const NOWHERE = new Set(["0.0.0.0", "::"]);

/**
 * Rows of all that happened, in the order of time. What was sent again over the same hop is folded
 * into the first of its kind: `repeats` are those of the same capture agent, `copies` those of
 * others. `withReports` has a row for each report of a stream.
 */
export function rowsOf({ messages, media = [], streams = [], events = [] }, legs, { withReports = false } = {}) {
  const columns = new Columns(messages);
  const legOf = (row) => legs.get(row.call_id) ?? 0;
  const first = new Map();
  const rows = [];
  for (const message of messages) {
    const [from, to] = [columns.of(message, "src"), columns.of(message, "dst")];
    const text = message.raw ?? message.raw_base64 ?? message.id;
    const key = [from, to, message.src_port, message.dst_port, text].join("\0");
    const same = first.get(key);
    if (same) {
      (same.message.node === message.node ? same.repeats : same.copies).push(message);
      continue;
    }
    const row = { kind: "message", id: message.id, message, ts: message.ts, from, to, leg: legOf(message), repeats: [], copies: [] };
    first.set(key, row);
    rows.push(row);
  }
  const between = (row) => ({ leg: legOf(row), from: columns.ofMedia(row, "src"), to: columns.ofMedia(row, "dst") });
  for (const agreed of media) {
    rows.push({ kind: "media", id: `media-${agreed.message_id}`, agreed, ts: agreed.at, ...between(agreed) });
  }
  streams.forEach((stream, number) => {
    const where = between(stream);
    rows.push({ kind: "stream", id: `stream-${number}`, stream, ts: stream.first_at, ...where });
    if (!withReports) return;
    stream.points.forEach((point, at) => {
      rows.push({ kind: "report", id: `report-${number}-${at}`, point, stream, ts: point.at, ...where });
    });
  });
  for (const event of events) rows.push({ kind: "event", id: `event-${event.id}`, event, ts: event.ts, leg: legOf(event) });
  return { hosts: columns.hosts, rows: rows.sort(byTime) };
}

/** A row for each message, with those that were folded. */
export function unfold(rows) {
  return rows.flatMap((row) => (row.kind === "message"
    ? [row, ...[...row.repeats, ...row.copies].map((message) => ({
      ...row, id: message.id, message, ts: message.ts, repeats: [], copies: [], again: true }))] : [row]))
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

/** What a message is called: INVITE, or 200 OK. */
export function label({ method, status, reason }) {
  return status === undefined ? method ?? "?" : `${status} ${reason ?? ""}`.trim();
}

const KINDS = { 53: "DNS", 54: "ISUP", 60: "CDR", 100: "log" };

/** What an event is, by its HEP type. */
export const kindOf = ({ type }) => KINDS[type] ?? `type ${type}`;
