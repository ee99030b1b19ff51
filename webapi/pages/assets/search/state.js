// SPDX-License-Identifier: GPL-2.0-or-later
// What the search page shows, as its address says it: filters have the names of the API.

const OWN = ["tab", "from", "to", "sort", "columns", "live"];

/** From an address; `tabs` as the server tells them. */
export function read(search, tabs) {
  const given = new URLSearchParams(search);
  const tab = tabs.find(({ name }) => name === given.get("tab")) ?? tabs[0];
  const known = new Set(tabs.flatMap(({ fields }) => fields.map(({ name }) => name)));
  const filters = new Map([...given].filter(([name]) => !OWN.includes(name) && known.has(name)));
  const sort = given.get("sort") ?? "";
  return {
    tab,
    filters,
    from: given.get("from") ?? "",
    to: given.get("to") ?? "",
    sort: tab.sorts.includes(sort.replace(/^-/, "")) ? sort : `-${tab.time}`,
    columns: given.get("columns")?.split(",") ?? null,
    live: given.get("live") === "true" && tab.live,
  };
}

/** The address of a state; what is as usual is left out. */
export function write(state, tabs) {
  const query = new URLSearchParams();
  if (state.tab !== tabs[0]) query.set("tab", state.tab.name);
  for (const [name, value] of state.filters) query.set(name, value);
  if (state.from) query.set("from", state.from);
  if (state.to) query.set("to", state.to);
  if (state.sort !== `-${state.tab.time}`) query.set("sort", state.sort);
  if (state.columns) query.set("columns", state.columns.join(","));
  if (state.live) query.set("live", "true");
  const text = query.toString();
  return text ? `/search?${text}` : "/search";
}

/** Filters that the tab can be searched by. */
export function filtersOf({ tab, filters }) {
  const names = new Set(tab.fields.map(({ name }) => name));
  return new Map([...filters].filter(([name]) => names.has(name)));
}

/** Whether it is looked for at any time: what is unique needs no time range. */
export function isEverywhere(state) {
  return !state.from && !state.to
    && state.tab.everywhere.some((name) => state.filters.has(name));
}

/** The parameters of the API's search. */
export function parametersOf(state) {
  const parameters = Object.fromEntries(filtersOf(state));
  if (state.from) parameters.from = state.from;
  if (state.to) parameters.to = state.to;
  parameters.sort = state.sort;
  return parameters;
}
