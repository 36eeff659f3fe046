/**
 * Limits of a task: which values are none, and which nodes cannot hold them, or never have the room
 * that it asks for. That is refused where it is asked for and again at each start, never ignored;
 * a node that has never been here has not said what it holds, and decides itself.
 */
import type { Shape } from '../../../net/layout.ts';
import { heldFault, limitValueFault } from '../../../supervisor/limit.ts';
import { askOf, askValueFault, roomFault } from '../../../supervisor/room.ts';
import { Refusal } from './change.ts';
import { BOUND_HINT, nodeFault } from './lease-rules.ts';
import { taskMatches } from './resolve.ts';
import type { NodeRecord, State, TaskRecord } from './state.ts';

/** Why a node cannot hold a task's limits, or a run of it at all; undefined when it can, or has not said. */
export function limitRefusal(
  { task, spec }: Pick<TaskRecord, 'task' | 'spec'>,
  node: NodeRecord,
): string | undefined {
  const { name, holds, room } = node;
  const fault =
    nodeFault(spec, node) ??
    (holds && heldFault(spec, holds, spec.user)) ??
    (room && roomFault(askOf(spec), room));
  return fault === undefined ? undefined : `task "${task}" cannot run on node ${name}: ${fault}`;
}

/** What to do about that; undefined where it can. */
export function limitHint(
  { spec }: Pick<TaskRecord, 'spec'>,
  node: NodeRecord,
): string | undefined {
  const { holds, room } = node;
  const elsewhere = 'choose other nodes with --on';
  if (nodeFault(spec, node) !== undefined) return `${BOUND_HINT}, or ${elsewhere}`;
  if (holds && heldFault(spec, holds, spec.user)) return `leave the limit out, or ${elsewhere}`;
  if (!room || roomFault(askOf(spec), room) === undefined) return undefined;
  return `ask for less (--slots, --cpu, --memory), or ${elsewhere}`;
}

export function checkLimitValues(spec: Shape<'spec'>): void {
  const fault = limitValueFault(spec) ?? askValueFault(spec);
  if (fault !== undefined) throw new Refusal('usage', fault);
}

/** Refuses what a node that is selected today cannot hold. */
export function checkLimits(state: State, task: TaskRecord): void {
  checkLimitValues(task.spec);
  // Of so many it is placed where it can be held; none may be left for it.
  const needsAll = task.spec.instances === undefined;
  let first: NodeRecord | undefined;
  for (const node of state.nodes.values()) {
    if (!taskMatches(state, task, node)) continue;
    const fault = limitRefusal(task, node);
    if (fault === undefined && !needsAll) return;
    if (fault !== undefined) first ??= node;
  }
  if (!first) return;
  throw new Refusal('unsupported', limitRefusal(task, first) ?? '', limitHint(task, first));
}
