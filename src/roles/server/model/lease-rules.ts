/**
 * What a lease asks of tasks, clocks and nodes, and which a run has that begins: a function of the
 * records. What becomes of one that ends is in leases.ts.
 */
import { formatDurationMs } from '../../../base/duration.ts';
import { limits } from '../../../base/limits.ts';
import type { Shape } from '../../../net/layout.ts';
import { bears, leaseMsOf, worstErrorUs } from '../../../scheduler/lease.ts';
import { Refusal } from './change.ts';
import type { Command } from './command.ts';
import type { Leased, NodeClock } from './records.ts';
import type { State } from './state.ts';

type Spec = Shape<'spec'>;

export const mayMove = ({ onAgentLost }: Spec): boolean => onAgentLost === 'move';

/** The lease of a run that begins with this command. */
export function leaseOf(state: State, spec: Spec): Leased['lease'] {
  return mayMove(spec) ? { term: state.seq, leaseMs: leaseMsOf(spec) } : undefined;
}

/**
 * That of a run which a schedule began, from when its node tells of it. It is launched with a lease
 * only, so one that began where its task has no instance, as a node does that was away, never is.
 */
export function leaseOfFiring(
  state: State,
  uid: string,
  { task: name = '', processState, startedAt }: Shape<'process'>,
): Leased['lease'] {
  const task = state.tasks.get(name);
  const isNew = processState === 'pending' && startedAt === undefined;
  return task && isNew && task.placed?.includes(uid) ? leaseOf(state, task.spec) : undefined;
}

export function checkLease(command: Command, task: string, spec: Spec): void {
  const { onAgentLost = 'keep', leaseMs, instances } = spec;
  if (onAgentLost !== 'keep' && onAgentLost !== 'move') {
    throw new Refusal('usage', `onAgentLost "${onAgentLost}" is neither keep nor move`);
  }
  if (leaseMs !== undefined && (leaseMs < limits.leaseMinMs || leaseMs > limits.leaseMaxMs)) {
    const [least, most] = [limits.leaseMinMs, limits.leaseMaxMs].map(formatDurationMs);
    throw new Refusal('usage', `a lease of ${leaseMs} ms is none; from ${least} to ${most}`);
  }
  if (!mayMove(spec)) return;
  if (instances === undefined) {
    const text = `task "${task}" cannot move: it belongs on every node that it matches`;
    throw new Refusal('unsupported', text, 'say how many there are to be: --instances N');
  }
  const fault = clockFault(command, spec);
  if (fault === undefined) return;
  const hint = command.errorUs === undefined ? BOUND_HINT : `${BOUND_HINT}, or a longer --lease`;
  throw new Refusal('unsupported', `task "${task}": ${fault}`, hint);
}

export const BOUND_HINT =
  'give it servers of time (--ntp HOST), and look at it with lotc admin sync';

/** Why no lease can be granted by the server's clock, as it was at a command. */
export function clockFault({ errorUs }: Pick<Command, 'errorUs'>, spec: Spec): string | undefined {
  if (!mayMove(spec) || bears({ errorUs }, leaseMsOf(spec))) return undefined;
  return `the clock of the server ${faultOf(errorUs, leaseMsOf(spec))}`;
}

/** Why a node can hold no lease; undefined where it can, or has not said. */
export function nodeFault(
  spec: Spec,
  { clock, holds }: NodeClock & { readonly holds?: Readonly<Record<string, string>> | undefined },
): string | undefined {
  if (!mayMove(spec)) return undefined;
  if (holds && holds['lease'] === undefined) return 'its LOTC is older, and holds no leases';
  if (!clock || bears(clock, leaseMsOf(spec))) return undefined;
  return `its clock ${faultOf(clock.errorUs, leaseMsOf(spec))}`;
}

function faultOf(errorUs: number | undefined, leaseMs: number): string {
  if (errorUs === undefined) return 'has no bound, and a lease ends by it';
  const worstMs = Math.floor(worstErrorUs(leaseMs) / 1_000);
  return `may be wrong by ${Math.ceil(errorUs / 1_000)} ms; a lease of ${formatDurationMs(leaseMs)} bears ${worstMs} ms`;
}
