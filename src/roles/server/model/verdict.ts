/** What is said of a verb that does nothing, or may not: reasons and remedies in words. */
import type { ErrorCode } from '../../../base/errors.ts';
import { type Judged, type Verb, verdicts } from '../../../base/verbs.ts';
import { LIMIT_HINT } from './limits.ts';
import { taskMatches } from './resolve.ts';
import type { Answer, NodeRecord, State, TaskRecord } from './state.ts';

export const hints: Partial<Record<ErrorCode, string>> = {
  'already-suspended': 'to let it go on: lotc admin resume',
  preempted: 'see what has its room: lotc admin why; to keep it suspended: lotc admin suspend',
  'is-stopping': 'wait until it has ended: lotc admin wait --for gone',
  'is-pending': 'it has not started yet; wait until it runs: lotc admin wait --for running',
  'not-running': 'to start it: lotc admin start',
  disabled: 'to allow it: lotc admin task enable',
  unsupported: LIMIT_HINT,
  'not-selected': 'see: lotc admin task show, lotc admin bundle show',
};

/** No instance of it has a node: what there is to say to other verbs than a start. */
export function ofNone(task: string, verb: Verb): Answer {
  const verdict = verdicts[verb].none;
  const text = `no instance of task "${task}" runs`;
  if (verdict === 'done' || verdict === 'act') return { task, ok: true, unchanged: true, text };
  return { task, ok: false, code: verdict, text, hint: hints[verdict] };
}

/** Why a task starts nowhere. */
export function startFault(
  state: State,
  { task, spec, enabled, removing }: TaskRecord,
  where = '',
): { readonly code: ErrorCode; readonly text: string } | undefined {
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
