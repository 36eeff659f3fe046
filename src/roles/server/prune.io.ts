/** Lets go of what the ledger no longer keeps: at the start, and once an hour. */
import type { Log } from '../../base/log.io.ts';
import type { ServerJournal } from '../../store/journal.ts';
import { prunesOf, type Retention } from './retention.ts';

const EVERY_MS = 3_600_000;

export interface PruneOptions {
  readonly retention: Retention;
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
  };
  const attempt = (): void => {
    prune().catch((error: unknown) => {
      log('warn', 'the ledger cannot be pruned', { reason: (error as Error).message });
    });
  };
  attempt();
  const timer = setInterval(attempt, EVERY_MS);
  return () => clearInterval(timer);
}
