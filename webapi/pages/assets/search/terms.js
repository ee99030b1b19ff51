// SPDX-License-Identifier: GPL-2.0-or-later
// The search box: words and field:value terms to parameters of the API, and back.

const SEVERAL = new Set(["state", "status", "method", "transport", "kind"]);
const TERM = /([a-z_]+):(?:"((?:[^"\\]|\\.)*)"?|(\S*))|"((?:[^"\\]|\\.)*)"?|(\S+)/gy;
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/;
const IPV6 = /^(?=.*:.*:)[0-9a-f:.]+(\/\d{1,3})?$/i;
const IPV4_PORT = /^(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})$/;
const IPV6_PORT = /^\[([0-9a-f:.]+)\](?::(\d{1,5}))?$/i;
const NUMBER = /^[+*]?[\d().-]*\d[\d().-]*\*?$/;
const LIKE_A_NAME = /^(\+?\d{2,15}|[a-z][a-z.\-_]{0,30}\d{0,3})$/i;
const LIKE_A_CALL_ID = /^(?=.*\d)[\w.!%*+`'~()<>:\\"/[\]?{}-]{20,}$/;

/** Terms of the text in their order: {name, value, start, end}; a bare word has no name. */
export function split(text) {
  const terms = [];
  TERM.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at])) { at += 1; continue; }
    TERM.lastIndex = at;
    const found = TERM.exec(text);
    if (!found) break;
    const [whole, name = "", quoted, bare, phrase, word] = found;
    const value = quoted ?? phrase;
    terms.push({
      name: phrase === undefined ? name : "text",
      value: value === undefined ? (bare ?? word ?? "") : value.replace(/\\(.)/g, "$1"),
      start: at,
      end: at + whole.length,
    });
    at += whole.length;
  }
  return terms;
}

/**
 * What a bare word may mean, the likeliest first: lists of [name, value] pairs.
 *
 * `fields` are the names that can be searched by; meanings without them are left out.
 */
export function meanings(word, fields) {
  const found = [];
  const add = (...pairs) => {
    if (pairs.every(([name]) => fields.has(name))) found.push(pairs);
  };
  const socket = IPV4_PORT.exec(word) ?? IPV6_PORT.exec(word);
  if (socket) add(["ip", socket[1]], ...(socket[2] ? [["port", socket[2]]] : []));
  if (IPV4.test(word) || IPV6.test(word)) add(["ip", word]);
  const [user, domain] = uri(word);
  if (domain && LIKE_A_NAME.test(user) && !IPV4.test(domain)) person(user, domain);
  if (domain || LIKE_A_CALL_ID.test(word)) add(["call_id", word]);
  const dialled = NUMBER.test(word) ? word.replace(/(?<=.)[().-]/g, "") : word;
  if (!domain) party(dialled);
  else if (!LIKE_A_NAME.test(user) || IPV4.test(domain)) person(user, domain);
  if (found.length === 0 || !domain) add(["call_id", word]);
  add(["text", word]);
  return found.filter((one, at) => found.findIndex((other) => same(one, other)) === at);

  function person(name, host) {
    add(["number", name], ["domain", host]);
    add(["aor", `${name}@${host}`]);
    add(["from_user", name], ["from_domain", host]);
  }
  function party(name) {
    add(["number", name]);
    add(["aor", name.includes("*") ? name : `${name}@*`]);
  }
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function uri(word) {
  const address = word.replace(/^sips?:/i, "").replace(/[;?].*$/, "");
  const at = address.lastIndexOf("@");
  return at > 0 ? [address.slice(0, at), address.slice(at + 1).replace(/:\d+$/, "")] : [address, ""];
}

/**
 * The parameters that a text stands for: {parameters: Map, problems: [text]}.
 *
 * `others` are names that other searches know: their terms are kept as they are.
 */
export function parse(text, fields, others = new Set()) {
  const parameters = new Map();
  const problems = [];
  const set = (name, value) => {
    const before = parameters.get(name);
    if (before === undefined || before === value) parameters.set(name, value);
    else if (SEVERAL.has(name)) parameters.set(name, `${before},${value}`);
    else problems.push(`${name} is there twice: ${before} and ${value}`);
  };
  for (const { name, value } of split(text)) {
    if (name && (fields.has(name) || others.has(name))) {
      if (value) set(name, value);
      else problems.push(`${name}: has no value yet`);
      continue;
    }
    const word = name && name !== "text" ? `${name}:${value}` : value;
    const [likeliest] = word ? meanings(word, fields) : [];
    if (likeliest) {
      for (const [meant, of] of likeliest) set(meant, of);
    } else problems.push(`nothing here is searched by ${word}`);
  }
  return { parameters, problems };
}

/** One term; what would not be read as one word is quoted. */
export function term(name, value) {
  const needed = value === "" || /[\s"\\]/.test(value);
  return `${name}:${needed ? `"${value.replace(/["\\]/g, "\\$&")}"` : value}`;
}

/** A text that stands for these parameters. */
export function join(parameters) {
  return [...parameters].map(([name, value]) => term(name, value)).join(" ");
}
