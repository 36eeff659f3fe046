/**
 * The witness of a journal, kept in a small file beside it: rewritten in place after each commit,
 * synced each second. It is never ahead of what is durable in the journal, and a journal that is
 * behind it has lost something.
 */

import { closeSync, constants, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { encodeWitness, type Witness } from './record.ts';

export class HeadFile {
  readonly #fd: number;
  #dirty = false;

  constructor(path: string) {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
    this.#fd = openSync(path, flags, 0o600);
  }

  /** Best effort on a full disk: a witness that lags is a witness still. */
  write(witness: Witness): void {
    try {
      writeSync(this.#fd, encodeWitness(witness), 0, undefined, 0);
      this.#dirty = true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }

  sync(): void {
    if (!this.#dirty) return;
    fdatasyncSync(this.#fd);
    this.#dirty = false;
  }

  close(): void {
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }
}
