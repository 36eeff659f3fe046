/**
 * Deeds that are done at an instant whatever the agent is busy with. Where it is one write to the
 * run's control group its shim does it by itself, the agent there or gone; else a thread of the
 * agent that sleeps and does nothing else (deed-thread.io.ts). The agent does them as well when it
 * gets there, which changes nothing any more; a run that began too late to be told gets them so.
 *
 * What ends a run is left to the agent where the task's policy would bring the run back: that it
 * was ended on purpose is known to the agent alone.
 */
import { verdicts } from '../../base/verbs.ts';
import { judgedState } from '../../supervisor/process.ts';
import { type DeedPorts, present, verbOf } from './deeds.ts';
import type { Acted, Signalled, StoredRun, TimedAct } from './events.ts';
import type { Plan, StoredFire } from './firing.ts';
import { timedActs } from './timed-act.ts';

/** Tells who will do it, of what lives now; the answer is the runs. */
export function planDeed(ports: DeedPorts, fire: StoredFire, plan: Plan): readonly string[] {
  const isSignal = plan.signal !== undefined;
  const act = timedActs(plan.action).find((one) => (one === 'signal') === isSignal);
  if (act === undefined) return [];
  const runs: string[] = [];
  for (const stored of present(ports, fire)) {
    const { process, order } = stored;
    const { restart = 'no' } = order.spec ?? {};
    const { run } = process;
    const state = judgedState(process);
    const ends = act === 'kill' || act === 'stop';
    if (verdicts[verbOf(plan)][state] !== 'act' || state === 'pending') continue;
    if (ends && restart !== 'no') continue;
    // It goes on when there is room, and nobody else knows that.
    if (act === 'thaw' && process.preempted) continue;
    ports.act({ type: 'plan', run, act, atUs: fire.dueUs, ...signalled(act, plan, stored) });
    runs.push(run);
  }
  return runs;
}

function signalled(act: TimedAct, plan: Plan, { process }: StoredRun): Signalled {
  const { pid, startTicks, stop } = process;
  if (act === 'stop') return { signal: stop.signal };
  if (act !== 'signal') return {};
  const main = pid === undefined || startTicks === undefined ? undefined : { pid, startTicks };
  return { signal: plan.signal, main };
}

export function dropDeed(ports: DeedPorts, runs: readonly string[], action: string): void {
  for (const run of runs) {
    for (const act of timedActs(action)) ports.act({ type: 'plan', run, act, atUs: undefined });
  }
}

/** When the last of them was done; undefined where one was not. */
export function doneInTime(
  ports: DeedPorts,
  { action, dueUs }: StoredFire,
  runs: readonly string[],
): Acted | undefined {
  let last: Acted | undefined;
  for (const run of runs) {
    const acted = ports.runs().shimActs.first(run, timedActs(action), dueUs);
    if (!acted) return undefined;
    if (!last || acted.atUs > last.atUs) last = acted;
  }
  return last;
}
