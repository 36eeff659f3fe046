/** Questions about schedules and their firings: those that are, that come, and that were. */
import { decodeShape } from '../../net/codec.ts';
import type { AnyBody, Req, Shape } from '../../net/layout.ts';
import { historyPage } from './history-page.ts';
import { schedulesOf } from './model/placement.ts';
import { selectNodes, taskNamed } from './model/resolve.ts';
import { scheduleRow } from './model/rows.ts';
import { scheduleNamed } from './model/schedules.ts';
import type { ScheduleRecord, State } from './model/state.ts';
import type { ServerPorts } from './ports.ts';
import { coming, comingFires, rowsWithNext } from './scheduling.ts';
import { FireSummary } from './summary.ts';

type Query = Req<'retQuery'>;
type Then = (body: AnyBody) => void;

interface Sources {
  readonly state: State;
  readonly ports: ServerPorts;
}

const PAGE_ROWS = 1_000;
const COMING = 5;
const COMING_MOST = 1_000;

export function schedules({ state, ports }: Sources, query: Query, then: Then): void {
  const rows = chosen(state, query).map((record) => scheduleRow(state, record));
  then({ schedules: rowsWithNext(rows, ports.now().atUs) });
}

/** Instants to come: `next` by schedule, `planned` for each node that will fire them. */
export function next({ state, ports }: Sources, query: Query, then: Then): void {
  const { limit = COMING, on } = query;
  const found = coming(chosen(state, query), ports.now().atUs, Math.min(limit, COMING_MOST));
  if (query.query === 'planned') {
    const uids = on === undefined ? undefined : new Set(selectNodes(state, on).map((n) => n.uid));
    then({ fires: comingFires(state, found, uids) });
    return;
  }
  const fires = found.map(({ record, atUs: plannedUs }): Shape<'fire'> => {
    const { schedule, action, task, bundle } = record.plan;
    return { schedule, action, task, bundle, plannedUs };
  });
  then({ fires });
}

function chosen(state: State, { names, task }: Query): readonly ScheduleRecord[] {
  if (names?.length) {
    const found = [...new Set(names)].map((name) => scheduleNamed(state, name));
    return task === undefined ? found : found.filter(({ plan }) => plan.task === task);
  }
  if (task !== undefined) {
    taskNamed(state, task);
    return schedulesOf(state, task);
  }
  return [...state.schedules.values()].sort((a, b) => (a.plan.schedule < b.plan.schedule ? -1 : 1));
}

/**
 * A page of the ledger; `after` of the answer is where the next begins. With `tail` the newest of
 * a task, newest first.
 */
export function fires(from: Sources, query: Query, then: Then): void {
  const { tail, task } = query;
  if (tail !== undefined) {
    from.ports.history({ kind: 'fire', task, limit: tail, newestFirst: true }, (rows) => {
      then({ fires: rows.map((row) => decodeShape('fire', row.body)) });
    });
    return;
  }
  page(from, query, (rows, after) => then({ fires: rows, after }));
}

function page(
  { state, ports }: Sources,
  query: Query,
  then: (rows: readonly Shape<'fire'>[], after: number | undefined) => void,
): void {
  const { task, names = [], since: sinceUs, after: afterSeq, limit = PAGE_ROWS, on } = query;
  const nodes = on === undefined ? undefined : new Set(selectNodes(state, on).map((n) => n.name));
  const schedule = names.length === 1 ? names[0] : undefined;
  historyPage(ports, { kind: 'fire', task, schedule, sinceUs, afterSeq, limit }, (found, after) => {
    const rows = found
      .map((row) => decodeShape('fire', row.body))
      .filter((fire) => names.length < 2 || names.includes(fire.schedule))
      .filter((fire) => nodes === undefined || nodes.has(fire.node ?? ''));
    then(rows, after);
  });
}

export function summary(from: Sources, query: Query, then: Then): void {
  const figures = new FireSummary();
  const read = (after: number | undefined): void => {
    page(from, { ...query, after, limit: PAGE_ROWS }, (rows, last) => {
      for (const fire of rows) figures.add(fire);
      if (last === undefined) then({ summaries: figures.rows() });
      else read(last);
    });
  };
  read(undefined);
}
