/** The nodes that missing instances of a task get, and why each of them, in words. */
import type { Change } from './change.ts';
import { candidateOf, judged, looseIn, placeText } from './eligible.ts';
import { choose } from './place.ts';
import { loadOf, missingOf, occupiedBy } from './places.ts';
import type { NodeRecord, TaskRecord } from './state.ts';

export function chooseFor(change: Change, task: TaskRecord): readonly NodeRecord[] {
  const { state } = change;
  const count = missingOf(task);
  if (count === 0) return [];
  const loose = looseIn(change);
  const asked = loadOf(task.spec);
  const candidates = [];
  for (const { node, refused } of judged(state, task, new Set(occupiedBy(task))))
    if (refused === undefined) candidates.push(candidateOf(state, task, node, asked, loose));
  const { spread } = task.spec;
  const taken =
    spread === undefined
      ? undefined
      : (task.placed ?? []).map((uid) => state.nodes.get(uid)?.labels[spread]);
  return choose(candidates, { count, taken }).flatMap(({ uid }) => state.nodes.get(uid) ?? []);
}

interface Choice {
  readonly kept: readonly string[];
  readonly chosen: readonly NodeRecord[];
}

/** By what each was chosen, as it stood then: later it would be judged by its own instance too. */
export function reasonsOf(
  change: Change,
  task: TaskRecord,
  { kept, chosen }: Choice,
): Readonly<Record<string, string>> | undefined {
  const old = Object.entries(task.chosen ?? {});
  if (chosen.length === 0 && old.every(([uid]) => kept.includes(uid))) return task.chosen;
  const { state } = change;
  return Object.fromEntries([
    ...old.filter(([uid]) => kept.includes(uid)),
    ...chosen.map((node) => [node.uid, placeText(state, task, node, looseIn(change))] as const),
  ]);
}
