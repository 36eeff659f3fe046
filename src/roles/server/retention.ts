/**
 * How long the ledger of firings is kept: by age, by size, or both, whichever comes first. Size is
 * counted in rows of the most a row takes, because a database has no size of one kind of row.
 */
import { parseDurationMs } from '../../base/duration.ts';
import { type LotcError, usage } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { parseSizeBytes } from '../../base/size.ts';
import type { HistoryPrune } from '../../store/journal.ts';

export interface Retention {
  readonly ageMs: number | undefined;
  readonly rows: number | undefined;
}

/** `90d`, `1GiB` or `90d,1GiB`; what is not said has no bound. Absent: the default, which is both. */
export function parseRetention(text: string | undefined): Retention {
  if (text === undefined) {
    return { ageMs: limits.keepFiresMs, rows: rowsIn(limits.keepFiresBytes) };
  }
  let ageMs: number | undefined;
  let rows: number | undefined;
  for (const part of text.split(',')) {
    const isSize = /^[\d.]+([kmgt](i?b)?|b)?$/i.test(part) && !/\dm$/.test(part);
    if (isSize && rows === undefined) rows = rowsIn(parseSizeBytes(part, '--keep-fires'));
    else if (!isSize && ageMs === undefined) ageMs = parseDurationMs(part, '--keep-fires');
    else throw wrong(text);
  }
  if (rows === 0 || ageMs === 0) throw wrong(text);
  return { ageMs, rows };
}

const rowsIn = (bytes: number): number => Math.floor(bytes / limits.fireRowBytes);

function wrong(text: string): LotcError {
  const hint = 'write an age, a size, or both: 90d, 1GiB or 90d,1GiB';
  return usage(`--keep-fires: "${text}" keeps nothing that can be told`, hint);
}

export function prunesOf({ ageMs, rows }: Retention, nowUs: number): readonly HistoryPrune[] {
  const prunes: HistoryPrune[] = [];
  if (ageMs !== undefined) prunes.push({ kind: 'fire', beforeUs: nowUs - ageMs * 1000 });
  if (rows !== undefined) prunes.push({ kind: 'fire', keep: rows });
  return prunes;
}
