/**
 * From what an admin wrote (TASK, TASK@NODE, a run id, a selector) to nodes and runs.
 *
 * A selection that matches nothing is an error, never "everything". `--on` of a verb narrows the
 * task's own selection; a node named by the admin that lies outside it is refused by name.
 */
import { LotcError } from '../../../base/errors.ts';
import { isRunId } from '../../../base/ids.ts';
import { matches, namesIn, parseSelector, type Selector } from '../../../base/selector.ts';
import { Refusal } from './change.ts';
import { latestRun, presentRunsOf } from './runs.ts';
import type { BundleRecord, NodeRecord, RunRecord, State, TaskRecord } from './state.ts';

const parsed = new Map<string, Selector>();

/** Parsing is pure, so what was parsed once is kept. */
export function selectorOf(text: string): Selector {
  let selector = parsed.get(text);
  if (!selector) {
    if (parsed.size > 1_000) parsed.clear();
    try {
      selector = parseSelector(text);
    } catch (error) {
      if (error instanceof LotcError) throw new Refusal(error.code, error.message, error.hint);
      throw error;
    }
    parsed.set(text, selector);
  }
  return selector;
}

export function nodeNamed(state: State, name: string): NodeRecord {
  const uid = state.index.nodeByName.get(name);
  const node = uid === undefined ? undefined : state.nodes.get(uid);
  if (!node) {
    throw new Refusal('no-such-node', `there is no node "${name}"`, 'see: lotc admin node ls');
  }
  return node;
}

/** Nodes a selector selects; names it spells out must exist. Throws where nothing matches. */
export function selectNodes(state: State, text: string): readonly NodeRecord[] {
  const selector = selectorOf(text);
  for (const name of selector.names) nodeNamed(state, name);
  const found: NodeRecord[] = [];
  for (const node of state.nodes.values()) if (matches(selector, node)) found.push(node);
  if (found.length === 0) {
    throw new Refusal('nothing-matches', `no node matches "${text}"`, 'see: lotc admin node ls');
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** As `selectNodes`, but a label selector or @all may match nothing yet. */
export function checkSelector(state: State, text: string): void {
  for (const name of namesIn(selectorOf(text))) nodeNamed(state, name);
}

/**
 * A selector that never selects outside another, as `SELECTOR;SCOPE`: what somebody with a scope
 * sets up for nodes to come. Names in the scope need not exist.
 */
export const bounded = (on: string, scope: string | undefined): string =>
  scope === undefined ? on : `${on};${scope}`;

export const selects = (text: string, node: NodeRecord): boolean =>
  text.split(';').every((part) => matches(selectorOf(part), node));

export const isWithin = (scope: string | undefined, node: NodeRecord): boolean =>
  scope === undefined || matches(selectorOf(scope), node);

export function bundleSelects(bundle: BundleRecord, node: NodeRecord): boolean {
  if (bundle.except.includes(node.name)) return false;
  return bundle.on.some((text) => selects(text, node));
}

/** Where a task may be: all of these nodes, or with `instances` so many of them. */
export function taskMatches(
  state: State,
  task: Pick<TaskRecord, 'spec' | 'within'>,
  node: NodeRecord,
): boolean {
  if (!isWithin(task.within, node)) return false;
  if (task.spec.on !== undefined) return matches(selectorOf(task.spec.on), node);
  const bundle = task.spec.bundle === undefined ? undefined : state.bundles.get(task.spec.bundle);
  return bundle ? bundleSelects(bundle, node) : true;
}

/** Where a task belongs. */
export function taskSelects(
  state: State,
  task: Pick<TaskRecord, 'spec' | 'within' | 'placed'>,
  node: NodeRecord,
): boolean {
  const { spec, placed = [] } = task;
  if (spec.instances !== undefined && !placed.includes(node.uid)) return false;
  return taskMatches(state, task, node);
}

/** Of a task with `instances`: there are nodes for it, though none may have been chosen. */
export function mayBePlaced(state: State, task: TaskRecord): boolean {
  if (task.spec.instances === undefined) return false;
  for (const node of state.nodes.values()) if (taskMatches(state, task, node)) return true;
  return false;
}

export function taskNamed(state: State, name: string): TaskRecord {
  const task = state.tasks.get(name);
  if (!task) {
    throw new Refusal('no-such-task', `there is no task "${name}"`, 'see: lotc admin task ls');
  }
  return task;
}

export function bundleNamed(state: State, name: string): BundleRecord {
  const bundle = state.bundles.get(name);
  if (!bundle) {
    throw new Refusal(
      'no-such-bundle',
      `there is no bundle "${name}"`,
      'see: lotc admin bundle ls',
    );
  }
  return bundle;
}

/** One process a verb is about: a task on a node with its latest run, or a run without a task. */
export interface Aim {
  readonly target: string;
  readonly node: NodeRecord;
  readonly task?: TaskRecord | undefined;
  readonly run?: RunRecord | undefined;
  /** The admin named this node. */
  readonly named: boolean;
  /** And the task does not select it. */
  readonly outside: boolean;
}

export interface ResolveOptions {
  readonly on?: string | undefined;
  /** `start` and `restart` aim at all selected nodes, other verbs at where something lives. */
  readonly starting: boolean;
}

export function resolveTarget(
  state: State,
  target: string,
  options: ResolveOptions,
): readonly Aim[] {
  if (isRunId(target)) return [resolveRun(state, target)];
  const [name = '', nodeName] = target.split('@', 2);
  const task = taskNamed(state, name);
  const named = new Set<string>(nodeName === undefined ? [] : [nodeName]);
  let nodes: readonly NodeRecord[];
  if (nodeName !== undefined) nodes = [nodeNamed(state, nodeName)];
  else if (options.on !== undefined) {
    nodes = selectNodes(state, options.on);
    for (const spelled of namesIn(selectorOf(options.on))) named.add(spelled);
  } else nodes = [...state.nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const aims: Aim[] = [];
  for (const node of nodes) {
    const live = presentRunsOf(state, name, node.uid);
    const selected = taskSelects(state, task, node);
    if (!selected && !named.has(node.name) && (live.length === 0 || options.starting)) continue;
    const latest = live.at(-1) ?? latestRun(state, name, node.uid);
    // Where runs overlap, all of them are meant; a start is judged by the newest.
    for (const run of options.starting || live.length === 0 ? [latest] : live)
      aims.push({ target, node, task, run, named: named.has(node.name), outside: !selected });
  }
  const living = aims.filter((aim) => aim.run && !aim.run.ended);
  if (!options.starting && living.length > 0) return living;
  const isEverywhere = nodeName === undefined && options.on === undefined;
  if (aims.length === 0 && !(isEverywhere && mayBePlaced(state, task))) {
    throw new Refusal(
      'nothing-matches',
      `no node matches task "${name}"${options.on === undefined ? '' : ` on "${options.on}"`}`,
      `see: lotc admin task show ${name}, lotc admin node ls`,
    );
  }
  return aims;
}

function resolveRun(state: State, target: string): Aim {
  const run = state.runs.get(target);
  const node = run && state.nodes.get(run.uid);
  if (!run || !node) {
    throw new Refusal('no-such-run', `there is no run "${target}"`, 'see: lotc admin ps --all');
  }
  const task = run.task === undefined ? undefined : state.tasks.get(run.task);
  return { target, node, task, run, named: true, outside: false };
}
