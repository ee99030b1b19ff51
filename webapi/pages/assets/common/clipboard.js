// SPDX-License-Identifier: GPL-2.0-or-later
/** Copy a text, and tell in `told` whether the browser has done so. */
export async function copyText(text, told) {
  try {
    await navigator.clipboard.writeText(text);
    told.textContent = "copied";
  } catch {
    told.textContent = "the browser does not allow it";
  }
}
