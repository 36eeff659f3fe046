/** Lets go of what ledger and audit no longer keep: at the start, and once an hour. */
import type { Log } from '../../base/log.io.ts';
import type { ChainEnd } from '../../net/audit.ts';
import type { ServerJournal } from '../../store/journal.ts';
import { lastBefore } from './audit-retention.ts';
import { prunesOf, type Retention } from './retention.ts';

const EVERY_MS = 3_600_000;

export interface PruneOptions {
  readonly retention: Retention;
  readonly keepAuditMs: number;
  /** Journals that the audit is kept from behind this entry on. */
  anchor(end: ChainEnd): Promise<void>;
  /** True time as the journal has it: a wrong clock must not empty the ledger. */
  nowUs(): number;
  readonly log: Log;
}

/** Returns how to stop. What cannot be removed now is removed the next time. */
export function keepPruning(journal: ServerJournal, options: PruneOptions): () => void {
  const { retention, log } = options;
  const prune = async (): Promise<void> => {
    let removed = 0;
    for (const one of prunesOf(retention, options.nowUs())) {
      removed += await journal.pruneHistory(one);
    }
    if (removed > 0) log('info', 'old firings removed from the ledger', { removed });
    await pruneAudit();
  };
  const pruneAudit = async (): Promise<void> => {
    const beforeUs = options.nowUs() - options.keepAuditMs * 1000;
    const end = await lastBefore(journal, beforeUs);
    if (!end) return;
    await options.anchor(end);
    const removed = await journal.pruneHistory({ kind: 'audit', beforeUs });
    log('info', 'old entries removed from the audit', { removed, upTo: end.number });
  };
  const attempt = (): void => {
    prune().catch((error: unknown) => {
      log('warn', 'ledger or audit cannot be pruned', { reason: (error as Error).message });
    });
  };
  attempt();
  const timer = setInterval(attempt, EVERY_MS);
  return () => clearInterval(timer);
}
