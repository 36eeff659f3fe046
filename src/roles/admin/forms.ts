/**
 * Forms: how a value is written, on a command line and in a manifest, and what it is inside. A
 * field of a task or a schedule (task-fields.ts, timing-fields.ts) is declared once with its form;
 * options, manifests, their JSON Schema, export and `show` all follow from that.
 *
 * A form speaks of a row of values, one for each key of its field: `backoff` has two, most have
 * one. What a person wrote wrongly is a usage error that begins with `what`.
 */

import { formatInstant } from '../../base/clock.ts';
import { parseCount } from '../../base/count.ts';
import { formatDurationMs, parseDurationMs } from '../../base/duration.ts';
import { usage } from '../../base/errors.ts';
import { parseInstantUs } from '../../base/instant.ts';
import { nameFault } from '../../base/names.ts';
import { parseSelector } from '../../base/selector.ts';
import { parseSignal } from '../../base/signals.ts';
import { formatSizeBytes, parseSizeBytes } from '../../base/size.ts';
import { conditions, isCondition } from '../../supervisor/condition.ts';

type Map = Readonly<Record<string, string>>;
export type Json = string | number | boolean | readonly string[] | Map | readonly Map[];

/** What a manifest may hold there; schema.ts makes a schema of it. */
export type Shaped =
  | { readonly type: 'string'; readonly says: string; readonly pattern?: RegExp }
  | {
      readonly type: 'number';
      readonly says: string;
      readonly least: number;
      readonly whole: boolean;
    }
  | { readonly type: 'word'; readonly says: string; readonly words: readonly string[] }
  | {
      readonly type: 'size' | 'signal' | 'texts' | 'map' | 'after' | 'bool' | 'preempt';
      readonly says: string;
    };

export interface Form {
  readonly shaped: Shaped;
  /** Given more than once on a command line. */
  readonly repeats: boolean;
  /** From the values of its option; `old` is what stands there now. */
  fromWords(words: readonly string[], what: string, old: readonly unknown[]): readonly unknown[];
  fromJson(value: Json, what: string): readonly unknown[];
  toJson(values: readonly unknown[]): Json;
}

const spelled = (value: Json): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

/** One value, one word. */
function single<T>(
  shaped: Shaped,
  read: (text: string, what: string) => T,
  write: (value: T) => Json = (value) => value as Json,
): Form {
  return {
    shaped,
    repeats: false,
    fromWords: (words, what) => [read(words.at(-1) ?? '', what)],
    fromJson: (value, what) => [read(spelled(value), what)],
    toJson: ([value]) => write(value as T),
  };
}

const DURATION = /^(\d+(\.\d+)?(ms|d|h|m|s))+$/;
const string = (says: string, pattern?: RegExp): Shaped =>
  pattern ? { type: 'string', says, pattern } : { type: 'string', says };
const number = (says: string, least: number, whole = true): Shaped => ({
  ...{ type: 'number', says, least, whole },
});

export const text = single(string('a string'), (given) => given);

const aName = string('a name (a-z, 0-9, ".", "_", "-")');
export const name = single(aName, (given, what) => {
  const fault = nameFault(given);
  if (fault !== undefined) throw usage(`${what} "${given}": ${fault}`);
  return given;
});

export const selector = single(string('a selector, for instance zone=a or web-*'), (given) => {
  parseSelector(given);
  return given;
});

export const size = single<number>(
  { type: 'size', says: 'a size, for instance 512MiB' },
  parseSizeBytes,
  formatSizeBytes,
);

const aDuration = string('a duration, for instance 10s', DURATION);
export const duration = single<number>(aDuration, parseDurationMs, formatDurationMs);

/** Inside in microseconds, though written like any other. */
export const durationUs = single<number>(
  aDuration,
  (given, what) => parseDurationMs(given, what) * 1000,
  (us) => formatDurationMs(us / 1000),
);

const anInstant = string('an instant, for instance 2026-12-01T12:00:00Z');
export const instantUs = single<number>(anInstant, parseInstantUs, formatInstant);

export const count = (least = 1): Form =>
  single<number>(number(`a whole number from ${least}`, least), (given, what) =>
    parseCount(given, what, least),
  );

export const cores = single<number>(
  number('a number of cores, for instance 1.5', 0, false),
  (given, what) => {
    if (/^\d+(\.\d+)?$/.test(given)) return Number(given);
    throw usage(`${what}: "${given}" is not a number of cores`, 'for instance 1.5');
  },
);

export const word = (...words: readonly string[]): Form =>
  single({ type: 'word', says: `one of ${words.join(', ')}`, words }, (given, what) => {
    if (words.includes(given)) return given;
    throw usage(`${what}: "${given}" is none of ${words.join(', ')}`);
  });

export const signal = single<string>(
  { type: 'signal', says: 'a signal, for instance TERM' },
  parseSignal,
  (given) => given.replace(/^SIG/, ''),
);

/** `keep` (inside 0), or `stop:DUR`. */
export const onServerLost = single<number>(
  string('keep, or stop: and a duration, for instance stop:30s', /^(keep|stop:.+)$/),
  (given, what) => {
    if (given === 'keep') return 0;
    if (!given.startsWith('stop:')) {
      throw usage(`${what}: "${given}" is neither keep nor stop:DUR`, 'for instance stop:30s');
    }
    return parseDurationMs(given.slice('stop:'.length), what);
  },
  (ms) => (ms === 0 ? 'keep' : `stop:${formatDurationMs(ms)}`),
);

/** `MIN..MAX`, two durations in milliseconds. */
export const durations: Form = {
  shaped: string('two durations, for instance 1s..5m'),
  repeats: false,
  fromWords: (words, what) => durationsOf(words.at(-1) ?? '', what),
  fromJson: (value, what) => durationsOf(spelled(value), what),
  toJson: ([least, most]) =>
    `${formatDurationMs(least as number)}..${formatDurationMs(most as number)}`,
};

function durationsOf(given: string, what: string): readonly number[] {
  const [least, most, ...more] = given.split('..');
  if (!least || !most || more.length > 0) {
    throw usage(`${what}: "${given}" is not MIN..MAX`, 'for instance 1s..5m');
  }
  const leastMs = parseDurationMs(least, what);
  const mostMs = parseDurationMs(most, what);
  if (leastMs > mostMs) throw usage(`${what}: ${least} is more than ${most}`);
  return [leastMs, mostMs];
}

/** An option without a value; `--no-…` takes it out. */
export const flag = single<boolean>(
  { type: 'bool', says: 'true or false' },
  (given) => given === 'true',
);

/** On a command line alone, or with `=kill`. */
export const preempt = single<string>(
  { type: 'preempt', says: 'true, false or kill' },
  (given, what) => {
    if (given === 'true') return 'suspend';
    if (given === 'false' || given === 'no') return 'no';
    if (given === 'kill') return given;
    throw usage(`${what}: "${given}" is none of true, false, kill`);
  },
  (value) => (value === 'kill' ? value : value === 'suspend'),
);

/** Tasks it starts after: `TASK` or `TASK:CONDITION`. */
export const after: Form = {
  shaped: { type: 'after', says: `a list of maps: task, and on (${conditions.join(', ')})` },
  repeats: true,
  fromWords: (words, what) => [words.map((word) => afterOf(word, what))],
  fromJson: (value, what) => [
    (value as readonly { readonly task: string; readonly on?: string }[]).map(({ task, on }) =>
      afterOf(on === undefined ? task : `${task}:${on}`, what),
    ),
  ],
  toJson: ([value]) =>
    (value as readonly { readonly task: string; readonly on: string }[]).map(({ task, on }) => ({
      task,
      on,
    })),
};

function afterOf(given: string, what: string): { readonly task: string; readonly on: string } {
  const [task = '', on = 'success', ...more] = given.split(':');
  const fault = nameFault(task);
  if (fault !== undefined) throw usage(`${what} "${given}": ${fault}`);
  if (isCondition(on) && more.length === 0) return { task, on };
  throw usage(
    `${what} "${given}": "${[on, ...more].join(':')}" is none of ${conditions.join(', ')}`,
    `for instance ${task}:${conditions[0]}`,
  );
}

/** A list of strings, one a word. */
export const texts: Form = {
  shaped: { type: 'texts', says: 'a list of strings' },
  repeats: true,
  fromWords: (words) => [words],
  fromJson: (value) => [value],
  toJson: ([value]) => value as readonly string[],
};

/** The environment: `K=V` adds to what stands there, `K-` takes out. */
export const environment: Form = {
  shaped: { type: 'map', says: 'variables and their values' },
  repeats: true,
  fromWords: (words, what, [old]) => [merged(words, what, old as Readonly<Record<string, string>>)],
  fromJson: (value) => [value],
  toJson: ([value]) => value as Readonly<Record<string, string>>,
};

function merged(
  words: readonly string[],
  what: string,
  old: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const out = words.filter((pair) => pair.endsWith('-') && !pair.includes('='));
  const kept = words.filter((pair) => !out.includes(pair));
  const env = { ...old, ...parseEnv(kept, what) };
  return Object.fromEntries(Object.entries(env).filter(([key]) => !out.includes(`${key}-`)));
}

/** `K=V` given any number of times. */
export function parseEnv(pairs: readonly string[], what = '--env'): Record<string, string> {
  const env: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at <= 0 || pair.includes('\0')) throw usage(`${what}: "${pair}" is not NAME=VALUE`);
    env[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return env;
}
