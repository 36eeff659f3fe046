/** Tasks, schedules and labels as manifests that apply to nothing where they came from. Pure. */
import { stringify } from 'yaml';
import type { Shape } from '../../../net/layout.ts';
import { jsonOf, put } from '../fields.ts';
import { fieldsOf, type Kind, shortForms } from './kinds.ts';

export type Manifest = Readonly<Record<string, unknown>>;

function withFields(kind: Kind, own: Manifest, from: object): Manifest {
  const manifest: Record<string, unknown> = { kind, ...own };
  for (const field of fieldsOf[kind]) {
    const value = jsonOf(field, from as Readonly<Record<string, unknown>>);
    if (value !== undefined) put(manifest, field.path, value);
  }
  for (const [name, key] of Object.entries(shortForms)) {
    const map = manifest[name];
    if (map === null || typeof map !== 'object') continue;
    const [only, ...more] = Object.keys(map);
    if (only === key && more.length === 0) manifest[name] = (map as Manifest)[key];
  }
  return manifest;
}

export function taskManifest({ task: name, spec, enabled }: Shape<'task'>): Manifest {
  const { bundle, command } = spec;
  const own = bundle === undefined ? { name, command } : { name, bundle, command };
  const whole = withFields('Task', own, spec);
  return enabled ? whole : { ...whole, disabled: true };
}

export function scheduleManifest(row: Shape<'schedule'>): Manifest {
  const { schedule: name, task, action, paused } = row;
  const manifest = withFields('Schedule', { name, task, action }, row);
  return paused === true ? { ...manifest, paused } : manifest;
}

export const nodeManifest = ({ node: name, labels = {} }: Shape<'node'>): Manifest => ({
  ...{ kind: 'Node', name, labels },
});

export const yamlText = (manifests: readonly Manifest[]): string =>
  manifests.map((manifest) => stringify(manifest, { lineWidth: 0 })).join('---\n');
