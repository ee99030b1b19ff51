// SPDX-License-Identifier: GPL-2.0-or-later
// Quantities as people read them.

import { count } from "./text.js";

const SIZES = [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]];
const AGES = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000]];
const SHORT = [["G", 1e9], ["M", 1e6], ["k", 1e3]];

export function bytes(octets) {
  const [name, size] = SIZES.find(([, least]) => Math.abs(octets) >= least) ?? ["bytes", 1];
  return size === 1 ? `${count(Math.round(octets))} bytes` : `${(octets / size).toFixed(1)} ${name}`;
}

/** Milliseconds without the digits that nobody needs: 0.4 s, 12 s, 3.5 min, 2.1 d. */
export function age(ms) {
  const [name, size] = AGES.find(([, least]) => Math.abs(ms) >= least) ?? ["s", 1000];
  const number = ms / size;
  return `${Math.abs(number) < 10 ? number.toFixed(1) : count(Math.round(number))} ${name}`;
}

/** How long ago a moment of the API was; null is never. */
export const ago = (moment, now) =>
  (moment ? `${age(Math.max(Date.parse(now) - Date.parse(moment), 0))} ago` : "never");

export function percent(part, whole) {
  if (!whole) return "";
  const share = (100 * part) / whole;
  if (part && share < 0.01) return "< 0.01 %";
  if (part !== whole && share > 99.99) return "> 99.99 %";
  return `${share.toFixed(share < 1 || share > 99 ? 2 : 1)} %`;
}

/** A number in few characters, for axes: 1.2k. */
export function short(number) {
  const [name, size] = SHORT.find(([, least]) => Math.abs(number) >= least) ?? ["", 1];
  return `${Number((number / size).toPrecision(3))}${name}`;
}

/** A rate; null is not known yet. */
export function rate(number) {
  if (number === null) return "…";
  return number >= 100 ? count(Math.round(number)) : Number(number.toPrecision(2)).toString();
}
