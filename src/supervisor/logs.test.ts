import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  cutLines,
  decodeRecords,
  encodeRecord,
  type IndexRecord,
  lastLines,
  RECORD_BYTES,
  StreamTimes,
  skipLines,
  thinRecords,
} from './logs.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const record = fc.record<IndexRecord>({
  stream: fc.constantFrom('stdout', 'stderr'),
  atUs: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  sizeBytes: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
});

test('a record is what it was, at any place of a file', () => {
  fc.assert(
    fc.property(fc.array(record), (records) => {
      const file = Buffer.concat(records.map(encodeRecord));
      expect(file.length).toBe(records.length * RECORD_BYTES);
      expect(decodeRecords(file)).toEqual(records);
    }),
  );
});

test('a record cut off or with a byte changed is left out, the others stay', () => {
  const place = fc.record({ at: fc.nat({ max: 47 }), change: fc.integer({ min: 1, max: 255 }) });
  fc.assert(
    fc.property(fc.tuple(record, record, record), place, (records, { at, change }) => {
      const file = Buffer.concat(records.map(encodeRecord));
      expect(decodeRecords(file.subarray(0, at))).toEqual(records.slice(0, Math.floor(at / 16)));
      file[at] = (file[at] ?? 0) ^ change;
      expect(decodeRecords(file)).toEqual(records.filter((_, index) => index !== at >> 4));
    }),
  );
});

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(decodeRecords(bytes).length).toBeLessThanOrEqual(bytes.length / RECORD_BYTES);
    }),
  );
});

test('a thinned index keeps the newest quarter and gets shorter', () => {
  const records: IndexRecord[] = Array.from({ length: 100 }, (_, index) => ({
    stream: index % 3 === 0 ? 'stderr' : 'stdout',
    atUs: index,
    sizeBytes: index,
  }));
  const kept = thinRecords(records);
  expect(kept.slice(-25)).toEqual(records.slice(-25));
  expect(kept.length).toBeLessThan(64);
  expect(kept).toEqual(records.filter((one) => kept.includes(one)));
});

test('a byte has the time of the first record that had it', () => {
  const times = new StreamTimes();
  times.add(100, 10);
  times.add(200, 30);
  times.add(200, 30);
  times.add(150, 40);
  expect(times.at(1)).toEqual({ atUs: 100, reachesTo: 10 });
  expect(times.at(10)).toEqual({ atUs: 100, reachesTo: 10 });
  expect(times.at(11)).toEqual({ atUs: 200, reachesTo: 30 });
  expect(times.at(40)).toEqual({ atUs: 200, reachesTo: 40 });
  expect(times.at(41)).toBeUndefined();
  expect([0, 100, 101, 200, 201].map((since) => times.offsetSince(since))).toEqual([
    0, 0, 10, 10, 40,
  ]);
});

test('a file that became shorter begins anew', () => {
  const times = new StreamTimes();
  times.add(100, 50);
  times.add(200, 5);
  expect(times.at(6)).toBeUndefined();
  expect(times.at(5)).toEqual({ atUs: 200, reachesTo: 5 });
});

const cut = (text: string, reach = Infinity, isFinal = false): string =>
  text.slice(0, cutLines(bytesOf(text), { reach: () => reach, bytesMax: 8, isFinal }));

test('lines go out whole, together as far as one instant reaches', () => {
  expect(cut('a\nb\nc')).toBe('a\nb\n');
  expect(cut('a\nb\nc\n', 4)).toBe('a\nb\n');
  expect(cut('a\nb\nc\n', 3)).toBe('a\n');
  expect(cut('abc\nd\n', 2)).toBe('abc\n');
  expect(cut('')).toBe('');
});

test('a line without its end waits, unless nothing more comes or it is too long', () => {
  expect(cut('abc')).toBe('');
  expect(cut('abc', Infinity, true)).toBe('abc');
  expect(cut('0123456789')).toBe('01234567');
  expect(cut('0123456789\n')).toBe('01234567');
  expect(cut('a\nb\nlong line', Infinity, true)).toBe('a\nb\n');
});

test('cutting again and again gives every byte once, in order', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 60 });
  fc.assert(
    fc.property(text, fc.nat({ max: 20 }), (whole, reach) => {
      let rest = whole;
      let given = '';
      while (rest !== '') {
        const piece = cut(rest, reach, true);
        expect(piece).not.toBe('');
        if (!piece.endsWith('\n')) expect(piece.length === 8 || piece === rest).toBe(true);
        given += piece;
        rest = rest.slice(piece.length);
      }
      expect(given).toBe(whole);
    }),
  );
});

test('the last lines begin where a splitter says, also read in two blocks', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '\n'), maxLength: 40 });
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 10 }), fc.nat({ max: 40 }), (whole, wanted, at) => {
      const lines = whole.split(/(?<=\n)/).filter((line) => line !== '');
      const expected = lines.slice(-wanted).join('');
      const bytes = bytesOf(whole);
      const all = lastLines(bytes, wanted, true);
      expect(whole.slice(all.start)).toBe(expected);
      const half = Math.min(at, whole.length - 1);
      if (half < 1) return;
      const second = lastLines(bytes.subarray(half), wanted, true);
      if (second.found === wanted) {
        expect(whole.slice(half + second.start)).toBe(expected);
        return;
      }
      const first = lastLines(bytes.subarray(0, half), wanted - second.found, false);
      expect(whole.slice(first.start)).toBe(expected);
    }),
  );
});

test('lines are skipped up to the end of what there is', () => {
  expect(skipLines(bytesOf('a\nb\nc'), 1)).toEqual({ start: 2, skipped: 1 });
  expect(skipLines(bytesOf('a\nb\nc'), 0)).toEqual({ start: 0, skipped: 0 });
  expect(skipLines(bytesOf('a\nb\nc'), 3)).toEqual({ start: 5, skipped: 2 });
});
