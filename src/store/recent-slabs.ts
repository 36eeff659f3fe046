/**
 * The last slabs of content that is arriving, for those who read along: a slab that is read by ten
 * is in memory once, and the file is not read back. Who falls behind reads the file. A slab that
 * is still read when its turn is over goes on with its readers and ends with the last of them, so
 * a slow reader holds one slab and holds up nobody.
 */
import { giveBlock, takeBlock } from '../base/blocks.ts';

/** One is being filled, one is on its way to the disk. */
const KEPT = 4;

export interface Slab {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where in the content it begins. */
  readonly at: number;
  length: number;
}

/** Bytes to be looked at until `release` is called, once. */
export interface Part {
  readonly bytes: Uint8Array;
  release(): void;
}

export class RecentSlabs {
  readonly #slabs: (Slab & { readers: number })[] = [];

  /** A slab to be filled. */
  next(at: number): Slab {
    const slab = { bytes: takeBlock(), at, length: 0, readers: 0 };
    this.#slabs.push(slab);
    if (this.#slabs.length > KEPT) this.#drop();
    return slab;
  }

  /** Bytes from `offset` to the end of a slab; undefined: not here, or not any more. */
  read(offset: number): Part | undefined {
    const slab = this.#slabs.find(({ at, length }) => at <= offset && offset < at + length);
    if (!slab) return undefined;
    slab.readers += 1;
    const bytes = slab.bytes.subarray(offset - slab.at, slab.length);
    return {
      bytes,
      release: () => {
        slab.readers -= 1;
        if (slab.readers === 0 && !this.#slabs.includes(slab)) giveBlock(slab.bytes);
      },
    };
  }

  /** Nobody writes any more. */
  close(): void {
    while (this.#slabs.length > 0) this.#drop();
  }

  #drop(): void {
    const slab = this.#slabs.shift();
    if (slab?.readers === 0) giveBlock(slab.bytes);
  }
}
