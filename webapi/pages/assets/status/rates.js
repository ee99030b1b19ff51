// SPDX-License-Identifier: GPL-2.0-or-later
// Rates of counters, from the answers of the last half minute.

const WINDOW_MS = 30_000;

export class Rates {
  constructor() {
    this.seen = [];
  }

  /** `counters` by any key, as they stood at a moment of the API. */
  note(moment, counters) {
    const at = Date.parse(moment);
    this.seen = this.seen.filter((one) => one.at < at && one.at >= at - WINDOW_MS);
    this.seen.push({ at, counters });
  }

  /** Per second; null when it is not known yet. */
  of(key) {
    const last = this.seen.at(-1);
    const now = last?.counters.get(key);
    const first = this.seen.find(({ counters }) => counters.get(key) <= now);
    if (now === undefined || !first || first === last) return null;
    return ((now - first.counters.get(key)) * 1000) / (last.at - first.at);
  }
}
