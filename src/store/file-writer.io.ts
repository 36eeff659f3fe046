/**
 * Content that arrives in chunks of any size → files on disk, synced, without the event loop ever
 * waiting for the disk: on a busy one a single write can take 150 ms, and this loop also kills.
 *
 * A small file is collected and then written by one task among several in the background; a large
 * one is written in buffers of its own while the next buffer fills. `Background` bounds both how
 * many tasks and how many bytes are under way, and remembers the first failure.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/**
 * Up to here a file is written as one piece; beyond, in pieces of this size: two of a MiB fall out
 * of the core's cache before the kernel copies them, which took four times as long.
 */
const WHOLE_FILE_BYTES = 256 * 1024;
/** The kernel is told to start writing after so much, so that the last sync is a short one. */
const FLUSH_EVERY_BYTES = 64 * 1024 * 1024;
const TASKS = 16;
const TASK_BYTES = 8 * 1024 * 1024;
/** Exclusively: what is there, link or file, is never written through. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const GO_ON_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW;

export class Background {
  readonly #tasks = new Set<Promise<void>>();
  #bytes = 0;
  #failure: { readonly cause: unknown } | undefined;

  /** Resolves when there is room for more; rejects with what an earlier task failed with. */
  async add(task: () => Promise<void>, bytes: number): Promise<void> {
    this.#bytes += bytes;
    const running = task()
      .catch((cause: unknown) => {
        this.#failure ??= { cause };
      })
      .finally(() => {
        this.#bytes -= bytes;
        this.#tasks.delete(running);
      });
    this.#tasks.add(running);
    while (this.#tasks.size >= TASKS || (this.#bytes > TASK_BYTES && this.#tasks.size > 0)) {
      await Promise.race(this.#tasks);
    }
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  /** Resolves when nothing is under way any more and nothing has failed. */
  async drain(): Promise<void> {
    await Promise.all(this.#tasks);
    if (this.#failure !== undefined) throw this.#failure.cause;
  }
}

export interface FileOptions {
  readonly mode: number;
  readonly sizeBytes: number;
  /** What is given is put behind the bytes that are there. */
  readonly goOn?: boolean;
}

export class FileWriter {
  readonly #path: string;
  readonly #mode: number;
  readonly #sizeBytes: number;
  readonly #flags: number;
  #buffer: Buffer;
  #spare: Buffer | undefined;
  #filled = 0;
  #handle: FileHandle | undefined;
  /** The write of the other buffer. */
  #writing: Promise<void> = Promise.resolve();
  #flushing: Promise<void> = Promise.resolve();
  #unflushedBytes = 0;

  constructor(path: string, options: FileOptions) {
    this.#path = path;
    this.#mode = options.mode;
    this.#sizeBytes = options.sizeBytes;
    this.#flags = options.goOn ? GO_ON_FLAGS : FLAGS;
    this.#buffer = Buffer.allocUnsafe(Math.min(options.sizeBytes, WHOLE_FILE_BYTES));
  }

  /** The bytes are copied: the caller's chunk is free again. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + this.#buffer.length - this.#filled);
      this.#buffer.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === this.#buffer.length && this.#sizeBytes > WHOLE_FILE_BYTES) {
        await this.#flush();
      }
    }
  }

  /** All content has been given; the rest happens in the background. */
  async end(background: Background): Promise<void> {
    await background.add(() => this.#complete(), this.#buffer.length);
  }

  /** Gives up what is half done. */
  async close(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#flushing.catch(() => {});
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #complete(): Promise<void> {
    try {
      await this.#writing;
      await this.#flushing;
      this.#handle ??= await open(this.#path, this.#flags, 0o600);
      await writeAll(this.#handle, this.#buffer.subarray(0, this.#filled));
      await this.#handle.chmod(this.#mode);
      await this.#handle.sync();
    } finally {
      await this.close();
    }
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const handle = (this.#handle ??= await open(this.#path, this.#flags, 0o600));
    const full = this.#buffer;
    this.#buffer = this.#spare ?? Buffer.allocUnsafe(full.length);
    this.#spare = full;
    this.#filled = 0;
    this.#writing = this.#put(handle, full);
    // Its failure is the next flush's or the end's; until then it is nobody's surprise.
    this.#writing.catch(() => {});
  }

  /** One flush at a time: the writer waits when the disk is a whole one behind. */
  async #put(handle: FileHandle, bytes: Uint8Array): Promise<void> {
    await writeAll(handle, bytes);
    this.#unflushedBytes += bytes.length;
    if (this.#unflushedBytes < FLUSH_EVERY_BYTES) return;
    this.#unflushedBytes = 0;
    await this.#flushing;
    this.#flushing = handle.datasync();
    this.#flushing.catch(() => {});
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}
