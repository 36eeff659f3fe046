/** How a launch is ended, and what its end leads to: whether the run lives again, and when. */
import { crc32 } from 'node:zlib';
import { preemptorText } from '../../supervisor/preemption.ts';
import { advance, type Process, type Step } from '../../supervisor/process.ts';
import { judgeEnd, policyOf, type Revival } from '../../supervisor/restart.ts';
import { hasEnded } from '../../supervisor/states.ts';
import type { Item, Time } from './events.ts';

const MICROSECONDS = 1_000;

export function signalOf({ stop, ending }: Process): string {
  return ending?.signal ?? stop.signal;
}

function revivalOf(process: Process, order: Item, { atUs }: Time): Revival {
  const { wish, exitCode, signal, reason, tail, state, startedAt, exitedAt = atUs } = process;
  const ranMs = (exitedAt - (startedAt ?? exitedAt)) / MICROSECONDS;
  const how = state === 'lost' ? 'lost' : 'exited';
  const { streak = 0, run, restarts } = process;
  const again = process.ending?.again;
  const end = { wish, again, how, exitCode, signal, reason, tail, ranMs, streak } as const;
  // Of the run and the launch, so that it is the same again after a crash in between.
  const random = crc32(`${run}/${restarts}`) / 2 ** 32;
  return judgeEnd(end, policyOf(order.spec), random);
}

/** It was stopped for another: it begins again when there is room, whatever its policy says. */
function madeRoom({ preempted, state, wish, streak = 0 }: Process): Revival | undefined {
  if (preempted?.how !== 'kill' || state !== 'exited' || wish === 'down') return undefined;
  const reason = `stopped for ${preemptorText(preempted)}; starts again when there is room`;
  return { kind: 'again', inMs: 0, streak, reason };
}

/** A run that has just ended may live again, by its task's policy: then it never had ended. */
export function livingAgain(before: Process, step: Step, order: Item, time: Time): Step {
  if (hasEnded(before.state) || before.state === 'backoff') return step;
  if (!['exited', 'lost'].includes(step.process.state)) return step;
  const verdict = madeRoom(step.process) ?? revivalOf(step.process, order, time);
  if (verdict.kind === 'stays') return step;
  if (verdict.kind === 'used-up') {
    const next = advance(step.process, { event: 'use-up', reason: verdict.reason }, time);
    return { process: next.process, actions: [...step.actions, ...next.actions] };
  }
  const { reason } = verdict;
  const waits = advance(step.process, { event: 'revive', reason, revival: verdict }, time);
  const isLater = verdict.inMs > 0 || waits.process.preempted !== undefined;
  const next = isLater ? waits : advance(waits.process, { event: 'deadline' }, time);
  // Its control group and the index of its logs are those of its next launch.
  const actions = step.actions.filter((action) => action !== 'release');
  return { process: next.process, actions: [...actions, ...next.actions] };
}
