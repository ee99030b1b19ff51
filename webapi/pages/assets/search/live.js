// SPDX-License-Identifier: GPL-2.0-or-later
// A live stream of the API. It ends after five minutes and the browser comes again by itself; what
// was missed in between is told by the server, or that something was.

import { refusal } from "../common/api.js";

const AGAIN_MS = 5000;
const EVENTS = ["ready", "call", "message", "skipped", "unavailable", "gap", "dropped"];

export class LiveStream {
  /** `on` has a function for each event, `refused` for an answer that is no stream, and `waiting`. */
  constructor(path, parameters, on) {
    const query = new URLSearchParams(parameters).toString();
    this.url = query ? `${path}?${query}` : path;
    this.on = on;
    this.closed = false;
    this.connect();
  }

  connect() {
    if (this.closed) return;
    this.source = new EventSource(this.url);
    for (const name of EVENTS) {
      this.source.addEventListener(name, (event) => this.on[name]?.(JSON.parse(event.data)));
    }
    this.source.addEventListener("error", () => {
      if (this.source.readyState === EventSource.CLOSED) this.refused();
      else this.on.waiting?.();
    });
  }

  /** An EventSource does not tell why it was refused: ask, and try once more a little later. */
  async refused() {
    const error = await refusal(this.url);
    if (this.closed) return;
    if (error) this.on.refused?.(error);
    if (!error || error.status >= 500 || error.status === 0) setTimeout(() => this.connect(), AGAIN_MS);
  }

  close() {
    this.closed = true;
    this.source.close();
  }
}
