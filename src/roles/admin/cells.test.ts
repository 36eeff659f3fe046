import { expect, test } from 'vitest';
import { ms } from './cells.ts';

test('a time is told to the microsecond, a long one roughly', () => {
  expect([115, -4_768, 59_999_999].map(ms)).toEqual(['0.115ms', '-4.768ms', '59999.999ms']);
  expect([60_000_000, 218_232_729_954_827].map(ms)).toEqual(['1m', '2525d20h']);
  expect(ms(-90_000_000_000)).toBe('-1d1h');
});
