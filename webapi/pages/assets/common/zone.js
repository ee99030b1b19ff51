// SPDX-License-Identifier: GPL-2.0-or-later
// The time zone that this browser's user has chosen, and moments in it. The API speaks UTC.

const KEY = "kemiscope.zone";
const BROWSER = "browser";
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const formats = new Map();
let listeners = [];

export const browserZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** What was chosen: "browser" or a name of the IANA list. */
export function choice() {
  const kept = localStorage.getItem(KEY);
  return kept && isZone(kept) ? kept : BROWSER;
}

/** The name of the zone in force. */
export const zone = () => (choice() === BROWSER ? browserZone() : choice());

export function choose(name) {
  localStorage.setItem(KEY, name);
  for (const listener of listeners) listener();
}

/** Call it when another zone was chosen, on this page or on another one of this browser. */
export function onChange(listener) {
  listeners.push(listener);
}
addEventListener("storage", (event) => {
  if (event.key === KEY) for (const listener of listeners) listener();
});

function isZone(name) {
  try {
    format(name);
    return true;
  } catch {
    return name === BROWSER;
  }
}

function format(name) {
  if (!formats.has(name)) {
    formats.set(
      name,
      new Intl.DateTimeFormat("en-CA", {
        timeZone: name, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
        hour: "2-digit", minute: "2-digit", second: "2-digit",
      }),
    );
  }
  return formats.get(name);
}

function parts(date, name) {
  const found = {};
  for (const { type, value } of format(name).formatToParts(date)) found[type] = value;
  return found;
}

/** A moment of the API as wall clock: date, time to the second, and its digits behind that. */
export function wall(moment) {
  const p = parts(new Date(moment), zone());
  const digits = /\.(\d+)/.exec(moment)?.[1] ?? "";
  return {
    date: `${p.year}-${p.month}-${p.day}`,
    time: `${p.hour}:${p.minute}:${p.second}`,
    fraction: digits.padEnd(6, "0").slice(0, 6),
  };
}

/** The same with all digits and the zone, in one text: the same time of two moments differs. */
export function full(moment) {
  const { date, time, fraction } = wall(moment);
  const ahead = zone() === "UTC" ? "" : `${offsetText(new Date(moment))} `;
  return `${date} ${time}.${fraction} ${ahead}${zone()}`;
}

/** Minutes that the zone is ahead of UTC at this moment. */
export function offset(date, name = zone()) {
  const p = parts(date, name);
  const local = Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second);
  return Math.round((local - Math.floor(date.getTime() / 1000) * 1000) / MINUTE);
}

export function offsetText(date, name = zone()) {
  const minutes = offset(date, name);
  const two = (number) => String(number).padStart(2, "0");
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "−" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/**
 * "2026-11-23T12:00:05" on the clock of the zone as a moment of the API; null if it is none.
 *
 * Where the clock is put back a time comes twice, and where it is put forward one is left out. Then
 * the earlier of the two moments that can be meant is taken, or with `last` the later one: a range
 * from the one to the other has all that happened at these times.
 */
export function fromWall(text, { last = false } = {}) {
  const local = Date.parse(`${text.replace(" ", "T")}Z`);
  if (Number.isNaN(local)) return null;
  const moments = [-DAY, DAY].map((step) => local - offset(new Date(local + step)) * MINUTE);
  const real = moments.filter((at) => at + offset(new Date(at)) * MINUTE === local);
  const among = real.length ? real : moments;
  return new Date(last ? Math.max(...among) : Math.min(...among)).toISOString();
}

/** The other way round, to the second. */
export function toWall(moment) {
  const { date, time } = wall(moment);
  return `${date} ${time}`;
}
