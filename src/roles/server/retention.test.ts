import { expect, test } from 'vitest';
import { parseRetention, prunesOf } from './retention.ts';

test('without a word, 90 days and 1 GiB', () => {
  const retention = parseRetention(undefined);
  expect(retention).toEqual({ ageMs: 90 * 86_400_000, rows: 2 ** 30 / 512 });
  const nowUs = 100 * 86_400_000_000;
  expect(prunesOf(retention, nowUs)).toEqual([
    { kind: 'fire', beforeUs: 10 * 86_400_000_000 },
    { kind: 'fire', keep: 2 ** 21 },
  ]);
});

test.each([
  ['7d', { ageMs: 604_800_000, rows: undefined }],
  ['30m', { ageMs: 1_800_000, rows: undefined }],
  ['64M', { ageMs: undefined, rows: 131_072 }],
  ['64MiB', { ageMs: undefined, rows: 131_072 }],
  ['4096', { ageMs: undefined, rows: 8 }],
  ['7d,4096', { ageMs: 604_800_000, rows: 8 }],
  ['4096,7d', { ageMs: 604_800_000, rows: 8 }],
])('%s', (text, retention) => {
  expect(parseRetention(text)).toEqual(retention);
});

test.each(['', 'x', '7d,7d', '1G,1G', '0d', '0', '7d,1G,7d', '7 days', '-7d'])('not %j', (text) => {
  expect(() => parseRetention(text)).toThrow('--keep-fires');
});
