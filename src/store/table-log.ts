/**
 * The bytes of the agent's tables: a log of commits, each of them one frame, so that a commit is
 * there whole or not at all. Pure: bytes in, entries out.
 *
 *   file   "LOTC tables 1\n", two zero bytes; frames; zeros up to the end (room made in advance)
 *   frame  FF 'L' 'T' FE · number (6 bytes) · two zero bytes · body length (4) · CRC-32 of all else
 *   body   for each write: length of table (1), key (2) and value (4; FFFFFFFF: removed), the three
 *
 * Frames are numbered without a gap and written one at a time, so behind a torn one there is
 * nothing. A valid frame behind an invalid one is therefore damage, and never cut off in silence;
 * FF and FE occur in no UTF-8 text, so that no value looks like the beginning of a frame.
 */
import { crc32 } from 'node:zlib';
import type { TableWrite } from './tables.ts';

export const fileHead: Uint8Array = Buffer.from('LOTC tables 1\n\0\0', 'latin1');
export const FRAME_BYTES = 20;
const magic = Buffer.from([0xff, 0x4c, 0x54, 0xfe]);
const WRITE_BYTES = 7;
const REMOVED = 0xffff_ffff;

/** Where a value lies: from the beginning of the body, the frame or the file, as it is said. */
export interface Place {
  readonly table: string;
  readonly key: string;
  /** Undefined: the write removes the entry. */
  readonly at: number | undefined;
  readonly length: number;
}

export interface Encoded {
  readonly bytes: Uint8Array;
  /** In `bytes`. */
  readonly places: readonly Place[];
}

/** A part of a frame's body; a copy of everything given. */
export function encodeWrites(writes: readonly TableWrite[]): Encoded {
  const names = writes.map(({ table, key }) => [Buffer.from(table), Buffer.from(key)] as const);
  const sizes = writes.map(({ value }, index) => {
    const [table, key] = names[index] ?? [magic, magic];
    return WRITE_BYTES + table.length + key.length + (value?.length ?? 0);
  });
  const bytes = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size, 0));
  const places: Place[] = [];
  let at = 0;
  for (const [index, { table, key, value }] of writes.entries()) {
    const [name, word] = names[index] ?? [magic, magic];
    bytes.writeUInt8(name.length, at);
    bytes.writeUInt16BE(word.length, at + 1);
    bytes.writeUInt32BE(value === undefined ? REMOVED : value.length, at + 3);
    at += WRITE_BYTES;
    bytes.set(name, at);
    bytes.set(word, at + name.length);
    at += name.length + word.length;
    if (value !== undefined) bytes.set(value, at);
    const length = value?.length ?? 0;
    places.push({ table, key, at: value === undefined ? undefined : at, length });
    at += length;
  }
  return { bytes, places };
}

export function frameOf(number: number, body: readonly Uint8Array[]): Buffer {
  return Buffer.concat([headOf(number, body), ...body]);
}

function headOf(number: number, body: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(FRAME_BYTES);
  head.set(magic);
  head.writeUIntBE(number, 4, 6);
  head.writeUInt32BE(
    body.reduce((sum, { length }) => sum + length, 0),
    12,
  );
  head.writeUInt32BE(checksum(head, body), 16);
  return head;
}

export interface Scan {
  /** Behind the last valid frame. */
  readonly end: number;
  /** The number of the last valid frame; 0 where there is none. */
  readonly number: number;
  /** In the file, in the order they were written. */
  readonly places: readonly Place[];
  /** Where a frame is damaged that others come after. */
  readonly damagedAt?: number | undefined;
}

/** Reads a whole file; undefined where it is none of ours. */
export function scanLog(file: Buffer): Scan | undefined {
  if (isUnbegun(file)) return { end: fileHead.length, number: 0, places: [] };
  if (!file.subarray(0, fileHead.length).equals(fileHead)) return undefined;
  const places: Place[] = [];
  let end = fileHead.length;
  let number = 0;
  for (let body = bodyAt(file, end); body; body = bodyAt(file, end)) {
    const next = file.readUIntBE(end + 4, 6);
    if (number > 0 && next !== number + 1) break;
    const found = placesOf(body, end + FRAME_BYTES);
    if (!found) break;
    places.push(...found);
    number = next;
    end += FRAME_BYTES + body.length;
  }
  for (let at = file.indexOf(magic, end + 1); at >= 0; at = file.indexOf(magic, at + 1)) {
    const isLater = bodyAt(file, at) !== undefined && file.readUIntBE(at + 4, 6) > number;
    if (isLater) return { end, number, places, damagedAt: end };
  }
  return { end, number, places };
}

/** Its creation was cut off before it had its head. */
function isUnbegun(file: Buffer): boolean {
  return file.length <= fileHead.length && file.every((byte) => byte === 0);
}

function bodyAt(file: Buffer, at: number): Buffer | undefined {
  if (at + FRAME_BYTES > file.length) return undefined;
  const head = file.subarray(at, at + FRAME_BYTES);
  if (!head.subarray(0, magic.length).equals(magic)) return undefined;
  const end = at + FRAME_BYTES + head.readUInt32BE(12);
  if (end > file.length) return undefined;
  const body = file.subarray(at + FRAME_BYTES, end);
  return checksum(head, [body]) === head.readUInt32BE(16) ? body : undefined;
}

function placesOf(body: Buffer, offset: number): Place[] | undefined {
  const places: Place[] = [];
  for (let at = 0; at < body.length; ) {
    if (at + WRITE_BYTES > body.length) return undefined;
    const key = at + WRITE_BYTES + body.readUInt8(at);
    const value = key + body.readUInt16BE(at + 1);
    const size = body.readUInt32BE(at + 3);
    const length = size === REMOVED ? 0 : size;
    if (value + length > body.length) return undefined;
    places.push({
      table: body.toString('utf8', at + WRITE_BYTES, key),
      key: body.toString('utf8', key, value),
      at: size === REMOVED ? undefined : offset + value,
      length,
    });
    at = value + length;
  }
  return places;
}

function checksum(head: Uint8Array, body: readonly Uint8Array[]): number {
  return body.reduce((sum, part) => crc32(part, sum), crc32(head.subarray(0, 16)));
}
