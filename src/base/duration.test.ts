import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDurationMs, parseDurationMs, roughDurationMs } from './duration.ts';
import { LotcError } from './errors.ts';

test.each([
  ['500ms', 500],
  ['10s', 10_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['7d', 604_800_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1_500],
  ['0s', 0],
  ['1m500ms', 60_500],
])('%s is %i ms', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

test.each(['', '5', 'ten', '5m3h', '5m5m', '-1s', '1 s', '0.5ms', '1w', '99999999999999d', 's'])(
  '%j is refused as usage',
  (text) => {
    const refuse = (): number => parseDurationMs(text, '--timeout');
    expect(refuse).toThrow(LotcError);
    expect(refuse).toThrow(/^--timeout/);
  },
);

test('a duration is at most a century, so that it fits behind any instant', () => {
  expect(parseDurationMs('36500d')).toBe(36_500 * 86_400_000);
  expect(() => parseDurationMs('36500d1ms', '--in')).toThrow('--in: "36500d1ms" is longer than');
});

test('what is formatted reads back as the same', () => {
  fc.assert(
    fc.property(fc.nat({ max: 10 ** 12 }), (ms) => {
      expect(parseDurationMs(formatDurationMs(ms))).toBe(ms);
    }),
  );
});

test('rough durations keep two units', () => {
  expect(roughDurationMs(12)).toBe('12ms');
  expect(roughDurationMs(61_500)).toBe('1m1s');
  expect(roughDurationMs(90_061_000)).toBe('1d1h');
  expect(roughDurationMs(1_999)).toBe('1s');
});
