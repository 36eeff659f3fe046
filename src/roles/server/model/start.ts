/** The start of a run: made (`pending`), its order given to its node or held back (held.ts). */
import type { Change } from './change.ts';
import { waitsOf } from './dependencies.ts';
import { holdBack } from './held.ts';
import { makeId } from './ids.ts';
import { leaseOf } from './lease-rules.ts';
import { giveOrder, type OrderDraft, operationId } from './operations.ts';
import { addRun } from './runs.ts';
import type { RunRecord } from './state.ts';

export interface StartDraft {
  readonly uid: string;
  readonly task?: string | undefined;
  readonly spec: NonNullable<OrderDraft['spec']>;
  readonly revision?: number | undefined;
  readonly bundle?: string | undefined;
  readonly digest?: string | undefined;
  readonly reason: string;
  readonly order: OrderDraft;
  /** As of `Starting` (dependencies.ts). */
  readonly restartsWith?: readonly string[] | undefined;
  /** Another than the command's own. */
  readonly operation?: string | undefined;
}

export function orderStart(change: Change, draft: StartDraft): RunRecord {
  const { command } = change;
  const { uid, task, spec, revision, bundle, digest } = draft;
  const run = makeId('R', command.key, uid, task ?? '');
  const operation = draft.operation ?? operationId(change);
  const { env, arguments: more } = draft.order;
  const lease = task === undefined ? undefined : leaseOf(change.state, spec);
  const record: RunRecord = {
    ...{ run, task, uid, bundle, digest, operation, createdAt: command.at, ended: false },
    ...(lease ? { lease } : {}),
    ...(env || more ? { given: { env, arguments: more } } : {}),
    row: { run, processState: 'pending', restarts: 0, reason: draft.reason, command: spec.command },
  };
  const { restartsWith } = draft;
  const starting = { task: task ?? '', uid, spec, at: command.at, restartsWith };
  const { here, away } = waitsOf(change.state, starting);
  const order: OrderDraft = {
    ...draft.order,
    ...{ run, task, spec, revision, bundle, digest },
    ...(lease ? { term: lease.term } : {}),
    ...(spec.afterTasks === undefined ? {} : { afterTasks: here }),
  };
  if (away.length === 0) {
    addRun(change, record);
    giveOrder(change, operation, uid, order);
    return record;
  }
  const held = holdBack(change, operation, run, order, away);
  addRun(change, { ...record, held });
  return { ...record, held };
}
