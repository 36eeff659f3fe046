/**
 * One stream's file as its readers need it: from an offset on, from its end backwards, and past
 * what was punched out of its head.
 *
 * A log is bounded by freeing blocks at its head (fallocate(2), FALLOC_FL_PUNCH_HOLE): offsets
 * stay, the freed part reads as zeros. Where the file has fewer blocks than bytes, zeros up to the
 * end of a block are therefore taken for a hole and passed over; in a file without a hole zeros
 * are what the program wrote. A file that became shorter is read from its beginning.
 *
 * What only asks the kernel (open, fstat, close) is called directly: by way of a thread it costs
 * many times as much. Reading may wait for the disk, and does not hold the loop.
 */
import { closeSync, fstatSync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { lastLines, NEWLINE } from './logs.ts';

const readAt = promisify(read);
const READ_BYTES = 64 * 1024;
const BLOCK_BYTES = 4096;

export class LogFile implements AsyncDisposable {
  readonly #path: string;
  #fd: number | undefined;
  /** Length at the last `refresh`, and how much of it is not on disk. */
  sizeBytes = 0;
  #holeBytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Looks how long the file is now; one that is not there yet has no bytes. */
  async refresh(): Promise<number> {
    try {
      this.#fd ??= openSync(this.#path, 'r');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 0;
      throw cause;
    }
    const { size, blocks } = fstatSync(this.#fd);
    this.sizeBytes = size;
    this.#holeBytes = Math.max(0, size - blocks * 512);
    return size;
  }

  /** At most 64 KiB from `offset` on, not beyond `end`; empty at the end. */
  async read(offset: number, end: number): Promise<Uint8Array> {
    const length = Math.min(READ_BYTES, Math.min(end, this.sizeBytes) - offset);
    if (this.#fd === undefined || length <= 0) return new Uint8Array();
    const buffer = new Uint8Array(length);
    const { bytesRead } = await readAt(this.#fd, buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }

  /** The first offset from here on that is not in a hole. */
  async skipHole(offset: number): Promise<number> {
    if (this.#holeBytes === 0) return offset;
    let at = await this.#afterZeros(offset);
    if (at === offset) return offset;
    // With one hole, at the head, this is inside it: a jump over gigabytes.
    const inside = this.#holeBytes - (this.#holeBytes % BLOCK_BYTES) - BLOCK_BYTES;
    if (inside > at && (await this.#afterZeros(inside)) > inside) at = inside;
    for (let next = await this.#afterZeros(at); next > at; next = await this.#afterZeros(at)) {
      at = next;
    }
    return at;
  }

  /**
   * Where the last `lines` lines before `end` begin, not before `from`, and how many they are.
   * A line longer than `lineBytes` counts as several, so never more than lines × lineBytes is read.
   */
  async tailOffset(
    range: { readonly from: number; readonly end: number },
    lines: number,
    lineBytes: number,
  ): Promise<{ readonly offset: number; readonly lines: number }> {
    const floor = Math.max(range.from, range.end - lines * lineBytes);
    let wanted = lines;
    for (let end = range.end; end > floor; ) {
      const start = Math.max(floor, end - READ_BYTES);
      const bytes = await this.read(start, end);
      const data = this.#holeBytes > 0 ? holeAtStart(bytes, start) : 0;
      const { start: at, found } = lastLines(bytes.subarray(data), wanted, end === range.end);
      if (found === wanted) return { offset: start + data + at, lines };
      wanted -= found;
      end = start;
      if (data > 0) return { offset: start + data, lines: lines - wanted + 1 };
    }
    return { offset: floor, lines: floor < range.end ? lines - wanted + 1 : 0 };
  }

  /** Where the line begins that has the byte at `offset`; looks back over `lineBytes` only. */
  async lineStart(offset: number, lineBytes: number): Promise<number> {
    const start = Math.max(0, offset - lineBytes);
    const bytes = await this.read(start, offset);
    const newline = bytes.lastIndexOf(NEWLINE);
    return newline < 0 ? offset : start + newline + 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** The end of the last whole block of zeros in a row from `offset` on, within one reading. */
  async #afterZeros(offset: number): Promise<number> {
    const bytes = await this.read(offset, Number.MAX_SAFE_INTEGER);
    const zeros = zerosAtStart(bytes);
    if (zeros === bytes.length && zeros > 0) return offset + zeros;
    return offset + holeAtStart(bytes, offset);
  }
}

/** Whole blocks of zeros: fewer are the program's own. */
function holeAtStart(bytes: Uint8Array, offset: number): number {
  const end = offset + zerosAtStart(bytes);
  return Math.max(0, end - (end % BLOCK_BYTES) - offset);
}

function zerosAtStart(bytes: Uint8Array): number {
  const at = bytes.findIndex((byte) => byte !== 0);
  return at < 0 ? bytes.length : at;
}
