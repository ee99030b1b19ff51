// SPDX-License-Identifier: GPL-2.0-or-later
// What an answer says of sites that are not in it.

import { plain } from "./text.js";

/** A sentence; empty when all of them are. */
export function away({ missing = [] }) {
  if (!missing.length) return "";
  const told = missing.map(({ site, message }) => `${plain(site, 40)} (${plain(message, 200)})`);
  return `Without ${missing.length > 1 ? "sites" : "site"} ${told.join(" and ")}: there may be more.`;
}
