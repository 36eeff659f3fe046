import { expect, test } from 'vitest';
import { formatSizeBytes, parseSizeBytes, roughSizeBytes } from './size.ts';

test.each([
  ['4096', 4096],
  ['10b', 10],
  ['512KiB', 524_288],
  ['64MiB', 67_108_864],
  ['1GiB', 1_073_741_824],
  ['1.5G', 1_610_612_736],
  ['2k', 2048],
  ['1TB', 2 ** 40],
])('%s is %i bytes', (text, bytes) => {
  expect(parseSizeBytes(text)).toBe(bytes);
});

test.each(['', 'x', '1.2.3', '-1', '1 MiB', '5Q', '1e3', '9999999T'])('%j is refused', (text) => {
  expect(() => parseSizeBytes(text, '--log-max')).toThrow(/^--log-max/);
});

test('rough sizes', () => {
  expect(roughSizeBytes(0)).toBe('0B');
  expect(roughSizeBytes(1023)).toBe('1023B');
  expect(roughSizeBytes(1024)).toBe('1.0KiB');
  expect(roughSizeBytes(1_572_864)).toBe('1.5MiB');
  expect(roughSizeBytes(1_048_575)).toBe('1.0MiB');
});

test.each([
  [0, '0'],
  [1000, '1000'],
  [1536, '1536'],
  [2048, '2KiB'],
  [64 * 1024 ** 2, '64MiB'],
  [1.5 * 1024 ** 3, '1536MiB'],
  [3 * 1024 ** 4, '3TiB'],
])('%i bytes are exactly %s', (bytes, text) => {
  expect(formatSizeBytes(bytes)).toBe(text);
  expect(parseSizeBytes(text)).toBe(bytes);
});
