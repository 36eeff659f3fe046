/**
 * Which nodes may have an instance of a task, and why the others may not; and what stands there
 * already, by which they are chosen among (place.ts). A function of the state.
 */
import { milli } from '../../../supervisor/room.ts';
import type { Change } from './change.ts';
import { limitRefusal } from './limits.ts';
import { type Candidate, type Load, noLoad, type Space, shareOf, sumOf } from './place.ts';
import { loadOf } from './places.ts';
import { bundleSelects, taskMatches } from './resolve.ts';
import { isArmed, latestRun, liveRunsOf } from './runs.ts';
import type { NodeRecord, RunRecord, State, TaskRecord } from './state.ts';

/** Why nothing is placed on a node now, whatever it is; the end of a sentence. */
export function absenceOf({
  name,
  removing,
  draining,
  here,
  left,
}: NodeRecord): string | undefined {
  if (removing !== undefined) return `node ${name} is being removed`;
  if (draining !== undefined) return `node ${name} is draining`;
  if (here) return undefined;
  return `node ${name} is ${left ? 'offline' : 'unresponsive'}`;
}

/** Why a node that the task matches gets no new instance of it. */
export function refusalOn(state: State, task: TaskRecord, node: NodeRecord): string | undefined {
  const absence = absenceOf(node);
  if (absence !== undefined) return absence;
  const { bundle: name } = task.spec;
  const bundle = name === undefined ? undefined : state.bundles.get(name);
  if (name !== undefined && !(bundle && bundleSelects(bundle, node)))
    return `bundle "${name}" is not on node ${node.name}`;
  const fault = limitRefusal(task, node);
  if (fault !== undefined) return fault;
  const hasRun = state.index.ranOn.get(task.task)?.has(node.uid);
  if (hasRun && liveRunsOf(state, task.task, node.uid).length > 0)
    return `an instance on node ${node.name} has not ended`;
  return undefined;
}

/** What is asked of nodes beside what is placed there: by runs of tasks that are not placed. */
export type Loose = ReadonlyMap<string, Load>;

/** Once a command is enough: nothing of it changes by placing. */
export function looseOf(state: State): Loose {
  const sums = new Map<string, Load>();
  for (const { ended, task, uid } of state.runs.values()) {
    const spec = ended || task === undefined ? undefined : state.tasks.get(task)?.spec;
    if (!spec || spec.instances !== undefined) continue;
    sums.set(uid, sumOf(sums.get(uid) ?? noLoad, loadOf(spec)));
  }
  return sums;
}

export interface Judged {
  readonly node: NodeRecord;
  /** Undefined: it may. */
  readonly refused: string | undefined;
}

/** Nodes the task matches; `besides` are not looked at. */
export function* judged(
  state: State,
  task: TaskRecord,
  besides: ReadonlySet<string>,
): Generator<Judged> {
  for (const node of state.nodes.values()) {
    if (besides.has(node.uid) || !taskMatches(state, task, node)) continue;
    yield { node, refused: refusalOn(state, task, node) };
  }
}

export function candidateOf(
  state: State,
  { task, spec }: TaskRecord,
  node: NodeRecord,
  asked: Load,
  loose: Loose,
): Candidate {
  const { uid, name, labels } = node;
  const there = askedOf(state, uid, loose);
  const ran = state.index.ranOn.get(task)?.has(uid) && latestRun(state, task, uid) !== undefined;
  return {
    uid,
    name,
    value: spec.spread === undefined ? undefined : labels[spec.spread],
    sticky: ran ? 2 : holdsBundle(state, spec.bundle, uid) ? 1 : 0,
    share: shareOf(there, asked, spaceOf(node)),
    count: there.count,
  };
}

function askedOf({ index }: State, uid: string, loose: Loose): Load {
  const [placed, other] = [index.asked.get(uid) ?? noLoad, loose.get(uid)];
  return other ? sumOf(placed, other) : placed;
}

function holdsBundle(state: State, name: string | undefined, uid: string): boolean {
  if (name === undefined) return false;
  const presence = state.presences.get(`${uid} ${name}`);
  return presence?.state === 'loaded' && presence.digest === state.bundles.get(name)?.digest;
}

const NO_SPACE: Space = {};

function spaceOf({ room }: NodeRecord): Space {
  if (!room) return NO_SPACE;
  const { slots, cores, memoryBytes } = room;
  return { slots, memoryBytes, milliCores: milli(cores) };
}

/** The loose load of a command's change, once. */
export const looseIn = (change: Change): Loose => (change.loose ??= looseOf(change.state));

/** By what a node is chosen, in words. */
export function placeText(state: State, task: TaskRecord, node: NodeRecord, loose: Loose): string {
  const { spread, bundle } = task.spec;
  const { value, sticky } = candidateOf(state, task, node, loadOf(task.spec), loose);
  const asked = askedOf(state, node.uid, loose);
  const share = shareOf(asked, noLoad, spaceOf(node));
  return [
    ...(spread === undefined ? [] : [value === undefined ? `no ${spread}` : `${spread}=${value}`]),
    ...(sticky === 2 ? ['it ran there before'] : sticky === 1 ? [`bundle "${bundle}"`] : []),
    asked.count === 1 ? '1 instance' : `${asked.count} instances`,
    ...(share > 0 ? [`${Math.round(share * 100)} % of its room asked for`] : []),
  ].join(', ');
}

/** It is up, and nobody has said that it shall not be. */
export const isWanted = ({ ordered, row }: RunRecord): boolean =>
  ordered !== 'down' && row.wish !== 'down' && row.processState !== 'stopping';

/** It is on its way to an end that its policy will not undo. */
export const ends = ({ spec: { restart = 'no' } }: TaskRecord): boolean => restart === 'no';

/** What a schedule began, and no policy begins again, is let end where it is. */
export function isLeft(task: TaskRecord, run: RunRecord): boolean {
  return isArmed(run) || (ends(task) && run.operation === '' && run.row.startedAt !== undefined);
}

/** Of too many the one that is missed least: what does not run, what is away, what is in excess. */
export function leastOf(state: State, { task, spec }: TaskRecord, kept: readonly string[]): string {
  const valueOf = (uid: string): string | undefined =>
    state.nodes.get(uid)?.labels[spec.spread ?? ''];
  const ranked = kept.map((uid, index) => {
    const runs = liveRunsOf(state, task, uid).some(isWanted) ? 1 : 0;
    const here = state.nodes.get(uid)?.here ? 1 : 0;
    const same =
      spec.spread === undefined
        ? 0
        : kept.filter((other) => valueOf(other) === valueOf(uid)).length;
    return { uid, runs, here, same, index };
  });
  ranked.sort((a, b) => a.runs - b.runs || a.here - b.here || b.same - a.same || b.index - a.index);
  return ranked[0]?.uid ?? '';
}
