/**
 * How a bug of ours ends the process: with its stack and 1. Node would quote the line of source
 * as well, and a bundle has lines of a hundred kilobytes.
 */
import { writeSync } from 'node:fs';

export function crashPlainly(): void {
  process.on('uncaughtException', (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    writeSync(2, `lotc: ${text}\n`);
    process.exit(1);
  });
}
