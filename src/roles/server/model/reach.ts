/**
 * Which nodes a request is about: the resolved set that a scope is held against. What cannot be
 * resolved (no such task, nothing matches) is about no node; the model refuses it in its own words.
 *
 * It resolves as the model does when it carries the request out, and errs to the larger set: a
 * task's change is about the nodes it selects before and after, and those where it still runs.
 */
import { isRunId } from '../../../base/ids.ts';
import type { AnyBody, MessageKind } from '../../../net/layout.ts';
import { Refusal } from './change.ts';
import { scheduleSelects, schedulesOf } from './placement.ts';
import {
  bundleSelects,
  nodeNamed,
  resolveTarget,
  selectNodes,
  selectorOf,
  taskMatches,
} from './resolve.ts';
import { liveRuns } from './runs.ts';
import type { NodeRecord, ScheduleRecord, State } from './state.ts';

type Nodes = Iterable<NodeRecord>;

export function reachOf(state: State, kind: MessageKind, body: AnyBody): ReadonlySet<NodeRecord> {
  const nodes = new Set<NodeRecord>();
  for (const part of partsOf(state, kind, body)) {
    try {
      for (const node of part()) nodes.add(node);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return nodes;
}

type Part = () => Nodes;

function partsOf(state: State, kind: MessageKind, body: AnyBody): readonly Part[] {
  const { targets = [], names = [], on } = body;
  switch (kind) {
    case 'taskRun':
    case 'taskStop':
    case 'taskCont':
    case 'taskKill': {
      const starting = kind === 'taskRun' || body.timing !== undefined;
      return targets.map((target) => () => aimed(state, target, on, starting));
    }
    case 'retLog':
      return [...targets, ...(body.run === undefined ? [] : [body.run])].map(
        (target) => () => aimed(state, target, on, true),
      );
    case 'taskAdd':
      return [() => ofTask(state, body.task ?? ''), () => ofSpec(state, body.spec)];
    case 'taskRm':
    case 'taskOk':
    case 'taskNok':
      return names.map((name) => () => ofTask(state, name));
    case 'fileDef':
    case 'filePut':
      return [() => ofBundle(state, body.bundle ?? ''), () => selectNodes(state, on ?? '@all')];
    case 'fileRm':
      if (on !== undefined) return [() => selectNodes(state, on)];
      return names.map((name) => () => ofBundle(state, name));
    case 'retQuery':
      return body.query === 'results' ? [() => ofResults(state, body)] : [];
    case 'fileGet':
      return [() => ofContent(state, body.digest ?? '')];
    case 'retExec':
      return [() => selectNodes(state, on ?? '@all')];
    case 'retCancel':
      return [() => waitedFor(state, body.operation ?? '')];
    case 'hostState':
      return [() => [nodeNamed(state, body.node ?? '')]];
    case 'depDrain':
      return names.map((name) => () => [nodeNamed(state, name)]);
    case 'depSchedule':
      if (on !== undefined) return [() => selectNodes(state, on)];
      return scheduled(state, names, body.task).map((record) => () => ofSchedule(state, record));
    case 'depApply':
      // Each of its parts is judged as the request it stands for (manifest-parts.ts).
      return [];
    case 'retInput':
      // To one's own runs, which were judged when they began.
      return [];
    default:
      // A message nobody has written here is about the whole fleet.
      return [() => state.nodes.values()];
  }
}

function* aimed(state: State, target: string, on: string | undefined, starting: boolean): Nodes {
  if (starting && on !== undefined && !isRunId(target) && !target.includes('@')) {
    yield* startedOn(state, target, on);
    return;
  }
  for (const { node } of resolveTarget(state, target, { on, starting })) yield node;
  // Where an instance may come to be.
  if (starting && on === undefined && state.tasks.get(target)?.spec.instances !== undefined)
    yield* ofTask(state, target);
  // What still runs where the task no longer selects.
  if (isRunId(target) || on !== undefined || target.includes('@')) return;
  yield* running(state, target);
}

/** As `resolveTarget` has it, which looks at runs as well: a start is about nodes alone. */
function* startedOn(state: State, name: string, on: string): Nodes {
  const task = state.tasks.get(name);
  if (!task) return;
  const { names } = selectorOf(on);
  for (const node of selectNodes(state, on)) {
    if (taskMatches(state, task, node) || names.has(node.name)) yield node;
  }
}

function* running(state: State, task: string): Nodes {
  for (const { uid } of liveRuns(state, { task })) {
    const node = state.nodes.get(uid);
    if (node) yield node;
  }
}

function* ofTask(state: State, name: string): Nodes {
  const task = state.tasks.get(name);
  if (!task) return;
  for (const node of state.nodes.values()) if (taskMatches(state, task, node)) yield node;
  yield* running(state, name);
}

function* ofSpec(state: State, spec: AnyBody['spec']): Nodes {
  if (!spec) return;
  for (const node of state.nodes.values()) if (taskMatches(state, { spec }, node)) yield node;
}

function* ofBundle(state: State, name: string): Nodes {
  const bundle = state.bundles.get(name);
  if (!bundle) return;
  for (const node of state.nodes.values()) if (bundleSelects(bundle, node)) yield node;
  for (const run of liveRuns(state, {})) {
    const node = run.bundle === name ? state.nodes.get(run.uid) : undefined;
    if (node) yield node;
  }
}

/** Where the runs were whose files are asked for. */
function* ofResults(state: State, { names = [], run, on }: AnyBody): Nodes {
  const one = run ?? names.find(isRunId);
  const [task = '', name] = (names[0] ?? '').split('@', 2);
  if (one === undefined && name !== undefined) yield nodeNamed(state, name);
  else if (one === undefined && on !== undefined) yield* selectNodes(state, on);
  else yield* ofRuns(state, (id, of) => (one === undefined ? of === task : id === one));
}

function* ofRuns(state: State, isMeant: (run: string, task: string | undefined) => boolean): Nodes {
  const uids = new Set<string>();
  for (const { run, task, uid } of state.runs.values()) if (isMeant(run, task)) uids.add(uid);
  for (const { kept, uid } of state.results.values())
    if (isMeant(kept.run, kept.task)) uids.add(uid);
  for (const uid of uids) {
    const node = state.nodes.get(uid);
    if (node) yield node;
  }
}

function* ofContent(state: State, digest: string): Nodes {
  for (const { kept, uid } of state.results.values()) {
    const node = kept.digest === digest ? state.nodes.get(uid) : undefined;
    if (node) yield node;
  }
}

function* waitedFor(state: State, id: string): Nodes {
  for (const token of state.operations.get(id)?.waiting ?? []) {
    const node = state.nodes.get(state.orders.get(token)?.uid ?? '');
    if (node) yield node;
  }
}

function scheduled(
  state: State,
  names: readonly string[],
  task: string | undefined,
): readonly ScheduleRecord[] {
  if (names.length === 0 && task !== undefined) return schedulesOf(state, task);
  return names.flatMap((name) => state.schedules.get(name) ?? []);
}

function* ofSchedule(state: State, record: ScheduleRecord): Nodes {
  for (const node of state.nodes.values()) if (scheduleSelects(state, record, node)) yield node;
}
