/**
 * Who has the room of a node: of those that wait, who may go now, and what must make room for whom.
 *
 * The queue is in order: the higher effective priority first, then who came first. Whoever does not
 * fit keeps what is free for itself: who comes after it goes only where that takes nothing it waits
 * for, so it is never starved. Who may preempt makes room of running work of a strictly lower
 * priority, the lowest first, of equals the one that began last, and of those no more than it
 * takes; work that would not help is left alone. What is armed for an instant to come has begun
 * nothing: it makes room for anybody who waits and is not lower.
 *
 * Pure: it knows no run, no clock and no state of a process (room-keeper.ts does).
 */
import { limits } from '../../base/limits.ts';
import { roughSizeBytes } from '../../base/size.ts';
import { type Ask, coresOf, countOf, milli, type Room } from '../../supervisor/room.ts';

/** Slots, thousandths of a core, bytes of memory. */
export type Vector = readonly [slots: number, milli: number, bytes: number];

export const nothing: Vector = [0, 0, 0];
export const vectorOf = ({ slots, cores, memoryBytes }: Ask): Vector => [
  ...([slots, milli(cores), memoryBytes] as const),
];
export const roomVector = ({ slots = Infinity, cores, memoryBytes }: Room): Vector =>
  vectorOf({ slots, cores, memoryBytes });

export const plus = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
/** What asks for nothing of a kind does not mind that there is less than nothing of it. */
export const fits = (asks: Vector, free: Vector): boolean =>
  asks.every((much, kind) => much === 0 || much <= (free[kind] ?? 0));

/** How urgent, and below which priority running work may be suspended, or stopped, for it. */
export interface Level {
  readonly priority: number;
  readonly suspendBelow: number;
  readonly killBelow: number;
}

export interface Waiting {
  readonly run: string;
  readonly asks: Vector;
  readonly level: Level;
  /** True time at which it was asked for. */
  readonly cameUs: number;
}

export interface Holding {
  readonly run: string;
  readonly priority: number;
  readonly sinceUs: number;
  /** What it would give back by each way; undefined: not that way. */
  readonly disarmed?: Vector | undefined;
  readonly suspended?: Vector | undefined;
  readonly killed?: Vector | undefined;
}

export interface Preemption {
  readonly run: string;
  readonly for: Waiting;
  readonly how: 'suspend' | 'kill';
}

export interface Verdict {
  readonly go: readonly Waiting[];
  readonly preempt: readonly Preemption[];
  /** Armed, and in the way of somebody. */
  readonly unwanted: readonly string[];
}

/** The order of the queue. */
export function comesBefore(a: Waiting, b: Waiting): boolean {
  if (a.level.priority !== b.level.priority) return a.level.priority > b.level.priority;
  return a.cameUs === b.cameUs ? a.run < b.run : a.cameUs < b.cameUs;
}

export interface Situation {
  readonly free: Vector;
  /** On its way back already, of what was preempted or disarmed. */
  readonly coming: Vector;
  /** In order. */
  readonly queue: readonly Waiting[];
  /** Asked only where somebody is in want. */
  readonly holdings: () => readonly Holding[];
}

/** Behind the first who is blocked so many are looked at; the others wait until these have gone. */
const LOOK_BEHIND = limits.roomLookBehind;

export function judgeRoom({ free, coming, queue, holdings }: Situation): Verdict {
  const go: Waiting[] = [];
  const preempt: Preemption[] = [];
  const unwanted: string[] = [];
  let left = free;
  let soon = plus(free, coming);
  let blocked = 0;
  let others: Holding[] | undefined;
  for (const one of queue) {
    if (blocked > LOOK_BEHIND) break;
    if (fits(one.asks, left)) go.push(one);
    else {
      blocked += 1;
      if (!fits(one.asks, soon)) {
        others ??= [...holdings()];
        for (const victim of victimsOf(one, soon, others)) {
          soon = plus(soon, victim.gives);
          others.splice(others.indexOf(victim.of), 1);
          if (victim.how === 'disarm') unwanted.push(victim.of.run);
          else preempt.push({ run: victim.of.run, for: one, how: victim.how });
        }
      }
    }
    left = minus(left, one.asks);
    soon = minus(soon, one.asks);
  }
  return { go, preempt, unwanted };
}

interface Victim {
  readonly of: Holding;
  readonly how: 'disarm' | 'suspend' | 'kill';
  readonly gives: Vector;
}

/** Just enough for it, or nothing where even all would not do. */
function victimsOf(one: Waiting, soon: Vector, holdings: readonly Holding[]): readonly Victim[] {
  const able = holdings.flatMap((of) => victimOf(one.level, of) ?? []).sort(inOrder);
  const chosen: Victim[] = [];
  let there = soon;
  for (const victim of able) {
    if (fits(one.asks, there)) break;
    const helps = victim.gives.some(
      (much, kind) => much > 0 && (one.asks[kind] ?? 0) > Math.max(0, there[kind] ?? 0),
    );
    if (!helps) continue;
    chosen.push(victim);
    there = plus(there, victim.gives);
  }
  if (!fits(one.asks, there)) return [];
  // Those that were taken first may have become needless by those that were taken last.
  for (const victim of chosen.toReversed()) {
    const without = minus(there, victim.gives);
    if (!fits(one.asks, without)) continue;
    there = without;
    chosen.splice(chosen.indexOf(victim), 1);
  }
  return chosen;
}

function victimOf(level: Level, of: Holding): Victim | undefined {
  if (of.disarmed && of.priority <= level.priority) {
    return { of, how: 'disarm', gives: of.disarmed };
  }
  if (of.killed && of.priority < level.killBelow) return { of, how: 'kill', gives: of.killed };
  if (of.suspended && of.priority < level.suspendBelow) {
    return { of, how: 'suspend', gives: of.suspended };
  }
  return undefined;
}

/** What is armed comes first: nothing of it has begun. */
function inOrder(a: Victim, b: Victim): number {
  if ((a.how === 'disarm') !== (b.how === 'disarm')) return a.how === 'disarm' ? -1 : 1;
  if (a.of.priority !== b.of.priority) return a.of.priority - b.of.priority;
  if (a.of.sinceUs !== b.of.sinceUs) return b.of.sinceUs - a.of.sinceUs;
  return a.of.run < b.of.run ? -1 : 1;
}

// ---- words ----

const kinds: readonly ((much: number) => string)[] = [
  countOf,
  (much) => coresOf(much / 1000),
  (much) => `${roughSizeBytes(much)} of memory`,
];
const bare: readonly ((much: number) => string)[] = [
  String,
  (much) => String(much / 1000),
  roughSizeBytes,
];

/** Of the first in the queue: what it lacks, and what there is. */
export function lackText(asks: Vector, free: Vector, total: Vector): string {
  const parts = asks.flatMap((much, kind) => {
    const [has, all, say] = [free[kind] ?? 0, total[kind] ?? 0, bare[kind] ?? String];
    if (much === 0 || much <= has) return [];
    return [`${kinds[kind]?.(much)}, ${say(Math.max(0, has))} of ${say(all)} free`];
  });
  return `waits for room: needs ${parts.join('; ')}`;
}

/** Of those behind it, which says nothing that changes while it stays there. */
export function behindText(asks: Vector, before: string): string {
  const parts = asks.flatMap((much, kind) => (much === 0 ? [] : [kinds[kind]?.(much)]));
  return `waits for room: needs ${parts.join(', ')}; before it: ${before}`;
}
