/**
 * Selectors: which nodes an order is for (CLI contract, "Selectors").
 *
 * Comma-separated. Node terms (`web-1`, glob `web-*`, host list `n[01-20]`, `@all`) are
 * alternatives; label terms (`zone=a`, `zone!=a`, `zone in (a,b)`) must all hold as well. Only
 * label terms: any node on which they hold. A node without the label satisfies `!=`.
 *
 * This file refuses to know which nodes exist: "matches nothing" is the asker's error to raise. A
 * plain name is expected to exist (`namesIn`); a glob or host list takes what is there.
 */
import { LotcError } from './errors.ts';
import { isName, nameFault } from './names.ts';

export interface LabelTerm {
  readonly key: string;
  /** `in` with one value is `k=v`; `not in` with one value is `k!=v`. */
  readonly negated: boolean;
  readonly values: ReadonlySet<string>;
}

export interface Selector {
  readonly all: boolean;
  /** Plain names, as written. */
  readonly names: ReadonlySet<string>;
  /** Names out of host lists. */
  readonly listed: ReadonlySet<string>;
  readonly globs: readonly string[];
  readonly labels: readonly LabelTerm[];
}

export interface Selectable {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** More names than this in one host list are a slip, not a wish. */
const LISTED_MAX = 100_000;
const LABEL_KEY = /^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^[A-Za-z0-9._:/@+-]{0,63}$/;
const EQUALITY = /^([^\s=!()]+)\s*(!?=)\s*([^\s=!()]*)$/;
const MEMBERSHIP = /^([^\s=!()]+)\s+(not\s+)?in\s*\(([^()]*)\)$/;

const usage = (message: string): LotcError =>
  new LotcError('usage', message, {
    hint:
      'a selector is for instance n1,n2 or web-* or n[01-20] or zone=a or "zone in (a,b)" or ' +
      '@all',
  });

/** Why `key=value` cannot be a label, as the end of a sentence; undefined when it can. */
export function labelFault(key: string, value: string): string | undefined {
  if (!LABEL_KEY.test(key)) {
    return "a label's name has 1 to 63 of A-Z a-z 0-9 . _ / -, first and last a letter or digit";
  }
  if (!LABEL_VALUE.test(value))
    return "a label's value has at most 63 of A-Z a-z 0-9 . _ : / @ + -";
  return undefined;
}

export function parseSelector(text: string): Selector {
  const names = new Set<string>();
  const listed = new Set<string>();
  const globs: string[] = [];
  const labels: LabelTerm[] = [];
  let all = false;
  for (const term of splitTerms(text)) {
    if (term === '') throw usage(`selector "${text}" has an empty term`);
    const label = parseLabelTerm(term);
    if (label) labels.push(label);
    else if (term === '@all') all = true;
    else if (/[*?[\]]/.test(term)) {
      for (const name of expandLists(term)) {
        if (/[*?]/.test(name)) globs.push(checkGlob(name, text));
        else if (isName(name)) listed.add(name);
        else throw usage(`selector "${text}": "${name}" is no node's name (${nameFault(name)})`);
        if (listed.size + globs.length > LISTED_MAX)
          throw usage(`selector "${text}" names too many`);
      }
    } else {
      const fault = nameFault(term);
      if (fault !== undefined) throw usage(`selector "${text}": "${term}" is no term: ${fault}`);
      names.add(term);
    }
  }
  return { all, names, listed, globs, labels };
}

export function matches(selector: Selector, node: Selectable): boolean {
  const { all, globs, labels, listed, names } = selector;
  // Every command of somebody with a scope asks this of each node: no closures here.
  for (const term of labels) if (!holds(term, node.labels)) return false;
  if (all || (names.size === 0 && listed.size === 0 && globs.length === 0)) return true;
  const { name } = node;
  return names.has(name) || listed.has(name) || globs.some((glob) => globMatches(glob, name));
}

/** Names spelled out in full: each must exist, or the asker has made a mistake. */
export function namesIn(selector: Selector): readonly string[] {
  return [...selector.names];
}

/** Whether it can only ever select nodes that are spelled out (no label, glob, list or @all). */
export function hasOnlyNames(selector: Selector): boolean {
  const { all, globs, labels, listed } = selector;
  return !all && globs.length === 0 && listed.size === 0 && labels.length === 0;
}

function holds(term: LabelTerm, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, term.key) ? labels[term.key] : undefined;
  return (value !== undefined && term.values.has(value)) !== term.negated;
}

/** Splits at commas that stand in no bracket. */
function splitTerms(text: string): readonly string[] {
  const terms: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const c = text[at];
    if (c === '(' || c === '[') depth += 1;
    else if (c === ')' || c === ']') depth -= 1;
    else if (c === ',' && depth === 0) {
      terms.push(text.slice(from, at).trim());
      from = at + 1;
    }
    if (depth < 0 || depth > 1) throw usage(`selector "${text}" has brackets that do not match`);
  }
  if (depth !== 0) throw usage(`selector "${text}" has brackets that do not match`);
  terms.push(text.slice(from).trim());
  return terms;
}

function parseLabelTerm(term: string): LabelTerm | undefined {
  const member = MEMBERSHIP.exec(term);
  const equal = member ? undefined : EQUALITY.exec(term);
  const found = member ?? equal;
  if (!found) {
    if (/[=!()\s]/.test(term)) throw usage(`selector: "${term}" is no term`);
    return undefined;
  }
  const key = found[1] ?? '';
  const list = (found[3] ?? '').trim();
  const values = member ? list.split(',').map((value) => value.trim()) : [list];
  for (const value of values) {
    const fault = labelFault(key, value);
    if (fault !== undefined) throw usage(`selector: "${term}": ${fault}`);
  }
  const negated = member ? member[2] !== undefined : equal?.[2] === '!=';
  return { key, negated, values: new Set(values) };
}

/** `n[01-03,7]x` → n01x n02x n03x n7x; several lists in one term: every combination. */
function* expandLists(term: string): Generator<string> {
  const open = term.indexOf('[');
  if (open < 0) {
    if (term.includes(']')) throw usage(`selector: "${term}" has brackets that do not match`);
    yield term;
    return;
  }
  const close = term.indexOf(']', open);
  const head = term.slice(0, open);
  for (const tail of expandLists(term.slice(close + 1))) {
    for (const range of term.slice(open + 1, close).split(',')) {
      const [, first, last] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(range) ?? [];
      if (first === undefined)
        throw usage(`selector: "${range}" in "${term}" is no range of numbers`);
      const from = Number(first);
      const to = Number(last ?? first);
      const widthFits =
        last === undefined || !first.startsWith('0') || first.length === last.length;
      if (to - from >= LISTED_MAX) throw usage(`selector "${term}" names too many`);
      if (to < from || (!widthFits && first !== '0')) {
        throw usage(`selector: "${range}" in "${term}" is no range of numbers`);
      }
      const width = first === '0' ? 1 : first.length;
      for (let n = from; n <= to; n += 1) yield `${head}${String(n).padStart(width, '0')}${tail}`;
    }
  }
}

/** A name, or a pattern for names. */
export const isGlob = (text: string): boolean => /^[a-z0-9._*?-]+$/.test(text);

function checkGlob(glob: string, text: string): string {
  if (!isGlob(glob)) throw usage(`selector "${text}": "${glob}" is no glob`);
  return glob;
}

/**
 * `*` any text, `?` one character. Goes back to the last star only, so that no glob costs more
 * than its length times the name's: a regular expression would be exponential in the stars.
 */
export function globMatches(glob: string, name: string): boolean {
  let g = 0;
  let n = 0;
  let star = -1;
  let mark = 0;
  while (n < name.length) {
    if (glob[g] === '*') {
      star = g;
      mark = n;
      g += 1;
    } else if (glob[g] === '?' || glob[g] === name[n]) {
      g += 1;
      n += 1;
    } else if (star >= 0) {
      g = star + 1;
      mark += 1;
      n = mark;
    } else return false;
  }
  while (glob[g] === '*') g += 1;
  return g === glob.length;
}
