/** What is said of a verb that does nothing, or may not: reasons and remedies in words. */
import type { ErrorCode } from '../../../base/errors.ts';
import { isRunId } from '../../../base/ids.ts';
import { type Judged, type Verb, verdicts } from '../../../base/verbs.ts';
import { taskMatches } from './resolve.ts';
import type { Answer, NodeRecord, State, TaskRecord } from './state.ts';

/** What to do about it; `target` as whoever asked named it. */
export function hintOf(code: ErrorCode, target: string): string | undefined {
  switch (code) {
    case 'already-suspended':
      return `to let it go on: lotc admin resume ${target}`;
    case 'preempted':
      return `see what has its room: lotc admin why ${target}; to keep it suspended: lotc admin suspend ${target}`;
    case 'is-stopping':
      return `wait until it has ended: lotc admin wait ${target} --for gone`;
    case 'is-pending':
      return `it has not started yet; wait until it runs: lotc admin wait ${target} --for running`;
    case 'not-running':
      return isRunId(target) ? undefined : `to start it: lotc admin start ${target}`;
    case 'disabled':
      return `to allow it: lotc admin task enable ${target.split('@', 1)[0] ?? ''}`;
    case 'not-selected':
      return 'see: lotc admin task show, lotc admin bundle show';
    default:
      return undefined;
  }
}

/** No instance of it has a node: what there is to say to other verbs than a start. */
export function ofNone(task: string, verb: Verb): Answer {
  const verdict = verdicts[verb].none;
  const text = `no instance of task "${task}" runs`;
  if (verdict === 'done' || verdict === 'act') return { task, ok: true, unchanged: true, text };
  return { task, ok: false, code: verdict, text, hint: hintOf(verdict, task) };
}

export interface StartFault {
  readonly code: ErrorCode;
  readonly text: string;
  /** Where it is not that of the code. */
  readonly hint?: string;
}

/** Why a task starts nowhere. */
export function startFault(
  state: State,
  { task, spec, enabled, removing }: TaskRecord,
  where = '',
): StartFault | undefined {
  const name = `task "${task}"`;
  if (!enabled) return { code: 'disabled', text: `${name} is disabled; not started${where}` };
  if (removing !== undefined) return { code: 'in-use', text: `${name} is being removed` };
  const missing = spec.afterTasks?.find((after) => !state.tasks.has(after.task));
  if (!missing) return undefined;
  const text = `${name} starts after task "${missing.task}", which is not there`;
  return { code: 'no-such-task', text };
}

export function outsideText(state: State, task: TaskRecord, node: NodeRecord): string {
  const name = `task "${task.task}"`;
  if (task.spec.instances === undefined || !taskMatches(state, task, node)) {
    return `${name} does not select node ${node.name}`;
  }
  const places = (task.placed ?? []).map((uid) => state.nodes.get(uid)?.name ?? '').sort();
  return `${name} is placed on ${places.join(', ') || 'no node'}, not on node ${node.name}`;
}

export function sentence(code: ErrorCode, name: string, node: string, judged: Judged): string {
  const state = judged === 'none' ? 'not running' : judged;
  if (code === 'not-suspended') {
    return `${name} is not suspended on node ${node} (state: ${state}); nothing to resume`;
  }
  if (code === 'already-suspended') return `${name} is suspended on node ${node}, not stopped`;
  if (code === 'preempted') {
    return `${name} is suspended on node ${node} for want of room: it goes on when there is some`;
  }
  if (code === 'is-pending') return `${name} is still pending on node ${node}`;
  if (code === 'is-stopping') return `${name} is stopping on node ${node}`;
  return `${name} is not running on node ${node}`;
}
