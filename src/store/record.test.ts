import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../base/limits.ts';
import type { JournalError } from './journal.ts';
import { chain, checkRecords, decodeWitness, encodeWitness, pack, unpack } from './record.ts';

const records = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 20 });

test('a packed batch unpacks to the same records', () => {
  fc.assert(
    fc.property(records, (given) => {
      expect([...unpack(pack(given))].map((rec) => [...rec])).toEqual(given.map((rec) => [...rec]));
    }),
  );
});

test('a chain breaks at a changed, missing or swapped record', () => {
  const chainOf = (given: readonly Uint8Array[]): number =>
    given.reduce((crc, rec) => chain(rec, crc), 0);
  const [a, b, c] = [Uint8Array.of(1, 2), Uint8Array.of(3), Uint8Array.of(4, 5)];
  const whole = chainOf([a, b, c]);
  expect(chainOf([a, c])).not.toBe(whole);
  expect(chainOf([b, a, c])).not.toBe(whole);
  expect(chainOf([a, Uint8Array.of(2), c])).not.toBe(whole);
});

test('the chain is CRC-32 as everybody computes it', () => {
  expect(chain(Buffer.from('6789'), chain(Buffer.from('12345'), 0))).toBe(0xcbf43926);
});

const witness = fc.record({
  id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  epoch: fc.nat(),
  seq: fc.maxSafeNat(),
  crc: fc.nat({ max: 0xffffffff }),
});

test('a witness decodes to itself, and any flipped bit makes it nothing', () => {
  fc.assert(
    fc.property(witness, fc.nat({ max: 48 * 8 - 1 }), (given, bit) => {
      const bytes = encodeWitness(given);
      expect(decodeWitness(bytes)).toEqual(given);
      const byte = bytes[bit >> 3] ?? 0;
      bytes[bit >> 3] = byte ^ (1 << (bit & 7));
      expect(decodeWitness(bytes)).toBeUndefined();
    }),
  );
});

test('a witness cut short is nothing', () => {
  const bytes = encodeWitness({ id: new Uint8Array(16), epoch: 1, seq: 2, crc: 3 });
  for (let length = 0; length < bytes.length; length += 1) {
    expect(decodeWitness(bytes.subarray(0, length))).toBeUndefined();
  }
});

test('records no journal takes are named', () => {
  const faultOf = (given: readonly Uint8Array[]): string => {
    try {
      return String(checkRecords(given));
    } catch (error) {
      return (error as JournalError).fault;
    }
  };
  const largest = new Uint8Array(limits.journalRecordBytes);
  expect(faultOf([])).toBe('Empty');
  expect(faultOf([new Uint8Array(0)])).toBe('Empty');
  expect(faultOf([new Uint8Array(limits.journalRecordBytes + 1)])).toBe('TooLarge');
  expect(faultOf([largest, largest])).toBe('TooLarge');
  expect(faultOf([largest])).toBe(String(limits.journalRecordBytes));
  const one = Uint8Array.of(1);
  const most = Array.from({ length: limits.journalBatchRecords }, () => one);
  expect(faultOf(most)).toBe(String(limits.journalBatchRecords));
  expect(faultOf([...most, one])).toBe('TooLarge');
});
