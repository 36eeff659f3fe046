/**
 * What a session has to say, in two classes: control goes before bulk, whatever was said first.
 * Bulk comes last from sources, which are asked for one frame at a time, so that content of any
 * size needs the memory of one chunk. It knows nothing of what frames mean.
 */

/** Asked for the next frame, in pieces, when there is room; undefined: it has none. */
export type FrameSource = () => readonly Uint8Array[] | undefined;

class Fifo {
  bytes = 0;
  #frames: Uint8Array[] = [];
  #head = 0;

  push(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.bytes += frame.length;
  }

  shift(): Uint8Array | undefined {
    const frame = this.#frames[this.#head];
    if (frame === undefined) return undefined;
    this.#head += 1;
    this.bytes -= frame.length;
    if (this.#head === this.#frames.length) {
      this.#frames = [];
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#frames.splice(0, this.#head);
      this.#head = 0;
    }
    return frame;
  }

  clear(): void {
    this.#frames = [];
    this.#head = 0;
    this.bytes = 0;
  }
}

export class Outbox {
  readonly #control = new Fifo();
  readonly #bulk = new Fifo();
  /** By the request id of their transfer; the first is asked next. */
  readonly #sources = new Map<number, FrameSource>();

  get controlBytes(): number {
    return this.#control.bytes;
  }

  get bulkBytes(): number {
    return this.#bulk.bytes;
  }

  control(frame: Uint8Array): void {
    this.#control.push(frame);
  }

  bulk(frame: Uint8Array): void {
    this.#bulk.push(frame);
  }

  attach(id: number, source: FrameSource): void {
    this.#sources.set(id, source);
  }

  detach(id: number): void {
    this.#sources.delete(id);
  }

  /** Whole frames, one after the other: until `maxBytes` are reached, but at least one if any. */
  take(maxBytes: number): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < maxBytes) {
      const frame = this.#control.shift() ?? this.#bulk.shift();
      const more = frame ? [frame] : this.#pull();
      if (!more) break;
      for (const piece of more) {
        pieces.push(piece);
        bytes += piece.length;
      }
    }
    return pieces;
  }

  clearBulk(): void {
    this.#bulk.clear();
    this.#sources.clear();
  }

  clear(): void {
    this.clearBulk();
    this.#control.clear();
  }

  /** One frame of the next source that has one; sources take turns. */
  #pull(): readonly Uint8Array[] | undefined {
    if (this.#sources.size === 0) return undefined;
    for (const [id, source] of [...this.#sources]) {
      const frame = source();
      if (!frame) continue;
      if (this.#sources.delete(id)) this.#sources.set(id, source);
      return frame;
    }
    return undefined;
  }
}
