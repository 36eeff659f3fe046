/**
 * The canonical tar of a bundle: equal content gives equal bytes, and so one digest, whether it
 * came from a directory, a tar or a compressed tar, from whatever machine, user or year.
 *
 * Only path, kind, executable bit, content and link target are kept. Mode is 0755 or 0644 (links
 * 0777), owner is 0, time is 0, no names of users. A path or target over 100 bytes goes into a pax
 * header (the older ways to store it are not used), and two empty blocks end it. Changing one byte
 * here changes the digest of every bundle there is: tar-layout.test.ts holds the bytes fixed.
 *
 * The layout never holds the archive: it says what stands at an offset, a header it can make or a
 * stretch of one entry's content. Format: POSIX.1-2017 pax, "ustar Interchange Format".
 */
import { assert } from '../base/assert.ts';
import type { ArchiveEntry } from './archive.ts';
import { BLOCK_BYTES, padding } from './tar-reader.ts';

const NAME_BYTES = 100;
const END_BYTES = 2 * BLOCK_BYTES;

/** A run of bytes that are all of one sort. */
export type Segment =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'content';
      readonly entry: ArchiveEntry;
      /** Within the entry's content. */
      readonly offset: number;
      readonly length: number;
    };

export class TarLayout {
  readonly entries: readonly ArchiveEntry[];
  readonly sizeBytes: number;
  /** Where each entry's header begins. */
  readonly #starts: Float64Array;

  constructor(entries: readonly ArchiveEntry[]) {
    this.entries = entries;
    this.#starts = new Float64Array(entries.length);
    let at = 0;
    entries.forEach((entry, index) => {
      this.#starts[index] = at;
      at += headerLength(entry) + entry.size + padding(entry.size);
    });
    this.sizeBytes = at + END_BYTES;
  }

  /** What stands at `offset`, as far as it is of one sort, and at most `length` bytes of it. */
  at(offset: number, length: number): Segment {
    assert(offset >= 0 && offset < this.sizeBytes && length > 0, 'a place in the archive');
    const index = this.#indexAt(offset);
    const entry = this.entries[index];
    const start = this.#starts[index];
    if (entry === undefined || start === undefined) return zeros(this.sizeBytes - offset, length);
    const header = headerLength(entry);
    const inEntry = offset - start;
    if (inEntry < header) {
      return { kind: 'bytes', bytes: encodeHeader(entry).subarray(inEntry, inEntry + length) };
    }
    const inContent = inEntry - header;
    if (inContent < entry.size) {
      const rest = Math.min(length, entry.size - inContent);
      return { kind: 'content', entry, offset: inContent, length: rest };
    }
    const padLeft = entry.size + padding(entry.size) - inContent;
    return zeros(padLeft > 0 ? padLeft : this.sizeBytes - offset, length);
  }

  /** The last entry that begins at or before `offset`. */
  #indexAt(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** With the pax header before it, where there is one. */
export function encodeHeader(entry: ArchiveEntry): Uint8Array {
  const type = entry.kind === 'file' ? '0' : entry.kind === 'directory' ? '5' : '2';
  const plain = entry.kind === 'directory' || entry.executable ? 0o755 : 0o644;
  const mode = entry.kind === 'symlink' ? 0o777 : plain;
  const own = block({ name: entry.path, mode, size: entry.size, type, target: entry.target });
  const records = paxRecords(entry);
  if (records.length === 0) return own;
  const body = Buffer.concat(records);
  const pax = block({ name: 'PaxHeader', mode: 0o644, size: body.length, type: 'x', target: '' });
  return Buffer.concat([pax, body, Buffer.alloc(padding(body.length)), own]);
}

function headerLength(entry: ArchiveEntry): number {
  const body = paxRecords(entry).reduce((bytes, record) => bytes + record.length, 0);
  return body === 0 ? BLOCK_BYTES : BLOCK_BYTES + body + padding(body) + BLOCK_BYTES;
}

function paxRecords(entry: ArchiveEntry): Uint8Array[] {
  const records: Uint8Array[] = [];
  if (isLong(entry.target)) records.push(paxRecord('linkpath', entry.target));
  if (isLong(entry.path)) records.push(paxRecord('path', entry.path));
  return records;
}

function isLong(text: string): boolean {
  return text.length > NAME_BYTES || Buffer.byteLength(text) > NAME_BYTES;
}

/** The length counts its own digits. */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) {
    length = String(length).length + rest.length;
  }
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

interface BlockFields {
  readonly name: string;
  readonly mode: number;
  readonly size: number;
  readonly type: string;
  readonly target: string;
}

function block(fields: BlockFields): Uint8Array {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  bytes.set(cut(fields.name), 0);
  bytes.write(octal(fields.mode, 7), 100, 'latin1');
  bytes.write(octal(0, 7), 108, 'latin1');
  bytes.write(octal(0, 7), 116, 'latin1');
  bytes.write(octal(fields.size, 11), 124, 'latin1');
  bytes.write(octal(0, 11), 136, 'latin1');
  bytes.write('        ', 148, 'latin1');
  bytes.write(fields.type, 156, 'latin1');
  bytes.set(cut(fields.target), 157);
  bytes.write('ustar\x0000', 257, 'latin1');
  bytes.write(octal(0, 7), 329, 'latin1');
  bytes.write(octal(0, 7), 337, 'latin1');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return bytes;
}

function octal(value: number, digits: number): string {
  const text = value.toString(8).padStart(digits, '0');
  assert(text.length === digits, 'a number fits its field');
  return text;
}

/** A long text's head, whole characters; its pax record has all of it. */
function cut(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  if (bytes.length <= NAME_BYTES) return bytes;
  let end = NAME_BYTES;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

function zeros(left: number, length: number): Segment {
  return { kind: 'bytes', bytes: Buffer.alloc(Math.min(left, length)) };
}
