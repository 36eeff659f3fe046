/**
 * Writes the index of a run's logs while the run writes the logs themselves.
 *
 * Idle, it waits on a watch of the directory and costs nothing. At a change it writes how long the
 * files are, and goes on to look every `limits.logIndexMs`, or less often when many runs write at
 * once, until nothing has changed. After a restart of the agent the first look gives what was
 * written meanwhile one record: those lines are known to be no younger. A full disk costs times,
 * never output.
 */
import { constants, existsSync, statSync } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '../base/limits.ts';
import { type LogWatch, watchLogs } from './log-watch.io.ts';
import {
  decodeRecords,
  encodeRecord,
  RECORD_BYTES,
  type Stream,
  streams,
  thinRecords,
} from './logs.ts';
import { sleep } from './until.io.ts';

/** A look takes some 0.1 ms: with this any number of busy runs costs a tenth of a core at most. */
const PACE_MS_PER_BUSY = 1;

/** The indexers of one agent, which share a pace. */
export class LogIndexers {
  readonly #nowUs: () => number;
  readonly #followed = new Map<string, LogIndexer>();
  #busy = 0;

  /** `nowUs`: true time. */
  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
  }

  /** Begins to index a directory that exists; its files may come later. */
  start(directory: string): LogIndexer {
    return new LogIndexer(directory, {
      nowUs: this.#nowUs,
      periodMs: () => Math.max(limits.logIndexMs, this.#busy * PACE_MS_PER_BUSY),
      busy: (change) => {
        this.#busy += change;
      },
    });
  }

  /** Indexes a directory until it is left; what is followed already goes on. */
  follow(directory: string): void {
    if (!this.#followed.has(directory)) this.#followed.set(directory, this.start(directory));
  }

  async leave(directory: string): Promise<void> {
    const indexer = this.#followed.get(directory);
    this.#followed.delete(directory);
    await indexer?.stop();
  }

  async leaveAll(): Promise<void> {
    for (const directory of this.#followed.keys()) await this.leave(directory);
  }
}

interface Pace {
  readonly nowUs: () => number;
  readonly periodMs: () => number;
  readonly busy: (change: 1 | -1) => void;
}

export class LogIndexer implements AsyncDisposable {
  readonly #directory: string;
  readonly #pace: Pace;
  readonly #sizes: Record<Stream, number> = { stdout: 0, stderr: 0 };
  readonly #running: Promise<void>;
  readonly #stopping = Promise.withResolvers<void>();
  #stopped = false;
  #file: FileHandle | undefined;
  #position = 0;
  #lastUs = 0;

  constructor(directory: string, pace: Pace) {
    this.#directory = directory;
    this.#pace = pace;
    this.#running = this.#run();
  }

  /** Looks a last time, once the run has ended, and leaves the index complete. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopping.resolve();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    await this.#resume();
    while (!this.#stopped) {
      using watch: LogWatch = watchLogs(this.#directory);
      if (!(await this.#look())) {
        await this.#close();
        await Promise.race([watch.changed, this.#stopping.promise]);
        if (this.#stopped) break;
        await this.#look();
      }
      watch[Symbol.dispose]();
      await this.#lookWhileGrowing();
    }
    await this.#look();
    await this.#close();
  }

  async #lookWhileGrowing(): Promise<void> {
    this.#pace.busy(1);
    try {
      let grown = true;
      while (grown && !this.#stopped) {
        await Promise.race([sleep(this.#pace.periodMs()), this.#stopping.promise]);
        grown = await this.#look();
      }
    } finally {
      this.#pace.busy(-1);
    }
  }

  /** True when a file has changed since the last look; that is in the index then. */
  async #look(): Promise<boolean> {
    let grown = false;
    for (const stream of streams) {
      const sizeBytes = lengthOf(join(this.#directory, stream));
      if (sizeBytes === this.#sizes[stream]) continue;
      grown = true;
      this.#sizes[stream] = sizeBytes;
      this.#lastUs = Math.max(this.#lastUs, this.#pace.nowUs());
      await this.#write({ stream, atUs: this.#lastUs, sizeBytes });
    }
    return grown;
  }

  /** What an earlier agent had seen; a cut last record is overwritten by the next. */
  async #resume(): Promise<void> {
    if (!existsSync(this.#path())) return;
    const bytes = await readFile(this.#path()).catch(() => new Uint8Array());
    this.#position = bytes.length - (bytes.length % RECORD_BYTES);
    for (const record of decodeRecords(bytes)) {
      this.#sizes[record.stream] = record.sizeBytes;
      this.#lastUs = Math.max(this.#lastUs, record.atUs);
    }
  }

  async #write(record: Parameters<typeof encodeRecord>[0]): Promise<void> {
    try {
      if (this.#position >= limits.logIndexBytes) await this.#shorten();
      const file = this.#file ?? (await openInPlace(this.#path()));
      this.#file = file;
      await file.write(encodeRecord(record), 0, RECORD_BYTES, this.#position);
      this.#position += RECORD_BYTES;
    } catch {
      // The place stays free for the next record; the log itself is not affected.
      await this.#close();
    }
  }

  async #shorten(): Promise<void> {
    await this.#close();
    const kept = thinRecords(decodeRecords(await readFile(this.#path())));
    const temporary = `${this.#path()}.tmp`;
    try {
      await writeFile(temporary, Buffer.concat(kept.map(encodeRecord)), { mode: 0o600 });
      await rename(temporary, this.#path());
      this.#position = kept.length * RECORD_BYTES;
    } catch (cause) {
      await rm(temporary, { force: true });
      throw cause;
    }
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }

  #path(): string {
    return join(this.#directory, 'index');
  }
}

/** To write at a position: one opened for appending would ignore it. */
async function openInPlace(path: string): Promise<FileHandle> {
  return open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
}

function lengthOf(path: string): number {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  } catch {
    return 0;
  }
}
