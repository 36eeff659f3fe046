/** Rows as messages carry them, made from records. */
import { errorCodes } from '../../../base/errors.ts';
import type { Shape } from '../../../net/layout.ts';
import { marked } from '../secrets.ts';
import { scheduleSelects } from './placement.ts';
import { bundleSelects } from './resolve.ts';
import { rowOf } from './runs.ts';
import type {
  Answer,
  BundleRecord,
  IdentityRecord,
  NodeRecord,
  OperationRecord,
  RunRecord,
  ScheduleRecord,
  State,
  TaskRecord,
  TokenRecord,
} from './state.ts';
import { toldPlaces } from './told-places.ts';

export function answerRow({ code, ...rest }: Answer): Shape<'answer'> {
  return code === undefined ? rest : { ...rest, errorCode: errorCodes[code].number };
}

export function operationRow(state: State, record: OperationRecord): Shape<'operation'> {
  const { operation, verb, targets, at, who, origin } = record;
  const nodes = [...record.waiting]
    .map((token) => waitedNode(state, token))
    .filter((n) => n !== '');
  return {
    ...{ operation, verb, targets, at, who, origin, operationState: record.state },
    answers: record.answers.map(answerRow),
    nodes: [...new Set(nodes)].sort().map((node) => ({ node, nodeState: '' })),
  };
}

/** The node that still has to answer: `order` or `bundle uid` is what is waited for. */
function waitedNode(state: State, token: string): string {
  const uid = state.orders.get(token)?.uid ?? token.slice(token.lastIndexOf(' ') + 1);
  return state.nodes.get(uid)?.name ?? '';
}

export function processRow(state: State, record: RunRecord): Shape<'process'> {
  return rowOf(state, record.row, record);
}

/** `each`: with a reason for each node, where it is placed on some. */
export function taskRow(state: State, record: TaskRecord, each: boolean): Shape<'task'> {
  const { task, spec, enabled, revision, createdAt, at, who } = record;
  const row = { task, spec: marked(spec), enabled, revision, createdAt, at, who };
  return { ...row, ...toldPlaces(state, record, each) };
}

/** As people see it; `next` is added by who has a calendar. */
export function scheduleRow(state: State, record: ScheduleRecord): Shape<'schedule'> {
  const resting = new Set(record.pausedOn);
  for (const node of state.nodes.values()) {
    if (node.paused && scheduleSelects(state, record, node)) resting.add(node.uid);
  }
  const pausedOn = [...resting].map((uid) => state.nodes.get(uid)?.name ?? '').sort();
  return { ...record.plan, paused: record.paused, pausedOn };
}

/** What a repeated command made the first time may have gone since: its id is the answer still. */
export function rowOfMade(state: State, schedule: string): Shape<'schedule'> {
  const record = state.schedules.get(schedule);
  if (record) return scheduleRow(state, record);
  return { schedule, action: '', sinceUs: 0, revision: 0, missed: '', overlap: '' };
}

export const presenceKey = (uid: string, bundle: string): string => `${uid} ${bundle}`;

export function bundleRow(state: State, record: BundleRecord): Shape<'bundle'> {
  const { bundle, digest, sizeBytes, createdAt, at, who, signer } = record;
  const presences: Shape<'presence'>[] = [];
  for (const node of state.nodes.values()) {
    if (!bundleSelects(record, node)) continue;
    const presence = state.presences.get(presenceKey(node.uid, bundle));
    const current = presence?.digest === digest ? presence : undefined;
    const bundleState = current?.state ?? 'loading';
    presences.push({ node: node.name, bundleState, reason: current?.reason, digest });
  }
  presences.sort((a, b) => (a.node < b.node ? -1 : 1));
  const on = record.on.join(' | ');
  return { bundle, digest, sizeBytes, on, presences, createdAt, at, who, signer };
}

export function nodeRow(record: NodeRecord): Omit<Shape<'node'>, 'nodeState'> {
  const { name: node, uid, labels, addresses, build, lastSeen, createdAt, containment } = record;
  const { paused, holds, room } = record;
  return {
    ...{ node, uid, labels, addresses, build, lastSeen, createdAt, containment, holds, room },
    ...{ paused, draining: record.draining === undefined ? undefined : true },
  };
}

export function identityRow(record: IdentityRecord, seenUs = 0): Shape<'identity'> {
  const { spki, name: identity, role, scope, grants, createdAt, createdBy } = record;
  const { origin, expiresAt, revokedAt, retiredAt } = record;
  const lastSeen = Math.max(record.lastSeen ?? 0, seenUs) || undefined;
  const revoked = revokedAt !== undefined || retiredAt !== undefined;
  return {
    ...{ identity, role, spki, scope, grants, createdAt, createdBy, origin, expiresAt },
    ...{ lastSeen, revoked },
  };
}

export function tokenRow(record: TokenRecord): Shape<'token'> {
  const { spki: _, enrolled: __, ...row } = record;
  return row;
}
