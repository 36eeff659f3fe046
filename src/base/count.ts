/** Whole numbers as people write them: digits, nothing else. */
import { LotcError } from './errors.ts';

/** A number from `least` on, or a usage error that names `what` (for instance `--count`). */
export function parseCount(text: string, what: string, least = 1): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < least) {
    throw new LotcError('usage', `${what}: "${text}" is not a number from ${least}`);
  }
  return count;
}
