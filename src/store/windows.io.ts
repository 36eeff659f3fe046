/**
 * A tar that is written nowhere, in windows, the next one already on its way while one is used.
 * Their memory is used again: a window is good until another is asked for.
 */
import { blockBytes } from '../base/blocks.ts';
import type { BundleSource } from './pack-source.io.ts';
import type { TarLayout } from './tar-layout.ts';

/** Whole chunks, and two stay in a core's cache. */
export const WINDOW_BYTES = blockBytes;

export class Windows {
  readonly layout: TarLayout;
  readonly #source: BundleSource;
  /** At most the one in use and the next. */
  #held: { readonly index: number; readonly bytes: Promise<Buffer> }[] = [];
  readonly #free: Buffer[] = [];
  /** One reading at a time: sources keep one file open. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(layout: TarLayout, source: BundleSource) {
    this.layout = layout;
    this.#source = source;
  }

  get(index: number): Promise<Uint8Array> {
    for (const { bytes } of this.#held.filter((one) => !isNear(one.index, index))) {
      bytes.then((window) => this.#reuse(window)).catch(() => undefined);
    }
    this.#held = this.#held.filter((one) => isNear(one.index, index));
    const wanted = this.#hold(index);
    if ((index + 1) * WINDOW_BYTES < this.layout.sizeBytes) void this.#hold(index + 1);
    return wanted;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#source.close();
  }

  #reuse(window: Buffer): void {
    if (window.length === WINDOW_BYTES) this.#free.push(window);
  }

  #hold(index: number): Promise<Buffer> {
    const held = this.#held.find((window) => window.index === index);
    if (held !== undefined) return held.bytes;
    const bytes = this.#last.then(() => this.#make(index));
    // Who asks for this window gets its failure; a window nobody asks for may fail in silence.
    this.#last = bytes.catch(() => {});
    this.#held.push({ index, bytes });
    return bytes;
  }

  async #make(index: number): Promise<Buffer> {
    const start = index * WINDOW_BYTES;
    const { sizeBytes } = this.layout;
    const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, sizeBytes));
    const window = memory.subarray(0, sizeBytes - start);
    for (let filled = 0; filled < window.length; ) {
      const segment = this.layout.at(start + filled, window.length - filled);
      if (segment.kind === 'bytes') {
        window.set(segment.bytes, filled);
        filled += segment.bytes.length;
      } else {
        const into = window.subarray(filled, filled + segment.length);
        await this.#source.read(segment.entry, segment.offset, into);
        filled += segment.length;
      }
    }
    return window;
  }
}

/** One window and the next. */
const isNear = (index: number, wanted: number): boolean => index === wanted || index === wanted + 1;
