import { crc32 as zlib } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32 } from './crc32.ts';

test('the check value of the algorithm', () => {
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array())).toBe(0);
});

test('short or long, in one piece or in two, it is the sum of zlib', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.nat(), (bytes, cut) => {
      const at = bytes.length === 0 ? 0 : cut % bytes.length;
      const sum = zlib(bytes);
      expect(crc32(bytes)).toBe(sum);
      expect(crc32(bytes.subarray(at), crc32(bytes.subarray(0, at)))).toBe(sum);
    }),
  );
});
