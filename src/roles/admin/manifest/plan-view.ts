/** What a manifest changes, as people and scripts read it. Pure. */
import { canonicalText } from '../../../base/canonical.ts';
import type { Shape } from '../../../net/layout.ts';
import type { View } from '../cells.ts';
import { orNull } from '../cells.ts';
import { jsonOf } from '../fields.ts';
import { placesJson } from '../views.ts';
import { fieldsOf, type Kind } from './kinds.ts';

type Row = Shape<'change'>;
type Document = Shape<'document'>;
type Plain = Readonly<Record<string, unknown>>;

interface Difference {
  readonly field: string;
  /** Null where there was nothing; not there where it is not known. */
  readonly from?: unknown;
  readonly to: unknown;
}

/** A change with what its document wants. */
export interface Change {
  readonly row: Row;
  readonly document: Document | undefined;
}

const kindOf: Readonly<Record<string, Kind>> = { task: 'Task', schedule: 'Schedule', node: 'Node' };
const nameOf = ({ entry, task, schedule, node }: Row): string =>
  (entry === 'task' ? task : entry === 'schedule' ? schedule : node) ?? '';

export function changesOf(rows: readonly Row[], documents: readonly Document[]): readonly Change[] {
  const keyed = new Map(
    documents.map((document) => {
      const { entry, task, node, timing } = document;
      const name = entry === 'task' ? task : entry === 'schedule' ? timing?.schedule : node;
      return [`${entry} ${name}`, document] as const;
    }),
  );
  return rows.map((row) => ({ row, document: keyed.get(`${row.entry} ${nameOf(row)}`) }));
}

/** What the manifest says there, by the keys it says it with. */
function told(kind: Kind, from: Plain): Plain {
  const values: Record<string, unknown> = {};
  for (const field of fieldsOf[kind]) {
    const value = jsonOf(field, from);
    if (value !== undefined) values[field.path] = value;
  }
  return values;
}

const wanted = ({ entry, spec, timing, labels, enabled, paused, ...deed }: Document): Plain => {
  if (entry === 'node') return prefixed(labels ?? {});
  if (entry === 'schedule') {
    const { task, action } = deed;
    return { task, action, ...told('Schedule', { ...timing, ...deed }), ...flag({ paused }) };
  }
  const disabled = enabled === undefined ? undefined : !enabled;
  return { command: spec?.command, ...told('Task', spec ?? {}), ...flag({ disabled }) };
};

const present = ({ entry, spec, plan, labels, enabled }: Row): Plain => {
  if (entry === 'node') return prefixed(labels ?? {});
  if (entry === 'schedule') {
    const { task, action, paused } = plan ?? {};
    return { task, action, ...told('Schedule', plan ?? {}), ...flag({ paused }) };
  }
  return { command: spec?.command, ...told('Task', spec ?? {}), ...flag({ disabled: !enabled }) };
};

/** False is what is not said. */
const flag = (value: Readonly<Record<string, boolean | undefined>>): Plain =>
  Object.fromEntries(Object.entries(value).filter(([, on]) => on !== undefined));
const prefixed = (labels: Plain): Plain =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [`labels.${key}`, value]));

const isDry = ({ spec, plan, labels }: Row): boolean => (spec ?? plan ?? labels) !== undefined;

/** Keys the server gives where nobody asked, and a flag that is left as it is. */
const given: ReadonlySet<string> = new Set(['from', 'tz', 'missed', 'overlap']);
const left: ReadonlySet<string> = new Set(['paused', 'disabled']);

function differences({ row, document }: Change): readonly Difference[] {
  if (row.mode !== 'change' || !document) return [];
  const to = wanted(document);
  if (!isDry(row)) return (row.names ?? []).map((name) => named(row, name, to));
  const from = present(row);
  const fields = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  return fields
    .filter((field) => canonicalText(from[field]) !== canonicalText(to[field]))
    .filter((field) => to[field] !== undefined || !(given.has(field) || left.has(field)))
    .map((field) => ({ field, from: orNull(from[field]), to: orNull(to[field]) }));
}

/** By the key of the protocol that differs. */
function named({ entry }: Row, name: string, to: Plain): Difference {
  const kind = kindOf[entry] ?? 'Task';
  if (kind === 'Node') return { field: `labels.${name}`, to: orNull(to[`labels.${name}`]) };
  const known = fieldsOf[kind].find(({ keys }) => keys.includes(name))?.path;
  const field = known ?? (name === 'enabled' ? 'disabled' : name);
  return { field, to: orNull(to[field]) };
}

const valueText = (value: unknown): string =>
  value === null ? '(none)' : typeof value === 'string' ? value : JSON.stringify(value);

function lineOf({ field, ...values }: Difference): string {
  const to = valueText(values.to);
  return 'from' in values
    ? `  ${field}: ${valueText(values.from)} -> ${to}\n`
    : `  ${field}: ${to}\n`;
}

/** Of a dry run: where its instances would be, and why not elsewhere. */
function placesText({ placed = [], places = [], reason }: Row): string {
  const lines = places.map(({ node, ok, text }) => `    ${ok ? '+' : '-'} ${node}: ${text}\n`);
  const missing = reason === undefined ? '' : `  ${reason}\n`;
  return `  placed on ${placed.join(', ') || 'no node'}\n${missing}${lines.join('')}`;
}

/** What is stopped where it is. */
const leavingText = ({ task, places = [] }: Row): string =>
  places.map(({ node, text = '' }) => `  ${task}@${node}: ${text}\n`).join('');

/** `done`: it has happened. */
export function planText(changes: readonly Change[], documents: number, done: boolean): string {
  const verbs: Readonly<Record<string, string>> = done
    ? { create: 'created', change: 'changed', remove: 'removed' }
    : { create: 'to create', change: 'to change', remove: 'to remove' };
  let text = '';
  for (const change of changes) {
    const { row } = change;
    const { entry, mode, revision, affected = [], running = 0 } = row;
    const at = revision === undefined ? '' : `, revision ${revision}`;
    text += `${entry} ${nameOf(row)}: ${verbs[mode] ?? mode}${at}\n`;
    text += differences(change).map(lineOf).join('');
    text += row.placed ? placesText(row) : leavingText(row);
    const more = running > affected.length ? ` and ${running - affected.length} more` : '';
    if (running > 0) {
      const goes = running === 1 ? 'goes on as it is until it is' : 'go on as they are until';
      const restarted = running === 1 ? 'restarted' : 'they are restarted';
      text += `  ${affected.join(', ')}${more} ${goes} ${restarted}\n`;
    }
  }
  const same = documents - changes.filter(({ document }) => document).length;
  if (changes.length === 0) return `nothing to change; ${documents} documents are so already\n`;
  return same > 0 ? `${text}unchanged: ${same}\n` : text;
}

/** In JSON, a list of these. */
export const changeView: View<Change> = {
  name: ({ row }) => nameOf(row),
  json: (change) => {
    const { row } = change;
    return {
      kind: kindOf[row.entry] ?? row.entry,
      name: nameOf(row),
      change: row.mode,
      revision: orNull(row.revision),
      differences: differences(change),
      affected: row.affected ?? [],
      running: row.running ?? 0,
      ...placesJson(row),
    };
  },
  columns: [],
};
