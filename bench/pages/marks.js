// SPDX-License-Identifier: GPL-2.0-or-later
// Runs in each page before anything of its own: tells when what somebody waits for was painted.
// Times are ms since the navigation to the page began.

(() => {
  const CONTENT = {
    "sign-in": "#sign-in button.main",
    search: "#table tbody tr",
    calls: "#ladder .row",
    status: "#charts .line",
  };
  // A frame's callbacks run before it is painted; what they post runs afterwards.
  const afterPaint = (done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now());
    channel.port2.postMessage(null);
  });
  const shown = (selector) => new Promise((resolve) => {
    const watch = new MutationObserver(() => {
      if (!document.querySelector(selector)) return;
      watch.disconnect();
      afterPaint(resolve);
    });
    watch.observe(document, { subtree: true, childList: true });
  });
  const painted = new Promise((resolve) => {
    new PerformanceObserver((list) => {
      const first = list.getEntriesByName("first-contentful-paint")[0];
      if (first) resolve(first.startTime);
    }).observe({ type: "paint", buffered: true });
  });
  const opened = Promise.all([painted, shown(CONTENT[location.pathname.split("/")[1]])]);

  // What is done in a page begins with the event of the key or button.
  let begun = 0;
  for (const type of ["keydown", "click"]) {
    addEventListener(type, (event) => { begun = event.timeStamp; }, true);
  }
  const answers = () => performance.getEntriesByType("resource")
    .filter(({ name, startTime }) => startTime >= begun && new URL(name).pathname.startsWith("/api/"))
    .map(({ startTime, responseEnd }) => responseEnd - startTime);
  const searched = () => new Promise((resolve) => {
    performance.clearResourceTimings();
    const results = document.getElementById("results");
    let busy = false;
    const watch = new MutationObserver(() => {
      if (results.hasAttribute("aria-busy")) busy = true;
      else if (busy) {
        watch.disconnect();
        afterPaint((at) => resolve([at - begun, Math.max(0, ...answers())]));
      }
    });
    watch.observe(results, { attributes: true, attributeFilter: ["aria-busy"] });
  });
  window.bench = { opened, search: null, watch: () => { window.bench.search = searched(); } };
})();
