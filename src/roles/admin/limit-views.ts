/** By what a node holds each kind of limit. Pure. */
import type { Shape } from '../../net/layout.ts';

/** By what each kind of limit is held there: a means, or `none`. Undefined: it has not said. */
export function heldLimits({ holds }: Shape<'node'>): Record<string, string> | undefined {
  if (holds === undefined) return undefined;
  const kinds = ['memory', 'cpu', 'pids', 'nofile'];
  return Object.fromEntries(kinds.map((kind) => [kind, holds[kind] ?? 'none']));
}
