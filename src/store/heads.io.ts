/**
 * What of an archive is not content: headers, padding, the end. Kept in a file beside the unpacked
 * content it makes the archive again, byte for byte, so that an unpacking that was cut off goes on
 * where it ended, verified from its first byte, and the archive itself is never written.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';

/** So many bytes of headers are gathered, unless content that is worth much stands behind them. */
const GATHER_BYTES = 64 * 1024;
const WORTH_BYTES = 1024 * 1024;

export class Heads {
  readonly #path: string;
  #file: FileHandle | undefined;
  #gathered: Uint8Array[] = [];
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** What an earlier life left; undefined: nothing. */
  async read(): Promise<Uint8Array | undefined> {
    return readFile(this.#path).catch(() => undefined);
  }

  /** From here on, `keptBytes` of what is there are followed by what is added. */
  async begin(keptBytes: number): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND;
    this.#file = await open(this.#path, flags | constants.O_NOFOLLOW, 0o600);
    await this.#file.truncate(keptBytes);
  }

  /** The bytes are copied. */
  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#gathered.push(Uint8Array.from(bytes));
    this.#bytes += bytes.length;
  }

  /** At the end of each chunk: `contentBytes` are still to come in the present file. */
  async settle(contentBytes: number): Promise<void> {
    if (this.#bytes === 0) return;
    if (this.#bytes >= GATHER_BYTES || contentBytes >= WORTH_BYTES) await this.#write();
  }

  async close(): Promise<void> {
    if (this.#file && this.#bytes > 0) await this.#write();
    await this.#file?.close();
    this.#file = undefined;
  }

  async remove(): Promise<void> {
    this.#bytes = 0;
    await this.close();
    await rm(this.#path, { force: true });
  }

  async #write(): Promise<void> {
    const bytes = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#bytes = 0;
    await this.#file?.appendFile(bytes);
  }
}
