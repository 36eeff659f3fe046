/**
 * A copy of the state to try a command on: what is refused half-way has then changed nothing, and
 * a dry run says what the command itself would say. Records are immutable, so maps are copied and
 * what they hold is not.
 */
import { Change } from './change.ts';
import type { Assignment, State } from './state.ts';

export function trialOf({ state, command, within }: Change): Change {
  const trial = new Change(copyOf(state), command);
  trial.within = within;
  return trial;
}

function copyOf(state: State): State {
  const { index, assignments, ...rest } = state;
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(rest))
    copy[name] = value instanceof Map ? new Map<unknown, unknown>(value) : value;
  const own = new Map<string, Assignment>();
  for (const [uid, { generation, items, removed, floor }] of assignments)
    own.set(uid, { generation, floor, items: new Map(items), removed: new Map(removed) });
  const indexes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(index)) indexes[name] = copyOfIndex(value as Index);
  return { ...copy, assignments: own, index: indexes } as unknown as State;
}

type Index = ReadonlyMap<string, unknown> | ReadonlySet<unknown>;

function copyOfIndex(index: Index): Index {
  if (index instanceof Set) return new Set<unknown>(index);
  const copy = new Map<string, unknown>();
  for (const [key, value] of index as ReadonlyMap<string, unknown>)
    copy.set(key, value instanceof Set ? new Set<unknown>(value) : value);
  return copy;
}
