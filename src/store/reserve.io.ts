/**
 * Space kept for the day the disk is full: a file of zeros, removed when a commit found no
 * space (a full disk does not even let a database give space back) and written anew when there is
 * room for it and some more. Its presence is the sign that all is well.
 */

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isFull, syncDirectorySync } from './database.io.ts';

const slackBytes = 256 * 1024;
const zeros = new Uint8Array(1 << 20);

export class Reserve {
  readonly #path: string;
  readonly #bytes: number;

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
  }

  /** Gives the space free; the next commit can have it. */
  release(): void {
    rmSync(this.#path, { force: true });
  }

  /** True when the reserve is there in full; writes it if there is room. */
  ensure(): boolean {
    if (this.#bytes === 0) return this.freeBytes() >= slackBytes;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
    try {
      const fd = openSync(this.#path, flags, 0o600);
      try {
        const { size, blocks } = fstatSync(fd);
        const whole = size === this.#bytes && blocks * 512 >= size;
        if (!whole && !this.#fill(fd)) return this.#giveUp();
      } finally {
        closeSync(fd);
      }
      syncDirectorySync(dirname(this.#path));
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      return this.#giveUp();
    }
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    return bavail * bsize;
  }

  #fill(fd: number): boolean {
    // An eighth more than the reserve: whoever just got space back can work on.
    if (this.freeBytes() < this.#bytes + Math.max(this.#bytes >> 3, slackBytes)) return false;
    for (let at = 0; at < this.#bytes; ) {
      at += writeSync(fd, zeros, 0, Math.min(zeros.length, this.#bytes - at), at);
    }
    fsyncSync(fd);
    return true;
  }

  #giveUp(): false {
    this.release();
    return false;
  }
}
