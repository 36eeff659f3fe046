/**
 * Bytes of a tar in, headers and content out: any way of cutting the stream gives the same events.
 *
 * One reader serves console and node, so that both see the same archive in the same bytes; where
 * tars are ambiguous (a directory with content, a checksum that is wrong, bytes after the end, a
 * size in two places) it refuses instead of choosing. It reads what GNU tar, bsdtar, Python, Go
 * and npm write: v7, ustar, pax, GNU long names. It does not judge names and kinds: see archive.ts.
 *
 * Formats: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual,
 * "Basic Tar Format"; tar(5) of libarchive.
 */
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { EntryHeader } from './archive.ts';

export const BLOCK_BYTES = 512;

export type TarEvent =
  /** `dataOffset`: where in the archive the content begins. */
  | { readonly kind: 'entry'; readonly header: EntryHeader; readonly dataOffset: number }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  /** All content of the entry has been given. */
  | { readonly kind: 'end' };

/** What an extension header says about the entry that follows it. */
interface Extension {
  path?: Uint8Array;
  target?: Uint8Array;
  size?: number;
  sparse?: boolean;
}

interface ExtensionBody {
  readonly type: string;
  readonly bytes: Uint8Array;
  filled: number;
}

type Kind = EntryHeader['kind'];

const kinds = new Map<string, Kind>([
  ['\0', 'file'],
  ['0', 'file'],
  ['7', 'file'],
  ['1', 'hard link'],
  ['2', 'symlink'],
  ['3', 'device'],
  ['4', 'device'],
  ['5', 'directory'],
  ['6', 'fifo'],
  ['S', 'sparse file'],
]);

export class TarReader {
  readonly #label: string;
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  #offset = 0;
  #dataLeft = 0;
  #padLeft = 0;
  /** The body of an extension header, while it arrives. */
  #body: ExtensionBody | undefined;
  #extension: Extension = {};
  #entries = 0;
  #ended = false;

  constructor(label: string) {
    this.#label = label;
  }

  /** Content of the present entry that has not been pushed yet. */
  get dataLeft(): number {
    return this.#dataLeft;
  }

  push(chunk: Uint8Array): TarEvent[] {
    const events: TarEvent[] = [];
    let at = 0;
    while (at < chunk.length) {
      const left = chunk.length - at;
      let taken: number;
      if (this.#dataLeft > 0) {
        taken = Math.min(left, this.#dataLeft);
        events.push({ kind: 'data', bytes: chunk.subarray(at, at + taken) });
        this.#dataLeft -= taken;
        if (this.#dataLeft === 0) events.push({ kind: 'end' });
      } else if (this.#padLeft > 0) {
        taken = Math.min(left, this.#padLeft);
        this.#padLeft -= taken;
      } else if (this.#body !== undefined) {
        taken = this.#fillBody(this.#body, chunk.subarray(at));
      } else {
        taken = Math.min(left, BLOCK_BYTES - this.#filled);
        this.#block.set(chunk.subarray(at, at + taken), this.#filled);
        this.#filled += taken;
      }
      at += taken;
      this.#offset += taken;
      if (this.#filled === BLOCK_BYTES) {
        this.#filled = 0;
        this.#header(events);
      }
    }
    return events;
  }

  /** Instead of pushing content that nobody wants to see. */
  skip(bytes: number): void {
    if (bytes > this.#dataLeft) throw new Error('assertion failed: skipped more than the content');
    this.#dataLeft -= bytes;
    this.#offset += bytes;
  }

  /** The stream is over: was the archive? */
  finish(): void {
    if (this.#entries === 0 && !this.#ended) throw this.#fault('is no tar archive');
    if (!this.#ended || this.#filled > 0) throw this.#fault('is cut off: its end is missing');
  }

  #header(events: TarEvent[]): void {
    const block = this.#block;
    if (block.every((byte) => byte === 0)) {
      if (Object.keys(this.#extension).length > 0) throw this.#fault('ends inside an entry');
      this.#ended = true;
      return;
    }
    if (this.#ended) throw this.#fault('has more bytes after its end');
    this.#checkSum(block);
    const type = String.fromCharCode(block[156] ?? 0);
    const size = this.#number(block.subarray(124, 136));
    if ('xgLK'.includes(type)) {
      if (size > limits.archiveHeaderBytes) throw this.#fault('has a header that is too long');
      this.#padLeft = 0;
      this.#body = { type, bytes: new Uint8Array(size), filled: 0 };
      if (size === 0) this.#fillBody(this.#body, new Uint8Array(0));
      return;
    }
    this.#entry(type, size, events);
  }

  #entry(type: string, headerSize: number, events: TarEvent[]): void {
    const { path, target, sparse } = this.#extension;
    const size = this.#extension.size ?? headerSize;
    this.#extension = {};
    this.#entries += 1;
    const block = this.#block;
    const name = this.#text(path ?? nameOf(block));
    let kind = sparse === true ? 'sparse file' : (kinds.get(type) ?? 'unknown');
    // Before ustar a directory was a file whose name ends in a slash.
    if (kind === 'file' && name.endsWith('/')) kind = 'directory';
    const mode = this.#number(block.subarray(100, 108));
    const header: EntryHeader = {
      path: name,
      kind,
      executable: kind === 'file' && (mode & 0o100) !== 0,
      size,
      target: kind === 'symlink' ? this.#text(target ?? field(block, 157, 100)) : '',
    };
    events.push({ kind: 'entry', header, dataOffset: this.#offset });
    this.#dataLeft = size;
    this.#padLeft = padding(size);
    if (size === 0) events.push({ kind: 'end' });
  }

  #fillBody(body: ExtensionBody, chunk: Uint8Array): number {
    const taken = Math.min(chunk.length, body.bytes.length - body.filled);
    body.bytes.set(chunk.subarray(0, taken), body.filled);
    body.filled += taken;
    if (body.filled === body.bytes.length) {
      this.#body = undefined;
      this.#padLeft = padding(body.bytes.length);
      this.#extend(body.type, body.bytes);
    }
    return taken;
  }

  #extend(type: string, bytes: Uint8Array): void {
    if (type === 'L') this.#extension.path = untilNul(bytes);
    else if (type === 'K') this.#extension.target = untilNul(bytes);
    else this.#pax(type === 'g', bytes);
  }

  /** Records `LENGTH KEY=VALUE\n`; a length counts its own digits. */
  #pax(global: boolean, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const space = bytes.indexOf(0x20, at);
      const digits = latin1(bytes.subarray(at, space < 0 ? at : space));
      const end = at + (/^[1-9][0-9]{0,7}$/.test(digits) ? Number(digits) : 0);
      const equals = bytes.indexOf(0x3d, space);
      const whole = equals > space && equals < end && end <= bytes.length;
      if (!whole || bytes[end - 1] !== 0x0a) throw this.#fault('has a broken pax header');
      const key = latin1(bytes.subarray(space + 1, equals));
      this.#paxRecord(global, key, bytes.subarray(equals + 1, end - 1));
      at = end;
    }
  }

  /** Times, owners, comments and attributes are no part of a bundle: they are passed over. */
  #paxRecord(global: boolean, key: string, value: Uint8Array): void {
    const sparse = key.startsWith('GNU.sparse.');
    if (!sparse && key !== 'path' && key !== 'linkpath' && key !== 'size') return;
    if (global) throw this.#fault(`gives one ${key} to all its entries`);
    if (sparse) this.#extension.sparse = true;
    else if (key === 'path') this.#extension.path = value;
    else if (key === 'linkpath') this.#extension.target = value;
    else {
      const digits = latin1(value);
      if (!/^[0-9]{1,15}$/.test(digits)) throw this.#fault('has a broken size');
      this.#extension.size = Number(digits);
    }
  }

  /** Octal digits, or GNU's base 256 (first bit set) for what they cannot hold. */
  #number(bytes: Uint8Array): number {
    const first = bytes[0] ?? 0;
    if (first >= 0x80) {
      let value = first & 0x7f;
      for (const byte of bytes.subarray(1)) value = value * 256 + byte;
      if (first === 0xff || !Number.isSafeInteger(value)) throw this.#fault('has a broken number');
      return value;
    }
    const digits = latin1(untilNul(bytes)).trim();
    if (!/^[0-7]*$/.test(digits)) throw this.#fault('is no tar archive: a number is not octal');
    return digits === '' ? 0 : Number.parseInt(digits, 8);
  }

  #checkSum(block: Uint8Array): void {
    let sum = 8 * 0x20;
    for (let i = 0; i < BLOCK_BYTES; i += 1) if (i < 148 || i >= 156) sum += block[i] ?? 0;
    const stated = latin1(untilNul(block.subarray(148, 156))).trim();
    if (/^[0-7]+$/.test(stated) && Number.parseInt(stated, 8) === sum) return;
    throw this.#fault(this.#entries === 0 ? 'is no tar archive' : 'has a header that is damaged');
  }

  #text(bytes: Uint8Array): string {
    try {
      return utf8.decode(bytes);
    } catch {
      throw this.#fault(`has a name that is not UTF-8: "${escaped(bytes)}"`);
    }
  }

  #fault(reason: string): LotcError {
    return new LotcError('bad-archive', `${this.#label} ${reason}`);
  }
}

/** Bytes up to the next block. */
export function padding(bytes: number): number {
  return (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** Without `ignoreBOM` two names that differ by U+FEFF at their head would become one. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A name that is not UTF-8, for people. */
export function escaped(bytes: Uint8Array): string {
  return latin1(bytes.subarray(0, 100)).replaceAll(/[^ -~]/g, (c) => {
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** The prefix field is POSIX's; GNU's own format (magic "ustar  ") keeps other things there. */
function nameOf(block: Uint8Array): Uint8Array {
  const name = field(block, 0, 100);
  const prefix = field(block, 345, 155);
  const posix = latin1(block.subarray(257, 263)) === 'ustar\0';
  return posix && prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name;
}

function field(block: Uint8Array, at: number, length: number): Uint8Array {
  return untilNul(block.slice(at, at + length));
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
