import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeWrites, fileHead, frameOf, scanLog } from './table-log.ts';
import type { TableWrite } from './tables.ts';

const writes = fc.array(
  fc.record({
    table: fc.string({ maxLength: 10, unit: 'grapheme' }),
    key: fc.string({ maxLength: 20, unit: 'grapheme' }),
    value: fc.option(fc.uint8Array({ maxLength: 50 }), { nil: undefined }),
  }),
  { maxLength: 5 },
);
const commits = fc.array(writes, { minLength: 1, maxLength: 5 });

function fileOf(all: readonly (readonly TableWrite[])[], zeros = 0): Buffer {
  const frames = all.map((one, index) => frameOf(index + 1, [encodeWrites(one).bytes]));
  return Buffer.concat([fileHead, ...frames, Buffer.alloc(zeros)]);
}

function readBack(file: Buffer): TableWrite[] | undefined {
  return scanLog(file)?.places.map(({ table, key, at, length }) => {
    const value = at === undefined ? undefined : new Uint8Array(file.subarray(at, at + length));
    return { table, key, value };
  });
}

test('what was written is read, whatever room is behind it', () => {
  fc.assert(
    fc.property(commits, fc.nat(100), (all, zeros) => {
      const file = fileOf(all, zeros);
      expect(readBack(file)).toEqual(all.flat());
      expect(scanLog(file)).toMatchObject({ number: all.length, end: file.length - zeros });
    }),
  );
});

test('a file that was cut anywhere has whole commits and no others', () => {
  fc.assert(
    fc.property(commits, fc.nat(), fc.nat(40), (all, cut, zeros) => {
      const whole = fileOf(all);
      const at = fileHead.length + (cut % (whole.length - fileHead.length));
      const file = Buffer.concat([whole.subarray(0, at), Buffer.alloc(zeros)]);
      const scan = scanLog(file);
      expect(scan?.damagedAt).toBeUndefined();
      expect(readBack(file)).toEqual(all.slice(0, scan?.number).flat());
    }),
  );
});

test('a bit that changed before the last commit is damage', () => {
  fc.assert(
    fc.property(commits, fc.nat(), fc.nat(7), (all, where, bit) => {
      const last = fileOf([...all, [{ table: 't', key: 'last', value: Buffer.from('x') }]]);
      const length = fileOf(all).length - fileHead.length;
      const at = fileHead.length + (where % length);
      last.writeUInt8(last.readUInt8(at) ^ (1 << bit), at);
      expect(scanLog(last)?.damagedAt).toBeDefined();
    }),
  );
});

test('any bytes are read or refused, and nothing is thrown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, ours) => {
      const file = Buffer.concat(ours ? [fileHead, bytes] : [bytes]);
      expect(() => scanLog(file)).not.toThrow();
    }),
  );
});
