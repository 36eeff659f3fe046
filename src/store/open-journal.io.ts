/**
 * Opens the journal of one server. A journal that must not be written to as it is (damaged, or
 * shorter than somebody was told) is refused here, untouched, unless the loss is accepted.
 */

import { limits } from '../base/limits.ts';
import { startThread } from '../base/thread.io.ts';
import { Calls } from './calls.io.ts';
import type { JournalCalls } from './journal.thread.io.ts';
import type { JournalState } from './journal.ts';
import { SqliteJournal } from './sqlite.io.ts';

export interface JournalOptions {
  /** The database's file; what belongs to it lies beside it under the same name. */
  readonly path: string;
  readonly server: string;
  readonly reserveBytes?: number | undefined;
  /** Goes on with what is there, as a new history. */
  readonly acceptLoss?: boolean | undefined;
  readonly onState?: ((state: JournalState, cause: Error | undefined) => void) | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

export async function openJournal(options: JournalOptions): Promise<SqliteJournal> {
  const { path, server, onWarning = () => {} } = options;
  let journal: SqliteJournal | undefined;
  const calls: Calls<JournalCalls> = new Calls(startThread('journal'), onWarning, (error) =>
    journal?.failed(error),
  );
  try {
    const opened = await calls.call('open', {
      ...{ path, server, acceptLoss: options.acceptLoss ?? false },
      reserveBytes: options.reserveBytes ?? limits.serverReserveBytes,
    });
    for (const warning of opened.warnings) onWarning(warning);
    journal = new SqliteJournal(options, calls, opened);
    return journal;
  } catch (error) {
    await calls.end();
    throw error;
  }
}
