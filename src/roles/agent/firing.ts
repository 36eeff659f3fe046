/**
 * A firing as data: one planned instant of a schedule on this node, from its claim to its outcome,
 * and the pure judgements about it. Which firing comes first where several are due at one instant:
 * by deed (`ranks`), then by the schedule's name; so `stop` and `start` at one instant restart a
 * task, and code that is loaded then is what a start gets.
 */
import { createHash } from 'node:crypto';
import { formatInstant } from '../../base/clock.ts';
import { type ErrorCode, errorCodeOf } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Shape } from '../../net/bodies.ts';
import { NO_TERM } from '../../scheduler/lease.ts';
import type { Planned } from '../../scheduler/planner.ts';
import { isWaiting } from '../../supervisor/states.ts';
import type { Item, StoredRun } from './events.ts';

export type Plan = Shape<'schedule'>;
export type FireResult = 'ok' | 'skipped' | 'failed' | 'lost';

export interface Ending {
  readonly result: FireResult;
  readonly reason?: string | undefined;
}

export const skipped = (reason: string): Ending => ({ result: 'skipped', reason });

/** What is stored of a firing from its claim until its outcome is among the reports. */
export interface StoredFire extends Planned {
  readonly action: string;
  readonly task?: string | undefined;
  readonly bundle?: string | undefined;
  /** The run that a start makes; where another deed is done on one run, that one. */
  readonly run?: string | undefined;
  /** Marked shortly before its instant: from here on it may have been carried out. */
  readonly prepared?: true | undefined;
  /** It waits for the end of a run. */
  readonly queued?: true | undefined;
  /** It has been begun, on these runs. */
  readonly targets?: readonly string[] | undefined;
  readonly firedUs?: number | undefined;
  readonly clockErrorUs?: number | undefined;
}

export const fireKey = ({ schedule, plannedUs }: Planned): string => `${schedule}/${plannedUs}`;

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * The run of a firing, made of what identifies it alone (55 bits of a hash, spelled as the server
 * spells its own ids), so that it is the same in every life of the agent.
 */
function runOf(node: string, plan: Plan, plannedUs: number): string {
  const hash = createHash('sha256');
  for (const part of [node, plan.schedule, plan.sinceUs, plannedUs]) hash.update(`${part}\0`);
  let id = 'R';
  for (const byte of hash.digest().subarray(0, 11)) id += ALPHABET.charAt(byte % 32);
  return id;
}

/** Whether it is an instant of this schedule, not of one that had its name before. */
export function isOfPlan(node: string, plan: Plan, { run, plannedUs }: StoredFire): boolean {
  return run === undefined || run === runOf(node, plan, plannedUs);
}

/** Its deed makes a run, which has its id from the claim on. */
export const startsRun = ({ action }: Pick<Plan, 'action'>): boolean => {
  return action === 'start' || action === 'restart';
};

/** A claim: a start has its run from here on. */
export function claimOf(node: string, plan: Plan, planned: Planned): StoredFire {
  const { action, task, bundle } = plan;
  const run = startsRun(plan) ? runOf(node, plan, planned.plannedUs) : undefined;
  return { ...planned, action, task, bundle, run };
}

/** What is done with living runs leaves no trace that is its own. Code is put there twice alike. */
export function wantsMark({ run, task, prepared }: StoredFire): boolean {
  return run === undefined && task !== undefined && !prepared;
}

const ranks: Readonly<Record<string, number>> = {
  ...{ kill: 0, stop: 1, unload: 2, load: 3, restart: 4, start: 5, suspend: 6, resume: 7 },
};

const KEY = 'fire:';

/** True time at which the program of a firing's start may begin; undefined: at any time. */
export function gateOf({ item, verb, at }: Item): number | undefined {
  return verb === 'start' && item.startsWith(KEY) ? at : undefined;
}

/**
 * Whether a run waits for an instant that comes after this firing's turn: it is none yet. Once
 * that has come its shim may have let it go, whatever is known of it.
 */
export function isHeldBehind(
  { order, process }: StoredRun,
  fire: StoredFire,
  nowUs: number,
): boolean {
  const dueUs = gateOf(order);
  if (dueUs === undefined || dueUs <= nowUs || !isWaiting(process.state)) return false;
  const schedule = order.item.slice(KEY.length, order.item.lastIndexOf('/'));
  return firesBefore(fire, { dueUs, action: 'start', schedule });
}

/** The order of firings: by instant, then deed, then name. */
type Turn = Pick<StoredFire, 'dueUs' | 'action' | 'schedule'>;

export function firesBefore(a: Turn, b: Turn): boolean {
  if (a.dueUs !== b.dueUs) return a.dueUs < b.dueUs;
  const [rankA, rankB] = [ranks[a.action] ?? 9, ranks[b.action] ?? 9];
  return rankA === rankB ? a.schedule < b.schedule : rankA < rankB;
}

export interface Lateness {
  readonly nowUs: number;
  /** Since when this life of the agent has had a clock without a gap. */
  readonly presentUs: number;
  /** A later instant of the same schedule is due as well. */
  readonly isOvertaken: boolean;
}

/**
 * Why an instant counts as missed; undefined: it is fired, however late. Late is what a busy disk
 * or node makes of it; missed is an instant at which nobody was there.
 */
export function missedWhy(dueUs: number, lateness: Lateness): string | undefined {
  const { nowUs, presentUs, isOvertaken } = lateness;
  if (dueUs < presentUs) return 'the agent was not there at that instant';
  if (nowUs - dueUs > limits.missedAfterUs) {
    return `${Math.round((nowUs - dueUs) / 1e6)} s had passed before it could be fired`;
  }
  return isOvertaken ? 'the next instant had come before it could be fired' : undefined;
}

/** Why nothing starts by a schedule. */
export const DRAINING = 'the node is draining';

/** Why the clock is not good enough; undefined: it is. */
export function clockWhy(
  { maxClockErrorUs }: Plan,
  errorUs: number | undefined,
): string | undefined {
  if (maxClockErrorUs === undefined) return undefined;
  if (errorUs === undefined) return 'the error of the clock is not known';
  if (errorUs <= maxClockErrorUs) return undefined;
  return `the clock may be wrong by ${errorUs} µs, more than ${maxClockErrorUs}`;
}

/** Why a firing that is due is skipped before anything is done; undefined: it is not. */
export function skipWhy(
  fire: StoredFire,
  plan: Plan,
  now: Lateness & { readonly errorUs: number | undefined },
): string | undefined {
  if (plan.draining && startsRun(fire)) return DRAINING;
  // Code changes its name on the server as well, whether the node was there or not.
  const missed = fire.task === undefined ? undefined : missedWhy(fire.dueUs, now);
  if (missed !== undefined && plan.missed !== 'all') {
    if (plan.missed === 'skip' || now.isOvertaken) return `missed: ${missed}`;
  }
  return clockWhy(plan, now.errorUs);
}

/** The order that a firing's start is, as if the server had given it. */
export function startItem(
  fire: StoredFire,
  { plan, task, bundle }: { plan: Plan; task: Item; bundle: Item | undefined },
): Item {
  const { env, who } = plan;
  return {
    ...(task.spec?.onAgentLost === 'move' ? { term: NO_TERM } : {}),
    ...{ item: KEY + fireKey(fire), generation: 0, entry: 'order', verb: fire.action },
    ...{ run: fire.run, task: fire.task, spec: task.spec, revision: task.revision },
    ...{ bundle: task.spec?.bundle, digest: bundle?.digest, sizeBytes: bundle?.sizeBytes },
    ...{ env, arguments: plan.arguments, at: fire.dueUs, who },
  };
}

/** The reason of an outcome; one that stands for many instants says so. */
export function endingReason(
  { omittedToUs }: StoredFire,
  reason: string | undefined,
): string | undefined {
  if (omittedToUs === undefined) return reason;
  const more = `so were all instants until ${formatInstant(omittedToUs)}`;
  return reason === undefined ? more : `${reason}; ${more}`;
}

/** The outcome that an answer about a run means for its firing. */
export function resultOf({ ok, errorCode }: Shape<'answer'>): FireResult {
  if (ok) return 'ok';
  const code: ErrorCode = errorCodeOf(errorCode ?? 0);
  if (code === 'lost') return 'lost';
  return code === 'cancelled' ? 'skipped' : 'failed';
}

/** As it is told to the server. */
export function fireRow(
  fire: StoredFire,
  outcome: { readonly result?: FireResult; readonly reason?: string | undefined },
): Shape<'fire'> {
  const { schedule, action, task, bundle, plannedUs, run, firedUs, clockErrorUs } = fire;
  const lateUs = firedUs === undefined ? undefined : firedUs - fire.dueUs;
  return {
    ...{ schedule, action, task, bundle, plannedUs, firedUs, lateUs, clockErrorUs },
    ...outcome,
    run: firedUs === undefined ? undefined : run,
  };
}
