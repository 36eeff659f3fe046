/**
 * What a start may wait for of another task, its predecessor: judgements about rows, the same for
 * the node that knows them by itself and for the server that hears of them. Pure.
 *
 * A restart by policy is no end: such a run is pending again, and its row says so.
 */

import { unreachable } from '../base/assert.ts';
import { few } from '../base/few.ts';

export const conditions = ['success', 'exit', 'running', 'ready'] as const;
export type Condition = (typeof conditions)[number];

export const isCondition = (word: string): word is Condition =>
  (conditions as readonly string[]).includes(word);

/** What a judgement needs of a row of a process. */
export interface Seen {
  readonly run: string;
  readonly processState: string;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly startedAt?: number | undefined;
  readonly exitedAt?: number | undefined;
  readonly createdAt?: number | undefined;
  readonly ready?: boolean | undefined;
  readonly reason?: string | undefined;
}

const ended: ReadonlySet<string> = new Set(['exited', 'failed', 'lost']);

/** Whether a run is one that an order of instant `at` waits for: it lived then, or began since. */
export function counts(row: Seen, at: number, livedThen: readonly string[]): boolean {
  if (!ended.has(row.processState) || livedThen.includes(row.run)) return true;
  return (row.createdAt ?? 0) >= at || (row.exitedAt ?? 0) >= at;
}

export type Standing = 'met' | 'open' | { readonly failed: string };

/** How a condition stands by the run it is about; undefined: there is none yet. */
export function standingOf(on: Condition, row: Seen | undefined): Standing {
  if (!row) return 'open';
  const isOver = ended.has(row.processState);
  switch (on) {
    case 'exit':
      return isOver ? 'met' : 'open';
    case 'success':
      if (!isOver) return 'open';
      return row.processState === 'exited' && row.signal === undefined && row.exitCode === 0
        ? 'met'
        : { failed: endOf(row) };
    case 'running':
      // That it has begun stays true, whatever came of it since.
      if (row.startedAt !== undefined) return 'met';
      return isOver ? { failed: endOf(row) } : 'open';
    case 'ready':
      if (isOver) return { failed: `${endOf(row)} (it was to be ready)` };
      return row.ready === true ? 'met' : 'open';
    default:
      return unreachable(on);
  }
}

/** A chain of failures stays readable: its beginning, and the root cause. */
const REASON_HEAD = 80;
const REASON_TAIL = 240;

function endOf({ processState, exitCode, signal, reason }: Seen): string {
  if (processState === 'exited') {
    return signal === undefined
      ? `exited with code ${exitCode ?? '?'}`
      : `was ended by signal ${signal}`;
  }
  const what = processState === 'lost' ? 'is lost' : 'failed';
  if (reason === undefined) return what;
  const isLong = reason.length > REASON_HEAD + REASON_TAIL;
  const text = isLong ? `${reason.slice(0, REASON_HEAD)} … ${reason.slice(-REASON_TAIL)}` : reason;
  return `${what}: ${text}`;
}

export const placeOf = (task: string, node: string): string =>
  node === '' ? `task "${task}"` : `task "${task}" on ${node}`;

export const waitsFor = (task: string, on: string, nodes: readonly string[]): string => {
  const named = few(nodes, NODES_NAMED);
  return `waits for ${task} (${on})${named === '' ? '' : ` on ${named}`}`;
};

const NODES_NAMED = 3;
