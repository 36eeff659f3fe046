/** Each parser that strangers reach, with 20,000 inputs. Seeded: SEED=n repeats one. */
import { expect, test } from 'vitest';
import { fuzz, fuzzCases } from './fuzz-cases.ts';

const INPUTS = 20_000;
const seed = Number(process.env['SEED'] || Date.now() % 1_000_000);

test.each(fuzzCases)('$name', (one) => {
  const taken = fuzz(one, INPUTS, seed);
  if (one.takes === 'all') expect(taken).toBe(INPUTS);
  else {
    // A corpus of which everything or nothing is taken tries one half of a parser.
    expect(taken).toBeGreaterThan(one.name === 'tokens' ? 0 : INPUTS / 200);
    expect(taken).toBeLessThan(INPUTS * 0.995);
  }
});
