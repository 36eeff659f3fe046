/**
 * The agent's durable store: tables in a log of commits (table-log.ts). A commit is one write to
 * a file opened with O_DSYNC, by libuv's own threads: no thread of ours, no second copy of the
 * values in memory, one sync. Commits that arrive while one is under way share the next: a claim
 * of firings, a report and an assignment cost one sync together.
 *
 * The file grows by zeros written in advance, so that most syncs have no new length to store. What
 * was overwritten or removed goes when the log is several times as long as what lives: a new log
 * is written beside it and renamed over it. After an error that is not a full disk nothing is
 * tried again: what a failed sync left on the disk cannot be known.
 */
import { closeSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { step } from '../base/step.io.ts';
import { isFull } from './database.io.ts';
import { syncDirectory } from './durable.io.ts';
import { Reserve } from './reserve.io.ts';
import { failureOf, openLog, writeAt, writeLog } from './table-file.io.ts';
import {
  type Encoded,
  encodeWrites,
  FRAME_BYTES,
  frameOf,
  type Place,
  type Scan,
} from './table-log.ts';
import type { TableStore, TableWrite } from './tables.ts';

export interface TablesOptions {
  readonly reserveBytes?: number | undefined;
  /** The store takes no writes any more, and the program is to end. */
  readonly onFatal?: ((error: Error) => void) | undefined;
}

/** More bytes than this in one frame make a commit that everybody else waits for. */
const batchBytes = 1 << 20;
const roomBytes = 128 << 10;
const shortestBytes = 1 << 20;
const oftenLive = 4;
const reserveRetryMs = 1_000;

interface Pending {
  readonly part: Encoded;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Value {
  readonly at: number;
  readonly length: number;
}

/** Blocks for as long as the file is read: nothing else has begun. */
export async function openTables(path: string, options: TablesOptions = {}): Promise<TableStore> {
  const reserve = new Reserve(`${path}.reserve`, options.reserveBytes ?? limits.agentReserveBytes);
  rmSync(`${path}.tmp`, { force: true });
  const { fd, scan } = openLog(path, reserve);
  return new LogTables(path, { fd, scan, reserve, onFatal: options.onFatal ?? (() => {}) });
}

interface Parts {
  readonly fd: number;
  readonly scan: Scan;
  readonly reserve: Reserve;
  readonly onFatal: (error: Error) => void;
}

class LogTables implements TableStore {
  readonly #path: string;
  readonly #reserve: Reserve;
  readonly #onFatal: (error: Error) => void;
  readonly #tables = new Map<string, Map<string, Value>>();
  #fd: number;
  /** Behind the last frame, and behind the room made for the next ones. */
  #end: number;
  #room: number;
  #number: number;
  #liveBytes = 0;
  #shortenAt = shortestBytes;
  #waiting: Pending[] = [];
  #commit: Promise<void> | undefined;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;
  #reserved: boolean;
  #reserveTimer: NodeJS.Timeout | undefined;

  constructor(path: string, { fd, scan, reserve, onFatal }: Parts) {
    this.#path = path;
    this.#fd = fd;
    this.#reserve = reserve;
    this.#onFatal = onFatal;
    this.#end = scan.end;
    this.#room = scan.end;
    this.#number = scan.number;
    this.#take(scan.places, 0);
    this.#reserved = reserve.ensure();
    if (!this.#reserved) this.#retryReserve();
  }

  async commit(writes: readonly TableWrite[]): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw new LotcError('io', 'the tables are closed');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ part: encodeWrites(writes), resolve, reject });
    if (!this.#commit) queueMicrotask(() => this.#pump());
    return promise;
  }

  async load(table: string): Promise<[string, Uint8Array][]> {
    while (this.#commit) await this.#commit;
    const places = [...(this.#tables.get(table) ?? [])];
    if (places.length === 0) return [];
    const file = readFileSync(this.#path);
    return places
      .map(([key, { at, length }]): [Buffer, string, Uint8Array] => [
        ...([Buffer.from(key), key] as const),
        new Uint8Array(file.subarray(at, at + length)),
      ])
      .sort(([a], [b]) => a.compare(b))
      .map(([, key, value]) => [key, value]);
  }

  async size(): Promise<number> {
    return this.#end;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#reserveTimer);
    this.#pump();
    while (this.#commit) await this.#commit;
    if (!this.#failure) closeSync(this.#fd);
  }

  #pump(): void {
    if (this.#commit || this.#failure) return;
    let count = 0;
    let bytes = 0;
    for (const { part } of this.#waiting) {
      bytes += part.bytes.length;
      if (count > 0 && bytes > batchBytes) break;
      count += 1;
    }
    const batch = this.#waiting.splice(0, count);
    if (batch.length > 0) this.#commit = this.#send(batch);
  }

  async #send(batch: readonly Pending[]): Promise<void> {
    try {
      step('commit: begun');
      await this.#append(batch.map(({ part }) => part));
      step('commit: durable');
      for (const { resolve } of batch) resolve();
      if (this.#end > this.#shortenAt) await this.#shorten();
    } catch (error) {
      const failure = failureOf(this.#path, error);
      for (const { reject } of batch) reject(failure);
      if (failure.code !== 'disk-full') this.#fail(failure);
    }
    this.#commit = undefined;
    this.#pump();
  }

  /** A full disk is met with the reserve first: what was begun can then be brought to its end. */
  async #append(parts: readonly Encoded[]): Promise<void> {
    const frame = frameOf(
      this.#number + 1,
      parts.map(({ bytes }) => bytes),
    );
    const begin = this.#end;
    try {
      await this.#write(frame, roomBytes);
    } catch (error) {
      if (!isFull(error)) throw error;
      await this.#writeFull(frame);
    }
    this.#number += 1;
    this.#end = begin + frame.length;
    let at = begin + FRAME_BYTES;
    for (const { bytes, places } of parts) {
      this.#take(places, at);
      at += bytes.length;
    }
  }

  async #writeFull(frame: Buffer): Promise<void> {
    try {
      await this.#write(frame, 0);
    } catch (error) {
      if (!isFull(error) || !this.#reserved) throw error;
      this.#reserve.release();
      this.#reserved = false;
      this.#retryReserve();
      await this.#write(frame, 0);
    }
  }

  /** Durable when it resolves. The next attempt overwrites what one that failed left there. */
  async #write(frame: Buffer, roomBytes: number): Promise<void> {
    const end = this.#end + frame.length;
    const bytes =
      end <= this.#room || roomBytes === 0
        ? frame
        : Buffer.concat([frame, Buffer.alloc(roomBytes)]);
    let done = 0;
    while (done < frame.length) done += await writeAt(this.#fd, bytes, done, this.#end + done);
    this.#room = Math.max(this.#room, this.#end + done);
  }

  #take(places: readonly Place[], offset: number): void {
    for (const { table, key, at, length } of places) {
      const values = this.#tables.get(table) ?? new Map<string, Value>();
      this.#tables.set(table, values);
      const old = values.get(key);
      if (old) this.#liveBytes -= old.length + key.length;
      if (at === undefined) values.delete(key);
      else {
        values.set(key, { at: at + offset, length });
        this.#liveBytes += length + key.length;
      }
    }
  }

  /** No frame is written meanwhile. Without room for a second log the first one just goes on. */
  async #shorten(): Promise<void> {
    this.#shortenAt = Math.max(shortestBytes, this.#liveBytes * oftenLive);
    if (this.#end <= this.#shortenAt) return;
    const temporary = `${this.#path}.tmp`;
    try {
      await writeLog(temporary, await this.#living());
    } catch (error) {
      rmSync(temporary, { force: true });
      if (!isFull(error)) throw error;
      this.#shortenAt = this.#end * 2;
      return;
    }
    renameSync(temporary, this.#path);
    await syncDirectory(dirname(this.#path));
    closeSync(this.#fd);
    const { fd, scan } = openLog(this.#path, this.#reserve);
    this.#fd = fd;
    this.#end = scan.end;
    this.#room = scan.end;
    this.#number = scan.number;
    this.#tables.clear();
    this.#liveBytes = 0;
    this.#take(scan.places, 0);
  }

  async #living(): Promise<TableWrite[]> {
    const file = await readFile(this.#path);
    return [...this.#tables].flatMap(([table, values]) =>
      [...values].map(([key, { at, length }]) => {
        return { table, key, value: file.subarray(at, at + length) };
      }),
    );
  }

  #retryReserve(): void {
    clearTimeout(this.#reserveTimer);
    this.#reserveTimer = setTimeout(() => {
      this.#reserved = this.#reserve.ensure();
      if (!this.#reserved) this.#retryReserve();
    }, reserveRetryMs);
    this.#reserveTimer.unref();
  }

  #fail(error: Error): void {
    this.#failure = error;
    clearTimeout(this.#reserveTimer);
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    try {
      closeSync(this.#fd);
    } catch {
      // What the disk does not take it need not close either.
    }
    this.#onFatal(error);
  }
}
