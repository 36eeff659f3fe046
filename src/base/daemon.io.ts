/** What both daemons have around them: their log, and an error that ends them as one line. */
import { LotcError } from './errors.ts';
import { type Log, openLog } from './log.io.ts';

/** Runs a role until it ends; the exit code. */
export async function runDaemon(role: string, work: (log: Log) => Promise<void>): Promise<number> {
  const log = openLog(role);
  try {
    await work(log);
    return 0;
  } catch (error) {
    if (!(error instanceof LotcError)) throw error;
    log('error', error.message, { code: error.code, hint: error.hint });
    return error.exitCode;
  }
}
