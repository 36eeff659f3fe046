/**
 * Snapshots of the model: a CBOR sequence (RFC 8742) of [table, key, record], in slices.
 *
 * Records are immutable, so `freeze` is a shallow copy and the slices can be encoded one by one
 * while commands go on being applied. Indexes are rebuilt when a snapshot is loaded.
 */
import { decodeFirst, encode } from 'cborg';
import type { Shape } from '../../../net/layout.ts';
import { indexDrains } from './drain.ts';
import { indexOrder } from './operations.ts';
import { indexPlacements, indexSchedule } from './placement.ts';
import { indexPlaces } from './places.ts';
import { indexRun } from './runs.ts';
import { emptyState, type OperationRecord, type State } from './state.ts';

/** Raised when a record's shape changes; an older snapshot is then not loaded but replayed over. */
const FORMAT = 1;
const SLICE_RECORDS = 500;

const tables = [
  ...(['nodes', 'identities', 'tokens', 'bundles', 'presences', 'tasks', 'runs'] as const),
  ...(['operations', 'orders', 'replies', 'schedules', 'results'] as const),
] as const;

type Entry = readonly [table: string, key: string, record: unknown];

/** All entries as they are now; later changes of the state do not show in them. */
export function freeze(state: State): readonly Entry[] {
  const { fleet, seq, at, audit, ca } = state;
  const entries: Entry[] = [
    ['head', String(FORMAT), { fleet, seq, at, audit, ...(ca ? { ca } : {}) }],
  ];
  for (const table of tables) {
    for (const [key, record] of state[table] as Map<string, unknown>)
      entries.push([table, key, record]);
  }
  for (const [uid, assignment] of state.assignments) {
    const { generation, floor, items, removed } = assignment;
    const record = {
      ...{ generation, floor, removed: [...removed] },
      items: [...items.values()].map(withoutPlan),
    };
    entries.push(['assignments', uid, record]);
  }
  return entries;
}

export function* encodeEntries(entries: readonly Entry[]): Generator<Uint8Array> {
  for (let i = 0; i < entries.length; i += SLICE_RECORDS) {
    const slice = entries.slice(i, i + SLICE_RECORDS).map((entry) => encode(plain(entry)));
    yield Buffer.concat(slice);
  }
}

function plain([table, key, record]: Entry): unknown {
  if (table !== 'operations') return [table, key, record];
  const operation = record as OperationRecord;
  return [table, key, { ...operation, waiting: [...operation.waiting] }];
}

/** Loads a snapshot; undefined where it is of another format. Throws where it is damaged. */
export function loadEntries(bytes: Uint8Array): State | undefined {
  const state = emptyState();
  let rest = bytes;
  while (rest.length > 0) {
    const [entry, left] = decodeFirst(rest) as [Entry, Uint8Array];
    rest = left;
    const [table, key, record] = entry;
    if (table === 'head') {
      if (key !== String(FORMAT)) return undefined;
      Object.assign(state, record);
    } else if (table === 'assignments') putAssignment(state, key, record as SavedAssignment);
    else if (table === 'operations') {
      const saved = record as OperationRecord & { readonly waiting: readonly string[] };
      state.operations.set(key, { ...saved, waiting: new Set(saved.waiting) });
    } else (state[table as 'nodes'] as Map<string, unknown>).set(key, record);
  }
  rebuildIndex(state);
  return state;
}

/** Plans are in the snapshot once, as records; of an item it holds what is the node's own. */
function withoutPlan(item: Shape<'item'>): SavedItem {
  const { plan, ...rest } = item;
  if (!plan) return item;
  return { ...rest, of: plan.schedule, paused: plan.paused === true, drained: plan.draining };
}

function withPlan(state: State, saved: SavedItem): Shape<'item'> {
  if (saved.of === undefined) return saved;
  const { of, paused, drained, ...item } = saved;
  const plan = state.schedules.get(of)?.plan;
  const marks = { ...(paused ? { paused } : {}), ...(drained ? { draining: true } : {}) };
  return { ...item, plan: plan && (paused || drained) ? { ...plan, ...marks } : plan };
}

type SavedItem = Shape<'item'> & {
  readonly of?: string | undefined;
  readonly paused?: boolean | undefined;
  readonly drained?: boolean | undefined;
};

interface SavedAssignment {
  readonly generation: number;
  readonly floor: number;
  readonly items: readonly SavedItem[];
  readonly removed: readonly (readonly [string, number])[];
}

function putAssignment(state: State, uid: string, saved: SavedAssignment): void {
  const { generation, floor } = saved;
  const items = new Map(saved.items.map((item) => [item.item, withPlan(state, item)]));
  state.assignments.set(uid, { generation, floor, items, removed: new Map(saved.removed) });
}

function rebuildIndex(state: State): void {
  for (const node of state.nodes.values()) state.index.nodeByName.set(node.name, node.uid);
  for (const run of state.runs.values()) indexRun(state, run);
  for (const order of state.orders.values()) indexOrder(state, order);
  for (const schedule of state.schedules.values()) indexSchedule(state, schedule);
  indexPlacements(state);
  indexPlaces(state);
  indexDrains(state);
}
