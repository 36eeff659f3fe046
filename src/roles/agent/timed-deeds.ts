/**
 * Deeds that are done at an instant whatever the agent is busy with. Where it is one write to the
 * run's control group its shim does it by itself, the agent there or gone; else a thread of the
 * agent that sleeps and does nothing else (deed-thread.io.ts). The agent does them as well when it
 * gets there, which changes nothing any more; a run that began too late to be told gets them so.
 *
 * Whether it was done is known by those who do it. So what the agent would rather skip, because it
 * was away at the instant or its clock is not good enough, is taken back first, and is skipped only
 * when they have answered that it had not been done.
 */
import { verdicts } from '../../base/verbs.ts';
import { judgedState } from '../../supervisor/process.ts';
import { type DeedPorts, interruptedEnding, present, verbOf } from './deeds.ts';
import type { Acted, Signalled, StoredRun, TimedAct } from './events.ts';
import type { Fire } from './fire.ts';
import type { Ending, Plan, StoredFire } from './firing.ts';
import { timedActs } from './timed-act.ts';

/** Tells who will do it, of what lives now. */
export function planDeed(ports: DeedPorts, fire: StoredFire, plan: Plan): Fire['planned'] {
  const isSignal = plan.signal !== undefined;
  const act = timedActs(plan.action).find((one) => (one === 'signal') === isSignal);
  if (act === undefined) return undefined;
  const runs: string[] = [];
  for (const stored of present(ports, fire)) {
    const { process } = stored;
    const { run } = process;
    const state = judgedState(process);
    if (verdicts[verbOf(plan)][state] !== 'act' || state === 'pending') continue;
    // It goes on when there is room, and nobody else knows that.
    if (act === 'thaw' && process.preempted) continue;
    ports.act({ type: 'plan', run, act, atUs: fire.dueUs, ...signalled(act, plan, stored) });
    runs.push(run);
  }
  return runs.length > 0 ? { runs, plan } : undefined;
}

function signalled(act: TimedAct, plan: Plan, { process }: StoredRun): Signalled {
  const { pid, startTicks, stop } = process;
  if (act === 'stop') return { signal: stop.signal };
  if (act !== 'signal') return {};
  const main = pid === undefined || startTicks === undefined ? undefined : { pid, startTicks };
  return { signal: plan.signal, main };
}

/** They are asked to take it back; each answers when it is certain whether it was done. */
export function retractDeed(
  { act }: Pick<DeedPorts, 'act'>,
  runs: readonly string[],
  action: string,
): void {
  for (const run of runs) act({ type: 'retract', run, acts: timedActs(action) });
}

/** Others may have done it, and have not been asked. */
export function isUnknown({ planned, unanswered }: Fire): boolean {
  return planned !== undefined && unanswered?.size !== 0;
}

/** Somebody has done it already, whatever the agent thinks of its instant. */
export function isDone(ports: DeedPorts, fire: Fire): boolean {
  return doneTo(ports, fire).length > 0;
}

/** Runs to which somebody has done it. */
export function doneTo(ports: DeedPorts, { stored, planned }: Fire): readonly string[] {
  const { action, dueUs } = stored;
  const { shimActs } = ports.runs();
  const { runs = [] } = planned ?? {};
  return runs.filter((run) => shimActs.first(run, timedActs(action), dueUs));
}

/**
 * What was suspended or resumed at its instant was, whatever has become of the run since. What an
 * earlier life of the agent began, and what does not show any more, may have been.
 */
export function truly(ports: DeedPorts, fire: Fire, ending: Ending): Ending {
  const { action, targets = [] } = fire.stored;
  if (ending.result !== 'failed' || (action !== 'suspend' && action !== 'resume')) return ending;
  const wasDone = isDone(ports, fire) || doneInTime(ports, fire.stored, targets) !== undefined;
  if (wasDone) return { result: 'ok' };
  return fire.isInherited ? interruptedEnding : ending;
}

/** It is done by the agent. */
export function asNow(ports: DeedPorts, stored: StoredFire): StoredFire {
  const { atUs, errorUs } = ports.time();
  return { ...stored, firedUs: atUs, clockErrorUs: errorUs };
}

/** It was done by others than the agent, who know when. */
export function asDone(ports: DeedPorts, stored: StoredFire, runs: readonly string[]): StoredFire {
  const done = doneInTime(ports, stored, runs);
  return done ? { ...stored, firedUs: done.atUs, clockErrorUs: done.errorUs } : stored;
}

/** When the last of them was done; undefined where one was not. */
function doneInTime(
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
