/** The shim's parsers with 20,000 inputs each, under sanitizers. Seeded: SEED=n repeats one. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShimFuzz, shimParsers } from './parsers.ts';

const INPUTS = 20_000;
const seed = Number(process.env['SEED'] || Date.now() % 1_000_000);
let shim: ShimFuzz;
beforeAll(() => {
  shim = new ShimFuzz();
});
afterAll(() => shim[Symbol.dispose]());

test.each(Object.keys(shimParsers))('%s', (name) => {
  const taken = shim.run(name, INPUTS, seed);
  // What takes everything or nothing tries one half of a parser; a name is any.
  if (name === 'names') expect(taken).toBe(INPUTS);
  else {
    expect(taken).toBeGreaterThan(INPUTS / 200);
    expect(taken).toBeLessThan(INPUTS * 0.995);
  }
});
