/**
 * A million inputs for each parser that strangers reach: how many a second it takes, and whether
 * any of them is answered with something else than a value or a named error. What is found is
 * kept in tests/wire/fuzz-corpus, where the tests begin with it.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { ShimFuzz, shimParsers } from '../../tests/shim/parsers.ts';
import {
  corpusPath,
  type FuzzCase,
  FuzzFault,
  fuzz,
  fuzzCases,
} from '../../tests/wire/fuzz-cases.ts';
import { digits, type Finding, type Row } from '../measure.ts';

const INPUTS = Number(process.env['FUZZ_INPUTS'] || 1_000_000);
/** A part is over before anybody wonders; the seeds of a run follow each other. */
const PART = 10_000;

export const fuzzed: Row = {
  name: 'fuzz',
  limitMs: 3_600_000,
  async run() {
    const findings: Finding[] = [];
    const tell = (name: string, seed: number, begun: number, faults: number): void => {
      const seconds = (performance.now() - begun) / 1_000;
      process.stderr.write(`${name}: ${faults} faults in ${Math.round(seconds)} s\n`);
      findings.push({
        what: `fuzz: ${name}, ${digits(INPUTS)} inputs`,
        figure: `${digits(INPUTS / seconds)}/s, seed ${seed}`,
        against: 'a value or a named error for each',
        result: `${faults} faults`,
        goal: 'none',
        met: faults === 0,
      });
    };
    for (const one of fuzzCases) {
      const seed = Date.now() % 1_000_000_000;
      const begun = performance.now();
      tell(one.name, seed, begun, await faultsOf(one, seed));
    }
    using shim = new ShimFuzz();
    for (const name of Object.keys(shimParsers)) {
      const seed = Date.now() % 1_000_000_000;
      const begun = performance.now();
      // A fault of these ends the row with the input in its message.
      shim.run(name, INPUTS, seed);
      tell(`the shim's ${name}, with sanitizers`, seed, begun, 0);
      await breath();
    }
    return findings;
  },
};

async function faultsOf(one: FuzzCase, seed: number): Promise<number> {
  let faults = 0;
  for (let done = 0; done < INPUTS; done += PART) {
    try {
      fuzz(one, PART, seed + done);
    } catch (error) {
      if (!(error instanceof FuzzFault)) throw error;
      faults += 1;
      mkdirSync(dirname(corpusPath(one.name)), { recursive: true });
      appendFileSync(corpusPath(one.name), `${error.hex}\n`);
    }
    await breath();
  }
  return faults;
}

/** So that the row can be broken off. */
const breath = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
