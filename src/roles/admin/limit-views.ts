/** By what a node holds each kind of limit, and what its runs may ask for together. Pure. */
import { roughSizeBytes } from '../../base/size.ts';
import type { Shape } from '../../net/layout.ts';

/** By what each kind of limit is held there: a means, or `none`. Undefined: it has not said. */
export function heldLimits({ holds }: Shape<'node'>): Record<string, string> | undefined {
  if (holds === undefined) return undefined;
  const kinds = ['memory', 'cpu', 'pids', 'nofile'];
  return Object.fromEntries(kinds.map((kind) => [kind, holds[kind] ?? 'none']));
}

/** `slots` is null where there is no bound on them. Undefined: it has not said. */
export function roomJson({ room }: Shape<'node'>): Record<string, number | null> | undefined {
  if (room === undefined) return undefined;
  const { slots = null, cores, memoryBytes } = room;
  return { slots, cores, memoryBytes };
}

export function roomText({ room }: Shape<'node'>): string {
  if (room === undefined) return '';
  const { slots, cores, memoryBytes } = room;
  const counted = slots === undefined ? [] : [`slots=${slots}`];
  return [...counted, `cpu=${cores}`, `memory=${roughSizeBytes(memoryBytes)}`].join(',');
}
