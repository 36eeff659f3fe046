/** A tar that is made of files and grows in one, hashed as it is written. */
import { createHash, type Hash } from 'node:crypto';
import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { ArchiveEntry } from './archive.ts';
import { encodeHeader } from './tar-layout.ts';
import { BLOCK_BYTES, padding } from './tar-reader.ts';

const WINDOW_BYTES = 1024 * 1024;

export class TarFile {
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  readonly #window = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  #filled = 0;
  sizeBytes = 0;
  files = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** The file behind `fd`, so many bytes of it; false where it is shorter by now. */
  async add(
    { path, executable, size }: Pick<ArchiveEntry, 'path' | 'executable' | 'size'>,
    fd: number,
    breathe: () => Promise<void>,
  ): Promise<boolean> {
    const entry = { path, kind: 'file', executable, size, target: '', source: 0 } as const;
    this.files += 1;
    await this.#put(encodeHeader(entry));
    const whole = await this.#content(fd, size, breathe);
    await this.#put(Buffer.alloc(padding(size)));
    return whole;
  }

  async finish(): Promise<string> {
    await this.#put(Buffer.alloc(2 * BLOCK_BYTES));
    await this.#flush();
    await this.#file.sync();
    return `sha256:${this.#hash.digest('hex')}`;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** As many bytes as its header says; zeros where the file has become shorter. */
  async #content(fd: number, size: number, breathe: () => Promise<void>): Promise<boolean> {
    for (let at = 0; at < size; ) {
      const room = Math.min(this.#window.length - this.#filled, size - at);
      const count = readSync(fd, this.#window, this.#filled, room, at);
      if (count === 0) {
        for (let left = size - at; left > 0; left -= WINDOW_BYTES)
          await this.#put(Buffer.alloc(Math.min(left, WINDOW_BYTES)));
        return false;
      }
      at += count;
      await this.#grown(count);
      await breathe();
    }
    return true;
  }

  async #put(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + this.#window.length - this.#filled);
      this.#window.set(part, this.#filled);
      at += part.length;
      await this.#grown(part.length);
    }
  }

  async #grown(count: number): Promise<void> {
    this.#filled += count;
    this.sizeBytes += count;
    if (this.#filled === this.#window.length) await this.#flush();
  }

  async #flush(): Promise<void> {
    const part = this.#window.subarray(0, this.#filled);
    this.#hash.update(part);
    for (let at = 0; at < part.length; ) {
      const { bytesWritten } = await this.#file.write(part, at, part.length - at);
      at += bytesWritten;
    }
    this.#filled = 0;
  }
}
