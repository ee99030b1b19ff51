// SPDX-License-Identifier: GPL-2.0-or-later
// Before the first paint, so that nobody sees the other colours flash: therefore no module.
"use strict";
{
  const chosen = localStorage.getItem("kemiscope.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
