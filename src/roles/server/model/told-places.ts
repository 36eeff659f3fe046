/** Placement in words: of each node why an instance is there, or is not; and what is missing. */
import { few } from '../../../base/few.ts';
import type { Shape } from '../../../net/layout.ts';
import { type Judged, judged, looseOf, placeText } from './eligible.ts';
import { missingOf, occupiedBy } from './places.ts';
import type { State, TaskRecord } from './state.ts';

type Told = Pick<Shape<'task'>, 'placed' | 'places' | 'reason'>;

/** Nodes that are told of one by one, those with an instance first. */
const NODES_TOLD = 200;
/** Nodes that are named for what is missing. */
const NODES_NAMED = 5;

/** `each`: with the reason of each node. */
export function toldPlaces(state: State, task: TaskRecord, each: boolean): Told {
  const { spec, placed = [] } = task;
  if (spec.instances === undefined) return {};
  const names = placed.map((uid) => nameOf(state, uid)).sort();
  if (!each && !state.index.short.has(task.task)) return { placed: names };
  const others = [...judged(state, task, new Set(occupiedBy(task)))];
  const reason = missingText(state, task, others);
  if (!each) return { placed: names, reason };
  return { placed: names, places: placesOf(state, task, others), reason };
}

const nameOf = (state: State, uid: string): string => state.nodes.get(uid)?.name ?? '';

function placesOf(
  state: State,
  task: TaskRecord,
  others: readonly Judged[],
): readonly Shape<'answer'>[] {
  const loose = looseOf(state);
  const { placed = [], leaving = [], spec } = task;
  const isFull = missingOf(task) === 0;
  const row = (node: string, ok: boolean, text: string): Shape<'answer'> => ({ ok, node, text });
  const here = placed.flatMap((uid) => placeOf(state, task, uid) ?? []);
  const going = leaving.map(({ uid, why }) => row(nameOf(state, uid), false, `it leaves: ${why}`));
  const rest = others.map(({ node, refused }) => {
    const text = placeText(state, task, node, loose);
    const full = `${spec.instances} ${spec.instances === 1 ? 'is' : 'are'} placed already`;
    const free = isFull ? `${full}; it has ${text}` : `it has ${text}`;
    return row(node.name, false, refused ?? free);
  });
  const byName = (a: Shape<'answer'>, b: Shape<'answer'>): number =>
    (a.node ?? '') < (b.node ?? '') ? -1 : 1;
  return [...here.sort(byName), ...going.sort(byName), ...rest.sort(byName)].slice(0, NODES_TOLD);
}

function placeOf(state: State, task: TaskRecord, uid: string): Shape<'answer'> | undefined {
  const node = state.nodes.get(uid);
  if (!node) return undefined;
  return {
    ok: true,
    node: node.name,
    text: `chosen: ${task.chosen?.[uid] ?? 'it was there already'}`,
  };
}

/** `2 of 3 placed: …`; undefined where none is missing. */
function missingText(
  state: State,
  task: TaskRecord,
  others: readonly Judged[],
): string | undefined {
  const { spec, placed = [], leaving = [] } = task;
  const missing = (spec.instances ?? 0) - placed.length;
  if (missing <= 0) return undefined;
  const why = [
    ...leaving.map(
      (one) => `its instance on ${nameOf(state, one.uid)} is to end first: ${one.why}`,
    ),
    ...others.flatMap(({ refused }) => refused ?? []).sort(),
  ];
  const reasons = why.length === 0 ? 'no other node matches' : few(why, NODES_NAMED);
  return `${placed.length} of ${spec.instances} placed: ${reasons}`;
}
