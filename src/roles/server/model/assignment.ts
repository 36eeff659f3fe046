/**
 * Assignments: what each node shall have and do, by generation. Every change takes the next
 * generation of its node; a node that is at generation b gets exactly what changed since, or the
 * full list where what was removed since b has been forgotten.
 */
import type { Shape } from '../../../net/layout.ts';
import type { Change } from './change.ts';
import type { Assignment, State } from './state.ts';

/** Removals remembered for each node before a full list is cheaper than their memory. */
const REMOVALS_KEPT = 64;
/** Of these at most so many are kept to oneself. */
const UNTOLD = REMOVALS_KEPT / 4;
/** Somebody may wait for the going of a bundle, which only a node that is told of it confirms. */
const BUNDLE_REMOVALS_KEPT = 1_024;
const BUNDLE_PREFIX = 'bundle:';

export const bundleItem = (bundle: string): string => `${BUNDLE_PREFIX}${bundle}`;

export function newAssignment(): Assignment {
  return { generation: 0, items: new Map(), removed: new Map(), floor: 0 };
}

export type ItemDraft = Omit<Shape<'item'>, 'generation'>;

export function assign(change: Change, uid: string, draft: ItemDraft): void {
  const assignment = change.state.assignments.get(uid);
  if (!assignment) return;
  assignment.generation += 1;
  assignment.removed.delete(draft.item);
  // Taken out first: items stay in the order of their last change.
  assignment.items.delete(draft.item);
  assignment.items.set(draft.item, { ...draft, generation: assignment.generation });
  change.nodes.add(uid);
}

/** Whether the node has been told to have this content. */
export function isMeantFor(state: State, uid: string, digest: string): boolean {
  for (const item of state.assignments.get(uid)?.items.values() ?? [])
    if (item.digest === digest || item.plan?.digest === digest) return true;
  return false;
}

/** `soon`: the node need not be told at once, since nothing there waits for it. */
export function withdraw(change: Change, uid: string, item: string, when?: 'soon'): void {
  const assignment = change.state.assignments.get(uid);
  if (!assignment?.items.delete(item)) return;
  remove(assignment, item);
  // Removals that are forgotten before they are told cost a full list.
  const due = assignment.generation % UNTOLD === 0;
  if (when !== 'soon' || due) change.nodes.add(uid);
}

/** What the node may have changed by itself: it is told once more what it is to have of it. */
export function retell(change: Change, uid: string, item: string): void {
  const assignment = change.state.assignments.get(uid);
  const known = assignment?.items.get(item);
  if (!assignment || known) return known && assign(change, uid, known);
  remove(assignment, item);
  change.nodes.add(uid);
}

function remove(assignment: Assignment, item: string): void {
  assignment.generation += 1;
  assignment.removed.set(item, assignment.generation);
  if (assignment.removed.size > REMOVALS_KEPT) forgetOne(assignment);
}

/** The oldest removal goes, other items before bundles. */
function forgetOne(assignment: Assignment): void {
  const { removed } = assignment;
  const bundlesToo = removed.size > REMOVALS_KEPT + BUNDLE_REMOVALS_KEPT;
  for (const [item, generation] of removed) {
    if (item.startsWith(BUNDLE_PREFIX) && !bundlesToo) continue;
    removed.delete(item);
    assignment.floor = Math.max(assignment.floor, generation);
    return;
  }
}

export interface Delta {
  readonly base: number;
  readonly generation: number;
  readonly items: readonly Shape<'item'>[];
  readonly removed: readonly string[];
  /** The full list: what is not in it is not assigned. */
  readonly reset: boolean;
}

/**
 * What brings a node from generation `base` (undefined: unknown) to today's. `namedAt` is the
 * generation at which it was told the names of all its items: older removals it knows of.
 */
export function deltaSince(
  state: State,
  uid: string,
  base: number | undefined,
  namedAt = base,
): Delta | undefined {
  const assignment = state.assignments.get(uid);
  if (!assignment) return undefined;
  const { generation, floor } = assignment;
  if (base === undefined || namedAt === undefined || namedAt < floor || base > generation) {
    const items = [...assignment.items.values()];
    // Not for what the node has, which the list says, but for who waits for the going of a bundle.
    const removed = [...assignment.removed.keys()];
    return { base: 0, generation, items, removed, reset: true };
  }
  if (base === generation) return undefined;
  const items: Shape<'item'>[] = [];
  for (const item of assignment.items.values()) if (item.generation > base) items.push(item);
  const removed: string[] = [];
  for (const [item, gone] of assignment.removed) if (gone > namedAt) removed.push(item);
  return { base, generation, items, removed, reset: false };
}
