// SPDX-License-Identifier: GPL-2.0-or-later
// What two lists of lines have in common: the longest common subsequence.

const MOST = 2000;

/** Lines of both, each with its kind: same, gone (of the first only) or new (of the second only). */
export function diff(first, second) {
  const a = first.slice(0, MOST);
  const b = second.slice(0, MOST);
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j] ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const found = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      found.push({ kind: "same", line: a[i] });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length
      && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
      found.push({ kind: "gone", line: a[i] });
      i += 1;
    } else {
      found.push({ kind: "new", line: b[j] });
      j += 1;
    }
  }
  return found;
}
