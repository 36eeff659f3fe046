/**
 * Deeds that a run's shim does by itself at an instant, with one write to the run's control group,
 * whether the agent is there, busy or gone. The agent does them as well when it gets there, which
 * changes nothing any more; a run that has no group, or began too late to be told, gets them so.
 *
 * A KILL is left to the agent where the task's policy would bring the run back: that it was killed
 * on purpose is known to the agent alone.
 */
import { verdicts } from '../../base/verbs.ts';
import { judgedState } from '../../supervisor/process.ts';
import { type DeedPorts, present, verbOf } from './deeds.ts';
import type { Acted, TimedAct } from './events.ts';
import type { Plan, StoredFire } from './firing.ts';
import { timedAct } from './timed-act.ts';

/** Tells the shims of what lives now; the answer is the runs. */
export function planDeed(ports: DeedPorts, fire: StoredFire, plan: Plan): readonly string[] {
  const act = plan.signal === undefined ? timedAct(plan.action) : undefined;
  if (act === undefined) return [];
  const runs: string[] = [];
  for (const { process, order } of present(ports, fire)) {
    const { restart = 'no' } = order.spec ?? {};
    if (verdicts[verbOf(plan)][judgedState(process)] !== 'act') continue;
    if (judgedState(process) === 'pending' || (act === 'kill' && restart !== 'no')) continue;
    // It goes on when there is room, and no shim knows that.
    if (act === 'thaw' && process.preempted) continue;
    ports.act({ type: 'plan', run: process.run, act, atUs: fire.dueUs });
    runs.push(process.run);
  }
  return runs;
}

export function dropDeed(ports: DeedPorts, runs: readonly string[], act: TimedAct): void {
  for (const run of runs) ports.act({ type: 'plan', run, act, atUs: undefined });
}

/** When the last of them was done by its shim; undefined where one was not. */
export function doneByShims(
  ports: DeedPorts,
  { action, dueUs }: StoredFire,
  runs: readonly string[],
): Acted | undefined {
  const act = timedAct(action);
  let last: Acted | undefined;
  for (const run of runs) {
    const acted = act && ports.runs().shimActs.since(run, act, dueUs);
    if (!acted) return undefined;
    if (!last || acted.atUs > last.atUs) last = acted;
  }
  return last;
}
