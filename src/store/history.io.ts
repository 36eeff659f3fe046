/**
 * The history people read, as rows beside the records they were made from. Rows are written
 * inside the journal's own commits, with the number of the record they go up to, so that after a
 * crash replay makes exactly the missing ones. What a row's body means is not known here.
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { HistoryKind, HistoryPrune, HistoryQuery, HistoryRow } from './journal.ts';

const kinds = [
  ...(['event', 'run', 'operation', 'fire', 'audit'] as const),
] as const satisfies readonly HistoryKind[];
const keys = ['task', 'node', 'run', 'operation', 'schedule'] as const;
const columns = [...keys, 'name'] as const;
const pageRows = 1_000;
/** Rows removed in one step: a step is over before a commit would notice it. */
const pruneRows = 500;

type StoredRow = Record<(typeof columns)[number], string | null> & {
  readonly seq: number;
  readonly n: number;
  readonly at: number;
  readonly body: Uint8Array;
};

/**
 * Inside the caller's transaction. A row with the name of another of its kind replaces it, unless
 * that is of another node: a name belongs to whom it was first told of.
 */
export function storeRows(insert: StatementSync, rows: readonly HistoryRow[]): void {
  for (const row of rows) {
    const named = columns.map((column) => row[column] ?? null);
    insert.run(kinds.indexOf(row.kind), row.seq, row.n, row.at, ...named, row.body);
  }
}

export function prepareStoreRows(db: DatabaseSync): StatementSync {
  const all = ['kind', 'seq', 'n', 'at', ...columns, 'body'];
  const anew = all.map((column) => `${column} = excluded.${column}`).join(', ');
  return db.prepare(`INSERT INTO history (${all.join(', ')})
    VALUES (${all.map(() => '?').join(', ')})
    ON CONFLICT(kind, name) WHERE name IS NOT NULL DO UPDATE SET ${anew}
      WHERE history.node IS excluded.node
    ON CONFLICT(kind, seq, n) DO UPDATE SET ${anew}`);
}

export function queryRows(db: DatabaseSync, query: HistoryQuery): HistoryRow[] {
  const limit = Math.max(1, Math.min(query.limit, pageRows));
  const where = ['kind = ?'];
  const values: SQLInputValue[] = [kinds.indexOf(query.kind)];
  const and = (condition: string, value: SQLInputValue | undefined): void => {
    if (value === undefined) return;
    where.push(condition);
    values.push(value);
  };
  for (const key of keys) and(`${key} = ?`, query[key]);
  and('seq > ?', query.afterSeq);
  and('seq < ?', query.beforeSeq);
  if (query.sinceUs !== undefined) {
    and('at >= ?', query.sinceUs);
    and('seq >= ?', firstSince(db, query.kind, query.sinceUs));
  }
  const order = query.newestFirst ? 'seq DESC, n DESC' : 'seq, n';
  const select = (extra: string, most: number): StoredRow[] => {
    const text = `SELECT seq, n, at, ${columns.join(', ')}, body FROM history
      WHERE ${where.join(' AND ')}${extra} ORDER BY ${order} LIMIT ${most}`;
    return db.prepare(text).all(...values) as unknown as StoredRow[];
  };
  return wholeRecords(select, limit).map((row) => fromStored(query.kind, row));
}

/** Never cuts the rows of one record apart: the next page begins behind a record. */
function wholeRecords(
  select: (extra: string, most: number) => StoredRow[],
  limit: number,
): StoredRow[] {
  const rows = select('', limit + 1);
  if (rows.length <= limit) return rows;
  const cut = rows.at(-1)?.seq ?? 0;
  const whole = rows.filter(({ seq }) => seq !== cut);
  return whole.length > 0 ? whole : select(` AND seq = ${cut}`, -1);
}

function firstSince(db: DatabaseSync, kind: HistoryKind, sinceUs: number): number {
  const query = db.prepare('SELECT min(seq) AS seq FROM history WHERE kind = ? AND at >= ?');
  return Number(query.get(kinds.indexOf(kind), sinceUs)?.['seq'] ?? 0);
}

function fromStored(kind: HistoryKind, row: StoredRow): HistoryRow {
  const { seq, n, at, body } = row;
  const named: Partial<Record<(typeof columns)[number], string>> = {};
  for (const key of columns) {
    const value = row[key];
    if (value !== null) named[key] = value;
  }
  return { seq, n, kind, at, ...named, body };
}

/** Rows of the kind before this instant may go; undefined when none may. */
export function pruneThreshold(db: DatabaseSync, prune: HistoryPrune): number | undefined {
  const { kind, beforeUs, keep } = prune;
  if (keep === undefined) return beforeUs;
  const query = db.prepare(
    'SELECT at FROM history WHERE kind = ? ORDER BY at DESC LIMIT 1 OFFSET ?',
  );
  const oldestKept = query.get(kinds.indexOf(kind), Math.max(0, keep - 1))?.['at'];
  if (oldestKept === undefined) return undefined;
  const bound = keep === 0 ? Number(oldestKept) + 1 : Number(oldestKept);
  return beforeUs === undefined ? bound : Math.min(bound, beforeUs);
}

/** Removes some of the rows before the instant; zero when none is left. */
export function pruneStep(db: DatabaseSync, kind: HistoryKind, beforeUs: number): number {
  const step = db.prepare(`DELETE FROM history WHERE (kind, seq, n) IN (SELECT kind, seq, n
    FROM history WHERE kind = ? AND at < ? ORDER BY at LIMIT ${pruneRows})`);
  return Number(step.run(kinds.indexOf(kind), beforeUs).changes);
}
