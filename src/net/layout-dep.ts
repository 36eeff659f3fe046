/**
 * The DEP rows of the layout table (layout.ts): on what the start of work depends, which are other
 * tasks and instants. In a file of their own for its length only.
 */
import type { Fields } from './shapes.ts';

export const dependencyLayouts = {
  /** `mode`: `rm`, `pause` or `resume`. `on` without names or `task`: all schedules of nodes. */
  depSchedule: {
    ...{ category: 'DEP', sub: 4, name: 'SCHEDULE' },
    req: { must: ['key', 'mode'], may: ['names', 'task', 'on'] },
    ok: { must: ['answers'], may: ['seq'] },
  },
  /** `mode`: `revoke`. Whose word counts, that is, on which keys all else depends. */
  depIdentity: {
    ...{ category: 'DEP', sub: 5, name: 'IDENTITY' },
    req: { must: ['key', 'mode', 'names'], may: ['force'] },
    ok: { must: ['answers'], may: ['seq'] },
  },
} as const satisfies Record<
  string,
  { category: 'DEP'; sub: number; name: string; req: Fields; ok: Fields }
>;
