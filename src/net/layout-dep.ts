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
  /**
   * The fleet's CA: `mode` is `rotate` or `finish`. The pins and `trusts` are the server's own,
   * whatever is sent: SHA-256 of the CAs' keys, and of what everybody shall trust.
   */
  depAuthority: {
    ...{ category: 'DEP', sub: 1, name: 'AUTHORITY' },
    req: { must: ['key', 'mode'], may: ['force', 'pin', 'nextPin', 'trusts'] },
    ok: { must: [], may: ['seq', 'unchanged'] },
  },
  /**
   * Manifests, all of them or none. `documents` is a CBOR sequence (RFC 8742) of `document` maps,
   * each with the limits of a body. `prune`: what no document names is removed, where `names`
   * (globs of tasks and schedules) allow. `ifRevision`: of every task that changes; 0: not there.
   */
  depApply: {
    ...{ category: 'DEP', sub: 6, name: 'APPLY' },
    req: { must: ['key', 'documents'], may: ['prune', 'names', 'ifRevision', 'dryRun'] },
    ok: { must: ['changes'], may: ['seq', 'unchanged'] },
  },
  /** `mode`: `drain` or `undrain`. On these nodes nothing may depend for a while. */
  depDrain: {
    ...{ category: 'DEP', sub: 7, name: 'DRAIN' },
    req: { must: ['key', 'mode', 'names'], may: ['wait'] },
    ack: { must: ['operation'], may: ['seq', 'answers'] },
    ok: { must: [], may: ['operation', 'answers', 'seq'] },
  },
} as const satisfies Record<
  string,
  { category: 'DEP'; sub: number; name: string; req: Fields; ack?: Fields; ok: Fields }
>;
