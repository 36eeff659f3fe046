/**
 * Questions about the fleet, answered from the model, from soft state and from history. Nothing
 * here changes anything.
 */

import { isRunId } from '../../base/ids.ts';
import { matches } from '../../base/selector.ts';
import { decodeShape } from '../../net/codec.ts';
import type { AnyBody, Req, Shape } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import { fires, next, schedules, summary } from './fires.ts';
import { historyPage } from './history-page.ts';
import type { Question } from './may.ts';
import { Refusal } from './model/change.ts';
import { bundleNamed, nodeNamed, selectNodes, selectorOf, taskNamed } from './model/resolve.ts';
import { bundleRow, operationRow, processRow, taskRow, tokenRow } from './model/rows.ts';
import type { NodeRecord, RunRecord, State } from './model/state.ts';
import type { HistoryRow, ServerPorts } from './ports.ts';

/** Rows in one answer of a list that could be longer than memory likes. */
const HISTORY_LIMIT = 1_000;

type Query = Req<'retQuery'>;
type Then = (body: AnyBody) => void;

export interface QuerySources {
  readonly state: State;
  readonly agents: AgentServer;
  readonly ports: ServerPorts;
}

/** Throws `Refusal` (no such thing, nothing matches); otherwise calls `then` once. */
export function answerQuery(from: QuerySources, query: Query, then: Then): void {
  const { state } = from;
  switch (query.query as Question) {
    case 'nodes':
      return then({ nodes: nodesOf(state, query).map((node) => from.agents.row(node)) });
    case 'processes':
      return processes(from, query, then);
    case 'tasks':
      return then({
        tasks: named(query, state.tasks, (name) => taskNamed(state, name)).map((record) =>
          taskRow(state, record, query.names?.length === 1),
        ),
      });
    case 'bundles':
      return then({
        bundles: named(query, state.bundles, (name) => bundleNamed(state, name)).map((record) =>
          bundleRow(state, record),
        ),
      });
    case 'operations':
      return operations(from, query, then);
    case 'events':
      return events(from, query, then);
    case 'audit':
      return audit(from, query, then);
    case 'tokens':
      return then({ tokens: [...state.tokens.values()].map(tokenRow) });
    case 'stats':
      return then({ samples: samples(from, query) });
    case 'history':
      return history(from, query, then);
    case 'schedules':
      return schedules(from, query, then);
    case 'next':
    case 'planned':
      return next(from, query, then);
    case 'fires':
      return fires(from, query, then);
    case 'summaries':
      return summary(from, query, then);
    default:
      throw new Refusal('unsupported', `this server cannot answer the question "${query.query}"`);
  }
}

function named<T>(
  query: Query,
  all: ReadonlyMap<string, T>,
  one: (name: string) => T,
): readonly T[] {
  if (query.names?.length) return query.names.map(one);
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
}

function nodesOf(state: State, query: Query): readonly NodeRecord[] {
  const chosen = query.on === undefined ? [...state.nodes.values()] : selectNodes(state, query.on);
  if (!query.names?.length) return [...chosen].sort((a, b) => (a.name < b.name ? -1 : 1));
  return query.names.map((name) => nodeNamed(state, name)).filter((node) => chosen.includes(node));
}

const ended = new Set(['exited', 'failed', 'lost']);

function processes(from: QuerySources, query: Query, then: Then): void {
  const { state } = from;
  for (const name of query.names ?? []) checkTarget(state, name, query.all === true);
  const chosen = runsOf(state, query).filter((run) => query.all === true || current(query, run));
  const rows = chosen.map((run) => processRow(state, run)).filter((row) => inStates(query, row));
  if (query.all !== true) return then({ processes: sorted(rows) });
  const [only] = query.names?.length === 1 ? query.names : [];
  const task = only === undefined || isRunId(only) ? undefined : only.split('@')[0];
  const run = only !== undefined && isRunId(only) ? only : undefined;
  from.ports.history(
    { kind: 'run', task, run, limit: HISTORY_LIMIT, newestFirst: true },
    (past) => {
      const known = new Set(rows.map((row) => row.run));
      const more = newestOf(past).filter(
        (row) => !known.has(row.run) && concerns(state, query, row) && inStates(query, row),
      );
      then({ processes: sorted([...rows, ...more]) });
    },
  );
}

/** Without --all: what lives, and the latest run of each task on each node. */
function current(query: Query, run: RunRecord): boolean {
  if (!run.ended) return true;
  if (query.states?.some((state) => ended.has(state)) === true) return true;
  return query.names?.includes(run.run) === true;
}

const inStates = (query: Query, row: Shape<'process'>): boolean =>
  !query.states?.length || query.states.includes(row.processState);

/** `past`: the task may have been removed; then its history says whether it ever was. */
function checkTarget(state: State, name: string, past: boolean): void {
  if (isRunId(name)) return;
  const [task = '', node] = name.split('@', 2);
  if (!past) taskNamed(state, task);
  if (node !== undefined) nodeNamed(state, node);
}

/** Runs of the living set that a query's names and selector choose. */
export function runsOf(
  state: State,
  query: { readonly names?: readonly string[] | undefined; readonly on?: string | undefined },
): readonly RunRecord[] {
  const uids =
    query.on === undefined ? undefined : new Set(selectNodes(state, query.on).map((n) => n.uid));
  const found: RunRecord[] = [];
  for (const run of state.runs.values()) {
    if (uids && !uids.has(run.uid)) continue;
    const node = state.nodes.get(run.uid)?.name ?? '';
    if (!query.names?.length || query.names.some((name) => names(name, run.run, run.task, node))) {
      found.push(run);
    }
  }
  return found;
}

function names(name: string, run: string, task: string | undefined, node: string): boolean {
  return name === run || (task !== undefined && (name === task || name === `${task}@${node}`));
}

function concerns(state: State, query: Query, row: Shape<'process'>): boolean {
  const { run, task, node = '' } = row;
  if (query.names?.length && !query.names.some((name) => names(name, run, task, node)))
    return false;
  if (query.on === undefined) return true;
  const uid = state.index.nodeByName.get(node);
  const record = uid === undefined ? undefined : state.nodes.get(uid);
  return record !== undefined && matches(selectorOf(query.on), record);
}

function sorted(rows: readonly Shape<'process'>[]): readonly Shape<'process'>[] {
  const key = (row: Shape<'process'>): string =>
    `${row.task ?? '\u{10ffff}'}\0${row.node ?? ''}\0${String(row.createdAt ?? 0).padStart(17, '0')}`;
  return [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

export const processOf = (row: HistoryRow): Shape<'process'> => decodeShape('process', row.body);

/** The last word on each run: a start that was withdrawn may have been carried out all the same. */
function newestOf(newestFirst: readonly HistoryRow[]): readonly Shape<'process'>[] {
  const rows = new Map<string, Shape<'process'>>();
  for (const row of newestFirst.map(processOf)) if (!rows.has(row.run)) rows.set(row.run, row);
  return [...rows.values()];
}

function history(from: QuerySources, query: Query, then: Then): void {
  const { state, ports } = from;
  const { task, limit = HISTORY_LIMIT } = query;
  const live = [...state.runs.values()].filter((run) => run.task === task);
  ports.history({ kind: 'run', task, limit, newestFirst: true }, (past) => {
    const rows = new Map(newestOf(past).map((row) => [row.run, row]));
    if (rows.size === 0 && live.length === 0 && task !== undefined && !state.tasks.has(task)) {
      return then({ processes: [] });
    }
    for (const run of live) rows.set(run.run, processRow(state, run));
    const newest = [...rows.values()].sort((a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0));
    return then({ processes: newest.slice(0, limit) });
  });
}

function operations(from: QuerySources, query: Query, then: Then): void {
  const { state, ports } = from;
  const live = [...state.operations.values()].map((record) => operationRow(state, record));
  const wanted = query.names?.[0];
  if (wanted !== undefined) {
    const found = live.find((row) => row.operation === wanted);
    if (found) return then({ operations: [found] });
  }
  const limit = wanted === undefined ? HISTORY_LIMIT : 1;
  ports.history({ kind: 'operation', operation: wanted, limit, newestFirst: true }, (past) => {
    const rows = new Map(
      past.map((row) => [row.operation ?? '', decodeShape('operation', row.body)]),
    );
    if (wanted === undefined) for (const row of live) rows.set(row.operation, row);
    const list = [...rows.values()].sort((a, b) => a.at - b.at);
    then({ operations: list });
  });
}

/** With `tail` the newest of a task, newest first. */
function events({ ports, state }: QuerySources, query: Query, then: Then): void {
  const { after, since, limit = HISTORY_LIMIT, on, tail, task } = query;
  if (tail !== undefined) {
    ports.history({ kind: 'event', task, limit: tail, newestFirst: true }, (rows) => {
      then({ events: rows.map((row) => decodeShape('event', row.body)) });
    });
    return;
  }
  const nodes =
    on === undefined ? undefined : new Set(selectNodes(state, on).map((node) => node.name));
  historyPage(ports, { kind: 'event', afterSeq: after, sinceUs: since, limit }, (rows, behind) => {
    const list = rows.map((row) => decodeShape('event', row.body));
    const chosen = nodes
      ? list.filter((event) => event.node !== undefined && nodes.has(event.node))
      : list;
    then({ events: chosen, after: behind });
  });
}

/** With both ends of the chain as they are now, for who checks it. */
function audit({ ports, state }: QuerySources, query: Query, then: Then): void {
  const { after, since, limit = HISTORY_LIMIT } = query;
  historyPage(ports, { kind: 'audit', afterSeq: after, sinceUs: since, limit }, (rows, behind) => {
    const audits = rows.map((row) => decodeShape('audit', row.body));
    then({ audits, after: behind, ...state.audit });
  });
}

/** Last samples, also of nodes that are away; a node's own row has no run. */
export function samples(
  from: QuerySources,
  query: Pick<Query, 'names' | 'on'>,
): readonly Shape<'sample'>[] {
  const { state, agents } = from;
  const chosen = query.on === undefined ? [...state.nodes.values()] : selectNodes(state, query.on);
  for (const name of query.names ?? []) checkTarget(state, name, false);
  const rows: Shape<'sample'>[] = [];
  for (const node of [...chosen].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const sample of agents.samplesOf(node.uid)) {
      const { run, task } = sample;
      if (query.names?.length) {
        if (run === undefined || !query.names.some((name) => names(name, run, task, node.name)))
          continue;
      }
      rows.push(sample);
    }
  }
  return rows;
}
