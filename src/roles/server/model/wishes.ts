/**
 * Where a task is wished up: a start without `@NODE` means its nodes of tomorrow as well. A node
 * that joins, or comes to match by its labels, starts what is wished up there with `--restart
 * always` (CLI contract, "Nodes that join later"); never a past one-off start.
 */
import { isRunId } from '../../../base/ids.ts';
import type { Change } from './change.ts';
import { openOperation } from './operations.ts';
import { bounded, bundleSelects, selects, taskSelects } from './resolve.ts';
import { latestRun } from './runs.ts';
import { orderStart } from './start.ts';
import type { NodeRecord, State, TaskRecord } from './state.ts';
import type { VerbRequest } from './verbs.ts';

const EVERYWHERE = '@all';

/** Remembers what a verb that was accepted says about nodes that are not there yet. */
export function noteWish(change: Change, request: VerbRequest): void {
  const { verb, targets, signal } = request;
  const on = bounded(request.on ?? EVERYWHERE, change.within);
  const up = verb === 'start' || verb === 'restart';
  const down = verb === 'stop' || (verb === 'kill' && signal === undefined);
  if (!up && !down) return;
  for (const target of targets) {
    const task = isRunId(target) ? undefined : change.state.tasks.get(target);
    if (!task) continue;
    const others = (task.wished ?? []).filter((text) => text !== on);
    const wished = up ? [...others, on] : on === EVERYWHERE ? [] : others;
    change.state.tasks.set(target, { ...task, wished });
  }
}

export function startWished(change: Change, node: NodeRecord): void {
  const due = [...change.state.tasks.values()].filter((task) => isDue(change.state, task, node));
  if (due.length === 0) return;
  openOperation(change, { verb: 'start', targets: due.map(({ task }) => `${task}@${node.name}`) });
  for (const { task, spec, revision } of due) {
    const bundle = spec.bundle === undefined ? undefined : change.state.bundles.get(spec.bundle);
    orderStart(change, {
      ...{ uid: node.uid, task, spec, revision, digest: bundle?.digest, bundle: bundle?.bundle },
      ...{ reason: `waits for node ${node.name}`, order: { verb: 'start' } },
    });
  }
}

function isDue(state: State, task: TaskRecord, node: NodeRecord): boolean {
  const { spec, enabled, removing, wished = [] } = task;
  if (!enabled || removing !== undefined || spec.restart !== 'always') return false;
  // An instance begins with its placing (instances.ts).
  if (spec.instances !== undefined || node.draining !== undefined) return false;
  if (latestRun(state, task.task, node.uid) || !taskSelects(state, task, node)) return false;
  const bundle = spec.bundle === undefined ? undefined : state.bundles.get(spec.bundle);
  if (spec.bundle !== undefined && !(bundle && bundleSelects(bundle, node))) return false;
  return wished.some((text) => selects(text, node));
}
