import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatInstant } from './clock.ts';
import { parseDurationMs } from './duration.ts';
import { parseInstantUs, parseSinceUs } from './instant.ts';

test('what is formatted reads back as the same', () => {
  fc.assert(
    fc.property(fc.nat({ max: 4_000_000_000_000_000 }), (atUs) => {
      expect(parseInstantUs(formatInstant(atUs))).toBe(atUs);
    }),
  );
});

test('offsets and fractions', () => {
  const noon = parseInstantUs('2026-12-01T12:00:00Z');
  expect(parseInstantUs('2026-12-01T13:00:00+01:00')).toBe(noon);
  expect(parseInstantUs('2026-12-01 12:00:00.1234567Z')).toBe(noon + 123_456);
});

test.each([
  '',
  'now',
  '2026-12-01',
  '2026-12-01T12:00:00',
  '2026-02-30T12:00:00Z',
  '2026-13-01T00:00:00Z',
])('%j is refused', (text) => {
  expect(() => parseInstantUs(text)).toThrow(/not an instant/);
});

test('an instant is before 2150, so that any duration fits behind it', () => {
  const lastUs = parseInstantUs('2149-12-31T23:59:59.999999Z');
  expect(lastUs + parseDurationMs('36500d') * 1000).toBeLessThan(Number.MAX_SAFE_INTEGER);
  expect(() => parseInstantUs('2150-01-01T00:00:00Z', '--at')).toThrow(/^--at: .* before the year/);
});

test('a duration is that long ago', () => {
  expect(parseSinceUs('5m', 600_000_000)).toBe(300_000_000);
  expect(parseSinceUs('1970-01-01T00:00:01Z', 0)).toBe(1_000_000);
  expect(() => parseSinceUs('soon', 0)).toThrow(/--since/);
});
