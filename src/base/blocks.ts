/**
 * Memory that content passes through, used again and again. Fresh memory for each piece would be
 * garbage as fast as content goes, and it is garbage outside the heap: V8 answers it with whole
 * collections, which cost a server more than hashing, checking and sealing all of the content.
 *
 * A block belongs to whoever took it until it is given back; then nobody may look at it any more.
 * One that is never given back is garbage like any other.
 */
import { limits } from './limits.ts';

/** Whole chunks, so that content cut in blocks is sent without being gathered anew. */
export const blockBytes = 16 * limits.chunkBytes;
const KEPT = 8;
const kept: Uint8Array<ArrayBuffer>[] = [];

export function takeBlock(): Uint8Array<ArrayBuffer> {
  return kept.pop() ?? new Uint8Array(blockBytes);
}

export function giveBlock(block: Uint8Array<ArrayBuffer>): void {
  if (kept.length < KEPT) kept.push(block);
}

/** Bytes in the order of their arrival, copied into blocks; given out as views of them. */
export class BlockQueue {
  #blocks: Uint8Array<ArrayBuffer>[] = [];
  /** Where, counted from the head of the first block: put in, given out, and done with. */
  #end = 0;
  #given = 0;
  #freed = 0;

  put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const used = this.#end % blockBytes;
      if (used === 0) this.#blocks.push(takeBlock());
      const part = bytes.subarray(at, at + blockBytes - used);
      this.#blocks.at(-1)?.set(part, used);
      this.#end += part.length;
      at += part.length;
    }
  }

  /** What has not been given out yet, as far as one block goes; it is whole until it is freed. */
  next(): Uint8Array | undefined {
    const from = this.#given % blockBytes;
    const block = this.#blocks[(this.#given - from) / blockBytes];
    const count = Math.min(blockBytes - from, this.#end - this.#given);
    if (count === 0) return undefined;
    this.#given += count;
    return block?.subarray(from, from + count);
  }

  /** The first `count` bytes that were given out are not looked at any more. */
  free(count: number): void {
    this.#freed += count;
    while (this.#freed >= blockBytes) this.#giveFirst();
    if (this.#freed < this.#end) return;
    if (this.#end > 0) this.#giveFirst();
    [this.#end, this.#given, this.#freed] = [0, 0, 0];
  }

  #giveFirst(): void {
    const block = this.#blocks.shift();
    if (block) giveBlock(block);
    this.#end -= blockBytes;
    this.#given -= blockBytes;
    this.#freed -= blockBytes;
  }
}
