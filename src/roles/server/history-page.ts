/**
 * One page of history, oldest first, and where the next one begins. The journal never cuts the
 * rows of a record apart, so a page may be shorter than what was asked for and still not be the
 * last: only the journal knows whether something is behind it.
 */
import type { HistoryQuery, HistoryRow, ServerPorts } from './ports.ts';

type Then = (rows: readonly HistoryRow[], after: number | undefined) => void;

/** `after` is what the next page comes after; undefined: there is none. */
export function historyPage(
  ports: Pick<ServerPorts, 'history'>,
  query: HistoryQuery,
  then: Then,
): void {
  ports.history(query, (rows) => {
    const afterSeq = rows.at(-1)?.seq;
    if (afterSeq === undefined || rows.length >= query.limit) return then(rows, afterSeq);
    return ports.history({ ...query, afterSeq, limit: 1 }, (behind) => {
      then(rows, behind.length === 0 ? undefined : afterSeq);
    });
  });
}
