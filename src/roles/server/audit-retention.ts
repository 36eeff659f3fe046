/**
 * How the audit lets go of what is old: first the journal is told from which entry on the chain is
 * kept (the anchor, with its hash), then the entries before go. So a chain that begins late says
 * why, and one that was cut by another hand does not check.
 */
import { parseDurationMs } from '../../base/duration.ts';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { ChainEnd } from '../../net/audit.ts';
import { decodeShape } from '../../net/codec.ts';
import type { History } from '../../store/journal.ts';

const PAGE = 1_000;

/** `--keep-audit`: an age. */
export function parseKeepAudit(text: string | undefined): number {
  if (text === undefined) return limits.keepAuditMs;
  const ageMs = parseDurationMs(text, '--keep-audit');
  if (ageMs > 0) return ageMs;
  throw new LotcError('usage', '--keep-audit: 0 keeps nothing that can be told');
}

/** The last entry before an instant (true time, µs); undefined where there is none. */
export async function lastBefore(
  journal: Pick<History, 'history'>,
  beforeUs: number,
): Promise<ChainEnd | undefined> {
  let last: ChainEnd | undefined;
  let afterSeq: number | undefined;
  for (;;) {
    const rows = await journal.history({ kind: 'audit', afterSeq, limit: PAGE });
    for (const row of rows) {
      if (row.at >= beforeUs) return last;
      const { number, hash } = decodeShape('audit', row.body);
      last = { number, hash };
    }
    afterSeq = rows.at(-1)?.seq;
    if (afterSeq === undefined) return last;
  }
}
