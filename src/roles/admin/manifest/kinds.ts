/**
 * The kinds of manifests by their keys, out of the tables of fields: which keys there are, what
 * each holds in words and for a schema, and which may be written short. Pure; the schema library
 * (schema.ts) and the reader (read.ts) follow it.
 */
import type { Field } from '../fields.ts';
import * as forms from '../forms.ts';
import { taskFields } from '../task-fields.ts';
import { timingFields } from '../timing-fields.ts';

export type Kind = 'Task' | 'Schedule' | 'Node';
export const kinds: readonly Kind[] = ['Task', 'Schedule', 'Node'];

/** A key that is no option's: what it holds is written as it is. */
export interface Key {
  readonly path: string;
  readonly shaped: forms.Shaped;
  readonly required?: true;
}

const aName = { type: 'string', says: 'a name (a-z, 0-9, ".", "_", "-")' } as const;

/** Keys of a Schedule beside its rule: what the verb would have been given. */
export const deedFields: readonly Field<string>[] = [
  { option: '--on', path: 'on', form: forms.selector, keys: ['on'], about: '' },
  { option: '--env', path: 'env', form: forms.environment, keys: ['env'], about: '' },
  { option: '--signal', path: 'signal', form: forms.signal, keys: ['signal'], about: '' },
  { option: '--arguments', path: 'arguments', form: forms.texts, keys: ['arguments'], about: '' },
];

const words = ['start', 'suspend', 'resume', 'stop', 'kill', 'restart'];

export const ownKeys: Readonly<Record<Kind, readonly Key[]>> = {
  Task: [
    { path: 'name', shaped: aName, required: true },
    { path: 'command', shaped: { type: 'texts', says: 'a list of strings' }, required: true },
    { path: 'disabled', shaped: { type: 'bool', says: 'true or false' } },
  ],
  Schedule: [
    { path: 'name', shaped: aName, required: true },
    { path: 'task', shaped: aName, required: true },
    {
      ...{ path: 'action', required: true },
      shaped: { type: 'word', says: `one of ${words.join(', ')}`, words },
    },
    { path: 'paused', shaped: { type: 'bool', says: 'true or false' } },
  ],
  Node: [
    { path: 'name', shaped: aName, required: true },
    { path: 'labels', shaped: { type: 'map', says: 'labels and their values' }, required: true },
  ],
};

export const fieldsOf: Readonly<Record<Kind, readonly Field<string>[]>> = {
  Task: taskFields,
  Schedule: [...timingFields, ...deedFields],
  Node: [],
};

/** Maps that may be written as one value: the key it is then the value of. */
export const shortForms: Readonly<Record<string, string>> = { restart: 'policy', on: 'select' };

/** `on` as a map is put together to one selector. */
export const selectorKeys: readonly Key[] = [
  { path: 'on.select', shaped: { type: 'string', says: 'a selector, for instance zone=a' } },
  { path: 'on.nodes', shaped: { type: 'texts', says: 'a list of names or globs of nodes' } },
  { path: 'on.labels', shaped: { type: 'map', says: 'labels and their values' } },
];

/** Every key of a kind, `on` by its parts. */
export function keysOf(kind: Kind): readonly Key[] {
  const fields = fieldsOf[kind].filter(({ path }) => path !== 'on');
  const on = fields.length === fieldsOf[kind].length ? [] : selectorKeys;
  const rest = fields.map(({ path, form }) => ({ path, shaped: form.shaped }));
  return [...ownKeys[kind], ...on, ...rest];
}
