/**
 * Manifests as text, YAML or JSON, to documents as the server takes them. Pure. What is wrong is
 * told with file, line and column, by the key it stands at: all of it, not the first alone.
 */
import { isMap, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { LotcError } from '../../../base/errors.ts';
import { isScheduleId } from '../../../base/ids.ts';
import { nameFault } from '../../../base/names.ts';
import { nearest } from '../../../base/nearest.ts';
import type { Shape } from '../../../net/layout.ts';
import { fromJson } from '../fields.ts';
import type { Json } from '../forms.ts';
import { fieldsOf, type Kind, keysOf, kinds, shortForms } from './kinds.ts';
import { ask, mistake, type Path, type Plain, spelled, stranger, valueAt } from './mistakes.ts';
import { issuesOf } from './schema.ts';

export interface Fault {
  /** `FILE:LINE:COLUMN`. */
  readonly place: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface Source {
  readonly file: string;
  readonly text: string;
}

export interface Read {
  readonly documents: readonly Shape<'document'>[];
  readonly faults: readonly Fault[];
}

export function readManifests(sources: readonly Source[]): Read {
  const faults: Fault[] = [];
  const documents: Shape<'document'>[] = [];
  const seen = new Map<string, string>();
  for (const source of sources) {
    for (const part of partsOf(source, faults)) {
      const document = part.read(faults);
      if (!document) continue;
      const { entry, task = '', node = '', timing } = document;
      const what = `${entry} "${entry === 'schedule' ? timing?.schedule : task || node}"`;
      const before = seen.get(what);
      const place = part.placeOf(['name']);
      if (before === undefined) documents.push(document);
      else faults.push({ place, message: `${what} stands at ${before} already` });
      seen.set(what, place);
    }
  }
  return { documents, faults };
}

/** The documents of a text; a list is as many. */
function partsOf({ file, text }: Source, faults: Fault[]): readonly Part[] {
  const counter = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = counter.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const parts: Part[] = [];
  const parsed = parseAllDocuments(text, {
    ...{ lineCounter: counter, prettyErrors: false },
    // A key that is a map is refused with its place below; a warning of Node's tells nobody that.
    logLevel: 'error',
  });
  for (const one of 'empty' in parsed ? [] : parsed) {
    for (const { message, pos } of [...one.errors, ...one.warnings])
      faults.push({ place: at(pos[0]), message });
    if (one.errors.length > 0 || one.contents === null) continue;
    try {
      const value: unknown = one.toJS({ maxAliasCount: 100 });
      const nodes = isSeq(one.contents) ? one.contents.items : [one.contents];
      for (const [index, node] of nodes.entries())
        parts.push(new Part(node, Array.isArray(value) ? value[index] : value, at));
    } catch (error) {
      faults.push({ place: at(one.range[0]), message: (error as Error).message });
    }
  }
  return parts;
}

class Part {
  readonly #node: Node;
  readonly #value: unknown;
  readonly #at: (offset: number) => string;

  constructor(node: Node, value: unknown, at: (offset: number) => string) {
    this.#node = node;
    this.#value = value;
    this.#at = at;
  }

  /** Of the value there, or of the last key on the way that is there. */
  placeOf(path: Path, ofKey = false): string {
    let node: unknown = this.#node;
    let offset = this.#node.range?.[0] ?? 0;
    for (const [index, step] of path.entries()) {
      const pair = isMap(node)
        ? node.items.find(({ key }) => String((key as { value?: unknown }).value) === step)
        : undefined;
      const next: unknown = pair
        ? pair.value
        : isSeq(node)
          ? node.items[step as number]
          : undefined;
      if (next === undefined) break;
      const at = ofKey && pair && index === path.length - 1 ? pair.key : (next ?? pair?.key);
      offset = (at as Node | null)?.range?.[0] ?? offset;
      node = next;
    }
    return this.#at(offset);
  }

  read(faults: Fault[]): Shape<'document'> | undefined {
    const fault = (path: Path, message: string, hint?: string, ofKey = false): void =>
      void faults.push({ place: this.placeOf(path, ofKey), message, hint });
    const value = this.#value;
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      fault([], 'a manifest is a map: kind, name, …');
      return undefined;
    }
    const { kind } = value as Plain;
    if (!kinds.includes(kind as Kind)) {
      const near = typeof kind === 'string' ? nearest(kind, kinds) : undefined;
      const found = kind === undefined ? 'is missing' : `${spelled(kind)} is none`;
      fault(['kind'], `kind: ${found}; expected one of ${kinds.join(', ')}`, ask(near));
      return undefined;
    }
    const known = kind as Kind;
    const whole = writtenOut(value as Plain, known);
    const issues = issuesOf(known, whole);
    for (const { path, unknown } of issues) {
      if (unknown.length === 0) fault(path, mistake(known, whole, path));
      for (const key of unknown) {
        const { message, hint } = stranger(known, path, key);
        fault([...path, key], message, hint, true);
      }
    }
    if (issues.length > 0) return undefined;
    return documentOf(known, whole, fault);
  }
}

/** Short forms as the maps they are short for. */
function writtenOut(value: Plain, kind: Kind): Plain {
  const whole: Record<string, unknown> = { ...value };
  for (const [name, key] of Object.entries(shortForms)) {
    const short = whole[name];
    const isMapThere = short !== null && typeof short === 'object' && !Array.isArray(short);
    const known = keysOf(kind).some(({ path }) => path === `${name}.${key}`);
    if (known && name in whole && !isMapThere) whole[name] = { [key]: short };
  }
  return whole;
}

type Tell = (path: Path, message: string, hint?: string) => void;

function documentOf(kind: Kind, value: Plain, tell: Tell): Shape<'document'> | undefined {
  let isGood = true;
  const wrong: Tell = (path, message, hint) => {
    isGood = false;
    tell(path, message, hint);
  };
  const document = { Task: taskOf, Schedule: scheduleOf, Node: nodeOf }[kind](value, wrong);
  return isGood ? document : undefined;
}

function checkedName(value: Plain, key: string, wrong: Tell, allowed = false): string {
  const name = value[key] as string;
  const fault = allowed ? undefined : nameFault(name);
  if (fault !== undefined) wrong([key], `${key} "${name}": ${fault}`);
  return name;
}

/** The fields of a kind by the keys of the protocol. */
function fieldValues(kind: Kind, value: Plain, wrong: Tell): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const field of fieldsOf[kind]) {
    const path = field.path.split('.');
    const found = field.path === 'on' ? selectorOf(value['on']) : valueAt(value, path);
    if (found === undefined) continue;
    try {
      Object.assign(given, fromJson(field, found as Json));
    } catch (error) {
      if (!(error instanceof LotcError)) throw error;
      wrong(path, error.message, error.hint);
    }
  }
  return given;
}

function selectorOf(on: unknown): string | undefined {
  if (on === undefined) return undefined;
  const {
    select,
    nodes = [],
    labels = {},
  } = on as {
    readonly select?: string;
    readonly nodes?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
  };
  const terms = Object.entries(labels).map(([key, label]) => `${key}=${label}`);
  const parts = [...(select === undefined ? [] : [select]), ...nodes, ...terms];
  return parts.length === 0 ? undefined : parts.join(',');
}

function taskOf(value: Plain, wrong: Tell): Shape<'document'> {
  const task = checkedName(value, 'name', wrong);
  const command = value['command'] as readonly string[];
  if (!command[0]) wrong(['command'], 'command: it is empty');
  const pinned = /^(.*)@(sha256:[0-9a-f]{64})$/.exec((value['bundle'] as string | undefined) ?? '');
  const plain = pinned ? { ...value, bundle: pinned[1] } : value;
  const spec = { command, ...fieldValues('Task', plain, wrong) };
  const disabled = value['disabled'] as boolean | undefined;
  return {
    ...{ entry: 'task', task, spec },
    ...(disabled === undefined ? {} : { enabled: !disabled }),
    ...(pinned?.[2] === undefined ? {} : { digest: pinned[2] }),
  };
}

function scheduleOf(value: Plain, wrong: Tell): Shape<'document'> {
  const schedule = checkedName(value, 'name', wrong, isScheduleId(value['name'] as string));
  const task = checkedName(value, 'task', wrong);
  const { on, env, signal, arguments: more, ...rule } = fieldValues('Schedule', value, wrong);
  const rules = ['at', 'every', 'cron'].filter((key) => value[key] !== undefined);
  if (rules.length !== 1) wrong([rules[1] ?? 'name'], 'a Schedule has one of at, every and cron');
  for (const [key, other] of [
    ['from', 'every'],
    ['tz', 'cron'],
  ] as const) {
    if (value[key] !== undefined && value[other] === undefined)
      wrong([key], `${key} goes with ${other}`);
  }
  const deed = { on, env, signal, arguments: more, paused: value['paused'] };
  const given = Object.entries(deed).filter(([, one]) => one !== undefined);
  return {
    ...{ entry: 'schedule', task, action: value['action'] as string },
    timing: { ...rule, schedule },
    ...Object.fromEntries(given),
  };
}

function nodeOf(value: Plain, wrong: Tell): Shape<'document'> {
  const node = checkedName(value, 'name', wrong);
  return { entry: 'node', node, labels: value['labels'] as Readonly<Record<string, string>> };
}
