/**
 * The bytes of the journal that are LOTC's own: the chain of checksums, the head witness, and a
 * batch of records packed into one buffer for the way to the writer thread and back.
 *
 * Each record's checksum continues that of the record before (CRC-32 of RFC 1952), so that a
 * missing, swapped or changed record disagrees with what is stored. The witness is the last
 * position somebody was told of: SQLite drops a torn tail without a word, the witness has one.
 */

import { crc32 } from 'node:zlib';
import { limits } from '../base/limits.ts';
import { JournalError, type Position } from './journal.ts';

export function chain(rec: Uint8Array, previous: number): number {
  return crc32(rec, previous);
}

export interface Witness extends Position {
  readonly id: Uint8Array;
  readonly epoch: number;
}

export const witnessBytes = 48;
const magic = Buffer.from('LOTChead', 'latin1');

/** Magic 8, id 16, epoch 8, seq 8, crc 4, own checksum 4; big-endian. */
export function encodeWitness(witness: Witness): Uint8Array {
  const bytes = Buffer.alloc(witnessBytes);
  magic.copy(bytes, 0);
  bytes.set(witness.id, 8);
  bytes.writeBigUInt64BE(BigInt(witness.epoch), 24);
  bytes.writeBigUInt64BE(BigInt(witness.seq), 32);
  bytes.writeUInt32BE(witness.crc, 40);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 44)), 44);
  return bytes;
}

/** Undefined when the bytes are not a whole witness: a torn one says nothing. */
export function decodeWitness(source: Uint8Array): Witness | undefined {
  if (source.length !== witnessBytes) return undefined;
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.length);
  if (!bytes.subarray(0, 8).equals(magic)) return undefined;
  if (bytes.readUInt32BE(44) !== crc32(bytes.subarray(0, 44))) return undefined;
  return {
    id: Uint8Array.from(bytes.subarray(8, 24)),
    epoch: Number(bytes.readBigUInt64BE(24)),
    seq: Number(bytes.readBigUInt64BE(32)),
    crc: bytes.readUInt32BE(40),
  };
}

/** Records one after the other, with the end of each. */
export interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: Uint32Array<ArrayBuffer>;
}

export function pack(records: readonly Uint8Array[]): Packed {
  let total = 0;
  for (const record of records) total += record.length;
  const bytes = new Uint8Array(total);
  const ends = new Uint32Array(records.length);
  let at = 0;
  for (const [index, record] of records.entries()) {
    bytes.set(record, at);
    at += record.length;
    ends[index] = at;
  }
  return { bytes, ends };
}

export function* unpack({ bytes, ends }: Packed): Generator<Uint8Array> {
  let at = 0;
  for (const end of ends) {
    yield bytes.subarray(at, end);
    at = end;
  }
}

/** What no journal takes, whatever keeps it; returns the bytes of what it takes. */
export function checkRecords(records: readonly Uint8Array[]): number {
  if (records.length === 0) throw new JournalError('Empty', 'an append needs a record');
  let total = 0;
  for (const { length } of records) {
    if (length === 0) throw new JournalError('Empty', 'a journal record has at least one byte');
    if (length > limits.journalRecordBytes) {
      const most = limits.journalRecordBytes;
      throw new JournalError('TooLarge', `a record of ${length} bytes; at most ${most}`);
    }
    total += length;
  }
  if (records.length > limits.journalBatchRecords || total > limits.journalBatchBytes) {
    const given = `${records.length} records of ${total} bytes in one append`;
    const most = `${limits.journalBatchRecords} records and ${limits.journalBatchBytes} bytes`;
    throw new JournalError('TooLarge', `${given}; at most ${most}`);
  }
  return total;
}
