/**
 * The part of the layout table (layout.ts) that is about staying in step: clocks, assignments,
 * reports, and whether the other side is there at all.
 */
import type { Layout } from './layout.ts';

export const stepLayouts = {
  // SYN: what keeps two sides in step
  synDef: {
    ...{ category: 'SYN', sub: 0, name: 'DEF' },
    /** `t4` and what follows from it: when the answer to the exchange before this one came. */
    req: { must: ['t1'], may: ['t4', 'offsetUs', 'delayUs'] },
    ok: { must: ['t1', 't2', 't3'], may: ['errorUs'] },
  },
  synAssign: {
    ...{ category: 'SYN', sub: 1, name: 'ASSIGN' },
    /** With `reset`, `names` are all items assigned: what is not among them is no longer so. */
    req: {
      must: ['generation', 'base', 'items'],
      may: ['removed', 'reset', 'names', 'seq', 'journal'],
    },
    ok: { must: ['generation'], may: [] },
  },
  synReport: {
    ...{ category: 'SYN', sub: 2, name: 'REPORT' },
    req: { must: ['reports'], may: [] },
    ok: { must: ['seq'], may: ['journal', 'seenSeq'] },
  },
  /** Withdraw one's own open request (a watch, a log, a transfer) by its request id. */
  synDrop: {
    ...{ category: 'SYN', sub: 3, name: 'DROP' },
    req: { must: ['request'], may: [] },
  },
  /** The server's question to a node: ask all sources of time again, and say how it stands. */
  synNow: {
    ...{ category: 'SYN', sub: 4, name: 'NOW' },
    req: { must: [], may: [] },
    ok: { must: ['clock'], may: [] },
  },
  /** The same of many nodes; `clock` is the server's own. */
  synNode: {
    ...{ category: 'SYN', sub: 5, name: 'NODE' },
    req: { must: ['on'], may: [] },
    ok: { must: ['nodes'], may: ['answers', 'clock'] },
  },
  /** Trust these CAs (PEM) from now on, and no others; answered when that is stored. */
  synAuthority: {
    ...{ category: 'SYN', sub: 6, name: 'AUTHORITY' },
    req: { must: ['authority'], may: [] },
    ok: { must: [], may: [] },
  },

  /**
   * A node asks for the leases of its runs, again and again while they live; answered with those
   * it has now. What is not among them is not granted now.
   */
  synLease: {
    ...{ category: 'SYN', sub: 7, name: 'LEASE' },
    req: { must: ['leases'], may: [] },
    ok: { must: ['leases'], may: [] },
  },

  // PING
  ping: {
    category: 'PING',
    sub: 0,
    name: 'PING',
    req: { must: [], may: [] },
    ok: { must: [], may: [] },
  },
  pingNode: {
    ...{ category: 'PING', sub: 1, name: 'NODE' },
    req: { must: ['on'], may: ['limit'] },
    ok: { must: ['nodes'], may: ['answers'] },
  },
} as const satisfies Record<string, Layout>;
