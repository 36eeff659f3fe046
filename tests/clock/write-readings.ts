/** Publishes readings as fast as it can: the n-th says n everywhere. For `threads.test.ts`. */
import { workerData } from 'node:worker_threads';
import { nothing, SharedReading } from '../../src/scheduler/clock/reading.ts';

const { memory, count } = workerData as { memory: SharedArrayBuffer; count: number };
const shared = new SharedReading(memory);

for (let n = 1; n <= count; n += 1) {
  shared.write({
    ...nothing,
    ...{ refUs: n, aheadUs: n, rate: n, slewRate: n, slewUs: n },
    ...{ proven: { lowUs: n, highUs: n }, drift: { low: n, high: n } },
    ...{ suspendedUs: n, generation: n, stratum: n },
  });
}
