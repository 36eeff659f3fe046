/**
 * What an order is answered, in words: pure functions of the order and the process it is about.
 * The table they follow is the one of the CLI contract under "Words" (supervisor/process.ts).
 */

import { type ErrorCode, errorCodes } from '../../base/errors.ts';
import type { Shape } from '../../net/bodies.ts';
import { isPreempted } from '../../supervisor/preemption.ts';
import { judgedState, type Process } from '../../supervisor/process.ts';
import { hasEnded, isWaiting } from '../../supervisor/states.ts';
import type { Item } from './events.ts';

type Answer = Shape<'answer'>;

/** The answer that the state of the process decides; undefined: it is not decided yet. */
export function settle(item: Item, process: Process | undefined): Answer | undefined {
  const { run, verb } = item;
  const ok: Answer = { ok: true, run };
  const state = process?.state;
  switch (verb) {
    case 'start':
    case 'restart':
      return process && settleStart(process, ok);
    case 'suspend':
      if (state === 'suspended') return ok;
      if (state === 'freezing' || state === undefined) return undefined;
      return unsettled('suspended', item, process);
    case 'resume':
      if (state === 'running') return ok;
      if (state === 'thawing' || state === undefined || isPreempted(process)) return undefined;
      return unsettled('resumed', item, process);
    case 'stop':
    case 'kill':
      return state !== undefined && hasEnded(state) ? ok : undefined;
    default:
      return undefined;
  }
}

function settleStart(process: Process, ok: Answer): Answer | undefined {
  if (isWaiting(process.state)) return undefined;
  if (process.startedAt !== undefined) return ok;
  if (!hasEnded(process.state)) return undefined;
  const { errorCode = 'exec-failed', reason = 'it did not start', run } = process;
  return { ok: false, errorCode: errorCodes[errorCode].number, text: reason, run };
}

function unsettled(wanted: string, item: Item, process: Process | undefined): Answer {
  const { run } = item;
  if (process?.fault !== undefined) {
    const text = `${subject(item)} could not be ${wanted}: ${process.fault}`;
    return { ok: false, errorCode: errorCodes.timeout.number, text, run };
  }
  const stopping = judgedState(process) === 'stopping';
  return refusal(stopping ? 'is-stopping' : 'not-running', item, process);
}

/** Nothing to do: it is so already. */
export function alreadySo(item: Item, process: Process | undefined): Answer {
  const judged = judgedState(process);
  const state = judged === 'none' ? 'not running' : judged;
  return { ok: true, unchanged: true, run: item.run, text: `${subject(item)}: ${state} already` };
}

export function refusal(code: ErrorCode, item: Item, process: Process | undefined): Answer {
  const judged = judgedState(process);
  const state = judged === 'none' ? (process?.state ?? 'not known here') : judged;
  const text = `${subject(item)} ${words[code] ?? `cannot do that (${code})`} (state: ${state})`;
  return { ok: false, errorCode: errorCodes[code].number, text, run: item.run };
}

/** The agent's earlier life had begun a signal and cannot know whether it was sent. */
export function interrupted(run: string): Answer {
  const text = `the agent ended while it sent a signal to run ${run}: it may not have arrived`;
  return { ok: false, errorCode: errorCodes.lost.number, text, run };
}

const words: Partial<Record<ErrorCode, string>> = {
  'already-suspended': 'is suspended; resume it',
  'not-suspended': 'is not suspended; nothing to resume',
  'is-pending': 'is still pending',
  preempted: 'is suspended for want of room, and goes on by itself when there is some',
  'is-stopping': 'is stopping',
  'not-running': 'is not running',
  running: 'runs already',
};

function subject(item: Item): string {
  return item.task === undefined ? `run ${item.run ?? ''}` : `task "${item.task}"`;
}
