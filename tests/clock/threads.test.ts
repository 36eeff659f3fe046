/** A reading of the clock by one thread while another writes: all of one update, or of the next. */
import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { SharedReading } from '../../src/scheduler/clock/reading.ts';

const COUNT = 300_000;
const BATCH = 200;

function numbersOf(shared: SharedReading): Set<number> {
  const { refUs, aheadUs, rate, slewRate, slewUs, ...more } = shared.read();
  const { proven, drift, suspendedUs, generation, stratum } = more;
  const ends = [proven.lowUs, proven.highUs, drift.low, drift.high];
  return new Set([
    refUs,
    aheadUs,
    rate,
    slewRate,
    slewUs,
    ...ends,
    suspendedUs,
    generation,
    stratum,
  ]);
}

test('readings of one thread while another writes are never of two updates', async () => {
  const shared = new SharedReading();
  const workerData = { memory: shared.memory, count: COUNT };
  const source = join(import.meta.dirname, 'write-readings.ts');
  const worker = new Worker(source, { workerData, execArgv: [] });
  const torn: number[][] = [];
  const seen = new Set<number>();
  await once(worker, 'online');
  for (let last = 0; last < COUNT; ) {
    for (let n = 0; n < BATCH; n += 1) {
      const numbers = numbersOf(shared);
      const [first = 0] = numbers;
      // Before the first update nothing is proven: the ends are infinite.
      if (first === 0) continue;
      if (numbers.size > 1) torn.push([...numbers]);
      seen.add(first);
      last = first;
    }
    await turn();
  }
  await worker.terminate();
  expect(torn).toEqual([]);
  // They did run at the same time.
  expect(seen.size).toBeGreaterThan(2);
});
