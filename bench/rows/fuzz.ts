/**
 * A million inputs for each parser that strangers reach: how many a second it takes, and whether
 * any of them is answered with something else than a value or a named error. What is found is
 * kept in tests/wire/fuzz-corpus, where the tests begin with it.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { corpusPath, FuzzFault, fuzz, fuzzCases } from '../../tests/wire/fuzz-cases.ts';
import { digits, type Finding, type Row } from '../measure.ts';

const INPUTS = Number(process.env['FUZZ_INPUTS'] || 1_000_000);
/** A part is over before anybody wonders; the seeds of a run follow each other. */
const PART = 10_000;

export const fuzzed: Row = {
  name: 'fuzz',
  limitMs: 3_600_000,
  async run() {
    const findings: Finding[] = [];
    for (const one of fuzzCases) {
      const seed = Date.now() % 1_000_000_000;
      const begun = performance.now();
      const faults: string[] = [];
      for (let done = 0; done < INPUTS; done += PART) {
        try {
          fuzz(one, PART, seed + done);
        } catch (error) {
          if (!(error instanceof FuzzFault)) throw error;
          faults.push(error.hex);
          mkdirSync(dirname(corpusPath(one.name)), { recursive: true });
          appendFileSync(corpusPath(one.name), `${error.hex}\n`);
        }
        // So that the row can be broken off.
        await new Promise<void>((resolve) => void setImmediate(resolve));
      }
      const seconds = (performance.now() - begun) / 1_000;
      findings.push({
        what: `fuzz: ${one.name}, ${digits(INPUTS)} inputs`,
        figure: `${digits(INPUTS / seconds)}/s, seed ${seed}`,
        against: 'a value or a named error for each',
        result: `${faults.length} faults`,
        goal: 'none',
        met: faults.length === 0,
      });
    }
    return findings;
  },
};
