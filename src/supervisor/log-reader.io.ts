/**
 * A run's output for those who ask: stdout and stderr merged by time, from the end or from an
 * instant on, once or following the run.
 *
 * The reader pulls: nothing is read before the one before was taken, so a slow console holds at
 * most one block of each stream in memory and nobody waits for it. What the index does not know
 * yet is as young as now. Following, it sleeps on a watch of the directory while nothing comes.
 * Where the program writes both streams within one sampling period, their order cannot be known.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { limits } from '../base/limits.ts';
import { LogFile } from './log-file.io.ts';
import { LogIndex } from './log-index.io.ts';
import { watchLogs } from './log-watch.io.ts';
import { cutLines, type LogChunk, type Stream, skipLines, streams } from './logs.ts';
import { sleep } from './until.io.ts';

export interface ReadLogsOptions {
  /** The run's directory of logs (`paths(…).logs`). */
  readonly directory: string;
  /** True time, for what is not in the index yet. */
  readonly nowUs: () => number;
  /** Default: both. */
  readonly streams?: readonly Stream[] | undefined;
  /** Only the last lines there are now, of both streams together; 0: only what comes. */
  readonly tail?: number | undefined;
  /** Only lines written at this instant or later, to within a sampling period. */
  readonly sinceUs?: number | undefined;
  /** Where to go on after a reader that was cut off; without `tail` and `sinceUs`. */
  readonly offsets?: Partial<Readonly<Record<Stream, number>>> | undefined;
  /** Go on with what comes, until `ended` has resolved and everything was read. */
  readonly follow?: boolean | undefined;
  /** Resolves when nothing will be written any more; without it following ends by `signal` only. */
  readonly ended?: Promise<unknown> | undefined;
  /** Ends the reading at once, without an error. */
  readonly signal?: AbortSignal | undefined;
}

const COALESCE_MS = 5;
/** A watch may miss what a remote file system does; a follower looks by itself this often. */
const LOOK_MS = 1_000;

/** Chunks of at most `limits.chunkBytes`, in the order of their time. Ends quietly when logs go. */
export async function* readLogs(options: ReadLogsOptions): AsyncGenerator<LogChunk, void, void> {
  await using stack = new AsyncDisposableStack();
  const index = new LogIndex(options.directory);
  await index.refresh();
  const wanted = streams.filter((stream) => options.streams?.includes(stream) ?? true);
  const cursors: LogCursor[] = [];
  for (const stream of wanted) {
    const file = stack.use(new LogFile(join(options.directory, stream)));
    const cursor = new LogCursor(stream, file, index, options);
    cursors.push(cursor);
    await cursor.begin();
  }
  let skip = await placeAtTail(cursors, options.tail);
  const end = stack.use(new End(options));
  for (;;) {
    // Asked before the look: what is found afterwards was all there is.
    const isOver = end.isOver;
    await index.refreshOften();
    const next = options.signal?.aborted ? undefined : await earliest(cursors, isOver);
    if (options.signal?.aborted) return;
    if (next === undefined) {
      if (isOver || !existsSync(options.directory)) return;
      await waitForMore(options, cursors, end);
      continue;
    }
    const chunk = next.take();
    if (skip === 0) {
      yield chunk;
      continue;
    }
    const { start, skipped } = skipLines(chunk.data, skip);
    skip -= skipped;
    if (start === chunk.data.length) continue;
    yield { ...chunk, data: chunk.data.subarray(start), offset: chunk.offset + start };
  }
}

/** Sets the cursors where the last lines of all begin; returns how many lines are too many. */
async function placeAtTail(
  cursors: readonly LogCursor[],
  tail: number | undefined,
): Promise<number> {
  if (tail === undefined) return 0;
  let lines = 0;
  for (const cursor of cursors) lines += await cursor.keepLast(tail);
  return Math.max(0, lines - tail);
}

async function earliest(
  cursors: readonly LogCursor[],
  isOver: boolean,
): Promise<LogCursor | undefined> {
  let first: LogCursor | undefined;
  for (const cursor of cursors) {
    const atUs = await cursor.peek(isOver);
    if (atUs !== undefined && atUs < (first?.atUs ?? Number.POSITIVE_INFINITY)) first = cursor;
  }
  return first;
}

async function waitForMore(
  options: ReadLogsOptions,
  cursors: readonly LogCursor[],
  end: End,
): Promise<void> {
  using watch = watchLogs(options.directory);
  for (const cursor of cursors) if (await cursor.hasGrown()) return;
  const partialMs = cursors.some((cursor) => cursor.hasPartial) ? limits.logPartialMs : LOOK_MS;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, partialMs);
  });
  await Promise.race([watch.changed, late, end.reached]);
  clearTimeout(timer);
  // A line rarely comes alone; but an end is told at once.
  if (!end.isOver && !options.signal?.aborted) {
    await Promise.race([sleep(COALESCE_MS), end.reached]);
  }
}

/** What ends a reading: at once without `follow`, else the run's end or the reader's wish. */
class End implements Disposable {
  readonly #listening = new AbortController();
  isOver: boolean;
  /** Resolves at the run's end or when the reader gives up. */
  readonly reached: Promise<void>;

  constructor(options: ReadLogsOptions) {
    this.isOver = options.follow !== true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.reached = promise;
    options.ended
      ?.finally(() => {
        this.isOver = true;
        resolve();
      })
      .catch(() => {});
    const { signal } = this.#listening;
    options.signal?.addEventListener('abort', () => resolve(), { once: true, signal });
  }

  [Symbol.dispose](): void {
    this.#listening.abort();
  }
}

/** One stream on its way to the reader: what was read of it and not yet given. */
class LogCursor {
  readonly #stream: Stream;
  readonly #file: LogFile;
  readonly #index: LogIndex;
  readonly #options: ReadLogsOptions;
  /** In the stream, of the first byte of `#bytes`. */
  #offset = 0;
  #bytes: Uint8Array = new Uint8Array();
  #cut = 0;
  /** What follows the bytes held was punched away: they will not get longer. */
  #isTorn = false;
  #grownAtMs = 0;
  /** Without `follow`: what comes later is not read, or a busy run would never let go. */
  #end = Number.MAX_SAFE_INTEGER;
  atUs = 0;

  constructor(stream: Stream, file: LogFile, index: LogIndex, options: ReadLogsOptions) {
    this.#stream = stream;
    this.#file = file;
    this.#index = index;
    this.#options = options;
  }

  async begin(): Promise<void> {
    const { follow, offsets, sinceUs } = this.#options;
    const size = await this.#file.refresh();
    if (follow !== true) this.#end = size;
    this.#offset = offsets?.[this.#stream] ?? 0;
    if (sinceUs !== undefined) {
      const since = this.#index.times[this.#stream].offsetSince(sinceUs);
      // A line that was begun before and ended since is given whole.
      this.#offset = since < size ? await this.#file.lineStart(since, limits.logLineBytes) : size;
    }
  }

  /** Moves on to the last `lines` lines; returns how many there are. */
  async keepLast(lines: number): Promise<number> {
    const end = Math.min(this.#end, this.#file.sizeBytes);
    const range = { from: this.#offset, end };
    const tail = await this.#file.tailOffset(range, lines, limits.chunkBytes);
    this.#offset = tail.offset;
    return tail.lines;
  }

  get hasPartial(): boolean {
    return this.#bytes.length > 0;
  }

  async hasGrown(): Promise<boolean> {
    const size = await this.#file.refresh();
    return size > this.#offset + this.#bytes.length || size < this.#offset;
  }

  /** The time of the chunk that `take` gives; undefined when there is none now. */
  async peek(isOver: boolean): Promise<number | undefined> {
    if (this.#cut > 0) return this.atUs;
    if (this.#bytes.length < limits.chunkBytes) await this.#fill();
    const waitedMs = performance.now() - this.#grownAtMs;
    this.#cut = cutLines(this.#bytes, {
      reach: (end) => this.#reach(end),
      bytesMax: limits.chunkBytes,
      isFinal: isOver || this.#isTorn || waitedMs >= limits.logPartialMs,
    });
    if (this.#cut === 0) return undefined;
    const known = this.#index.times[this.#stream].at(this.#offset + this.#cut);
    this.atUs = Math.max(this.atUs, known?.atUs ?? this.#options.nowUs());
    return this.atUs;
  }

  take(): LogChunk {
    const data = this.#bytes.subarray(0, this.#cut);
    const chunk = { stream: this.#stream, atUs: this.atUs, data, offset: this.#offset };
    this.#bytes = this.#bytes.subarray(this.#cut);
    this.#offset += this.#cut;
    this.#cut = 0;
    return chunk;
  }

  async #fill(): Promise<void> {
    const size = await this.#file.refresh();
    if (size < this.#offset) {
      this.#offset = 0;
      this.#bytes = new Uint8Array();
    }
    const at = this.#offset + this.#bytes.length;
    let more = await this.#file.read(at, this.#end);
    if (more[0] === 0) {
      const next = await this.#file.skipHole(at);
      this.#isTorn = next > at && this.#bytes.length > 0;
      if (this.#isTorn) return;
      if (next > at) more = await this.#file.read(next, this.#end);
      this.#offset = next - this.#bytes.length;
    }
    if (more.length === 0) return;
    this.#grownAtMs = performance.now();
    this.#bytes = this.#bytes.length === 0 ? more : Buffer.concat([this.#bytes, more]);
  }

  /** How far from the first byte held the instant reaches at which a line's end was there. */
  #reach(end: number): number {
    const known = this.#index.times[this.#stream].at(this.#offset + end);
    return known === undefined ? Number.MAX_SAFE_INTEGER : known.reachesTo - this.#offset;
  }
}
