/**
 * Restart policy: whether a run that has ended lives again, and when. Pure: the facts of the end
 * and the policy in, the verdict out; the table (table.ts) moves, the agent waits.
 *
 * The delay doubles with each restart in a row, from the policy's least to its most, less up to a
 * fifth at random, so that a fleet that fell together does not rise together. A process that has
 * run for a healthy time begins a new row. What never ran (no such program, no such user) is not
 * tried again: the next try would fail in the same way. What was wished down stays down.
 */
import { limits } from '../base/limits.ts';

export type RestartWhen = 'no' | 'on-failure' | 'always';

export interface RestartPolicy {
  readonly when: RestartWhen;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** Restarts in a row before the run is failed; undefined: no bound. */
  readonly most?: number | undefined;
}

export interface EndFacts {
  readonly wish: 'up' | 'down';
  /** It hung and was ended so that it begins again, whatever the policy says. */
  readonly again?: boolean | undefined;
  /** `lost`: it ended with its shim or its machine. */
  readonly how: 'exited' | 'lost';
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly reason?: string | undefined;
  /** The last lines it wrote to stderr, printable. */
  readonly tail?: string | undefined;
  readonly ranMs: number;
  /** Restarts in a row up to now. */
  readonly streak: number;
}

export type Revival =
  | { readonly kind: 'stays' }
  | {
      readonly kind: 'again';
      readonly inMs: number;
      readonly streak: number;
      readonly reason: string;
    }
  | { readonly kind: 'used-up'; readonly reason: string };

interface Given {
  readonly restart?: string | undefined;
  readonly backoffMinMs?: number | undefined;
  readonly backoffMaxMs?: number | undefined;
  readonly maxRestarts?: number | undefined;
}

/** The policy of a task's spec; what is not given has the default of the CLI contract. */
export function policyOf(given: Given | undefined): RestartPolicy {
  const { restart = 'no', maxRestarts } = given ?? {};
  const { backoffMinMs = limits.backoffMinMs, backoffMaxMs = limits.backoffMaxMs } = given ?? {};
  const when = restart === 'always' || restart === 'on-failure' ? restart : 'no';
  return { when, backoffMinMs, backoffMaxMs, most: maxRestarts };
}

/** `random` is in [0, 1). */
export function judgeEnd(end: EndFacts, policy: RestartPolicy, random: number): Revival {
  const { when, most } = policy;
  const succeeded = end.how === 'exited' && end.exitCode === 0;
  const rests = when === 'no' || (when === 'on-failure' && succeeded);
  if (end.wish === 'down' || (rests && end.again !== true)) return { kind: 'stays' };
  const healthy = end.ranMs >= healthyMs(policy, end.streak);
  const streak = (healthy ? 0 : end.streak) + 1;
  const how = sentence(end);
  if (most !== undefined && streak > most) {
    const times = most === 1 ? 'once' : `${most} times`;
    const before = most === 0 ? '' : ` after it was restarted ${times} in a row`;
    const tail = end.tail === undefined || end.tail === '' ? '' : `; stderr: ${end.tail}`;
    return { kind: 'used-up', reason: `${how}${before}${tail}` };
  }
  const delayMs = backoffMs(policy, streak);
  const inMs = Math.round(delayMs * (1 - limits.backoffJitter * random));
  return { kind: 'again', inMs, streak, reason: `restarts in ${seconds(inMs)} s: ${how}` };
}

/** A process that ran this long is not part of a row of failures. */
function healthyMs(policy: RestartPolicy, streak: number): number {
  return Math.max(limits.healthyMs, 2 * (streak === 0 ? 0 : backoffMs(policy, streak)));
}

function backoffMs({ backoffMinMs, backoffMaxMs }: RestartPolicy, streak: number): number {
  return Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(streak - 1, 52));
}

function sentence({ how, exitCode, signal, reason }: EndFacts): string {
  if (how === 'lost') return reason ?? 'how it ended is not known';
  const end = signal === undefined ? `exited with code ${exitCode ?? '?'}` : `ended by ${signal}`;
  return reason === undefined ? end : `${end}: ${reason}`;
}

const seconds = (ms: number): string => String(Math.round(ms / 100) / 10);
