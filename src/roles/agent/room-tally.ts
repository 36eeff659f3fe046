/**
 * What a run takes of its node's room, by the state it is in; what of that is on its way back, and
 * by which ways more of it could be had. Pure.
 *
 * A run takes its room from its launch until nothing of it lives, its waits between launches
 * included; one that somebody suspended keeps all of it, so that a resume never has to wait. One
 * that was suspended for another gives back its slots and cores; its memory it still holds.
 */
import { askOf } from '../../supervisor/room.ts';
import type { State } from '../../supervisor/states.ts';
import type { StoredRun } from './events.ts';
import { gateOf } from './firing.ts';
import { type Level, nothing, type Vector, vectorOf } from './room.ts';

export interface Tally {
  readonly holds: Vector;
  readonly coming: Vector;
  readonly ways: {
    readonly disarmed?: Vector | undefined;
    readonly suspended?: Vector | undefined;
    readonly killed?: Vector | undefined;
  };
  /** What it waits for, where it does by itself: it made room for another. */
  readonly wants?: Vector | undefined;
}

const none: Tally = { holds: nothing, coming: nothing, ways: {} };

export const askVector = ({ order }: StoredRun): Vector =>
  vectorOf(askOf(order.spec, order.task !== undefined));

/** Its program runs, or is being ended. */
const present: ReadonlySet<State> = new Set([
  ...(['running', 'freezing', 'stopping', 'killing', 'leaving', 'clearing', 'losing'] as const),
]);

export function tallyOf(stored: StoredRun): Tally {
  const { process, order } = stored;
  const { state, preempted, fault } = process;
  const all = askVector(stored);
  const memory: Vector = [0, 0, all[2]];
  const free: Vector = [all[0], all[1], 0];
  if (state === 'backoff') {
    if (preempted) return { ...none, wants: all };
    return { holds: all, coming: nothing, ways: { suspended: all, killed: all } };
  }
  if (state === 'launching' || state === 'armed') {
    const isGated = gateOf(order) !== undefined && process.restarts === 0;
    return { holds: all, coming: nothing, ways: isGated ? { disarmed: all } : {} };
  }
  if (state === 'disarming') return { holds: all, coming: all, ways: {} };
  if (state === 'thawing') return { holds: all, coming: nothing, ways: {} };
  if (state === 'suspended') {
    if (!preempted) return { holds: all, coming: nothing, ways: {} };
    return { holds: memory, coming: nothing, ways: {}, wants: preempted.held ? undefined : free };
  }
  if (!present.has(state)) return none;
  if (preempted?.gave) return { holds: memory, coming: nothing, ways: {} };
  if (preempted?.how === 'kill') return { holds: all, coming: all, ways: {} };
  const isFree = state === 'running' && !preempted;
  const isGiving = preempted && (state === 'running' || state === 'freezing');
  return {
    holds: all,
    coming: isGiving ? free : nothing,
    // What could not be frozen would not be the next time either.
    ways: isFree ? { suspended: fault === undefined ? free : undefined, killed: all } : {},
  };
}

/** How urgent its task is by itself. */
export function ownLevel({ order }: StoredRun): Level {
  const { priority = 0, preempt = 'no' } = order.spec ?? {};
  return {
    priority,
    suspendBelow: preempt === 'no' ? 0 : priority,
    killBelow: preempt === 'kill' ? priority : 0,
  };
}

export const higher = (a: Level, b: Level): Level => ({
  priority: Math.max(a.priority, b.priority),
  suspendBelow: Math.max(a.suspendBelow, b.suspendBelow),
  killBelow: Math.max(a.killBelow, b.killBelow),
});

/** Who waits for whom, by `--after`. */
export type Waits = readonly (readonly [waits: StoredRun, forRun: StoredRun])[];

/**
 * What is lent: a run that waits gives its urgency to the runs it waits for, and to those that
 * these wait for. Only who has some can give it.
 */
export function lentLevels(waits: Waits): ReadonlyMap<string, Level> {
  const lent = new Map<string, Level>();
  const awaited = new Map<string, StoredRun[]>();
  const givers: StoredRun[] = [];
  for (const [one, other] of waits) {
    awaited.set(one.process.run, [...(awaited.get(one.process.run) ?? []), other]);
    if ((one.order.spec?.priority ?? 0) > 0) givers.push(one);
  }
  for (let giver = givers.pop(); giver; giver = givers.pop()) {
    const { run } = giver.process;
    const own = ownLevel(giver);
    const given = lent.has(run) ? higher(own, lent.get(run) ?? own) : own;
    for (const other of awaited.get(run) ?? []) {
      const before = lent.get(other.process.run);
      const after = before ? higher(before, given) : given;
      if (before && JSON.stringify(before) === JSON.stringify(after)) continue;
      lent.set(other.process.run, after);
      givers.push(other);
    }
  }
  return lent;
}
