/** The core's ports onto the journal, the blobs and the clock. */
import { randomBytes } from 'node:crypto';
import type { Log } from '../../base/log.io.ts';
import type { Tally } from '../../net/tally.ts';
import type { SystemClock } from '../../scheduler/clock.io.ts';
import type { ServerJournal } from '../../store/journal.ts';
import type { ServerPorts } from './ports.ts';
import type { Vault } from './secrets.ts';

/** Seconds during which content may wait for the command that names it. */
const BLOBS_LATER_MS = 60_000;

export interface PortsOptions {
  readonly journal: ServerJournal;
  readonly clock: SystemClock;
  readonly log: Log;
  readonly vault: Vault;
  readonly signers: ReadonlySet<string> | undefined;
  readonly authority: () => string;
  readonly tally: Tally;
  /** Removes content that nothing names. */
  readonly sweep: () => Promise<void>;
}

export function makePorts(options: PortsOptions): ServerPorts {
  const { journal, clock, log, vault, signers, authority, tally, sweep } = options;
  let sweeping: NodeJS.Timeout | undefined;
  return {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    key: () => randomBytes(16),
    append(record, failed, urgent) {
      journal.append([record], { urgent }).catch((error: unknown) => failed(error as Error));
    },
    project(rows, through) {
      if (through > journal.projected) journal.project(rows, through);
    },
    history(query, then) {
      journal.history(query).then(then, (error: unknown) => {
        log('error', 'history cannot be read', { reason: (error as Error).message });
        then([]);
      });
    },
    blobsUnneeded() {
      sweeping ??= setTimeout(() => {
        sweeping = undefined;
        sweep().catch((error: unknown) =>
          log('warn', 'blobs not swept', { reason: String(error) }),
        );
      }, BLOBS_LATER_MS).unref();
    },
    log,
    vault,
    signers,
    authority,
    tally,
  };
}
