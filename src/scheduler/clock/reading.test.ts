import { expect, test } from 'vitest';
import { nothing, type Published, SharedReading } from './reading.ts';

const some: Published = {
  ...{ refUs: 5e9, aheadUs: 1.79e15, rate: 1e-6, slewRate: -5e-4, slewUs: 20 },
  proven: { lowUs: 1.79e15 - 40, highUs: 1.79e15 + 50 },
  drift: { low: -5e-5, high: 5e-5 },
  ...{ suspendedUs: 7, generation: 3, status: 'holdover', stratum: 2, relative: true },
};

test('what is written in one thread is read in another', () => {
  const writer = new SharedReading();
  const reader = new SharedReading(writer.memory);
  expect(reader.read()).toBe(nothing);
  writer.write(some);
  expect(reader.read()).toEqual(some);
  writer.write(nothing);
  expect(reader.read()).toEqual(nothing);
});

test('a reader that was overtaken reads again', () => {
  const shared = new SharedReading();
  shared.write(some);
  let overtaken = 0;
  const read = shared.read(() => {
    overtaken += 1;
    if (overtaken <= 2) shared.write({ ...some, generation: 10 + overtaken });
  });
  expect([overtaken, read.generation]).toEqual([3, 12]);
});

test('a writer that ended in the middle of a write holds nobody up', () => {
  const shared = new SharedReading();
  shared.write(some);
  const reader = new SharedReading(shared.memory);
  expect(reader.read()).toEqual(some);
  Atomics.add(new Int32Array(shared.memory), 0, 1);
  expect(reader.read()).toEqual(some);
  expect(new SharedReading(shared.memory).read()).toBe(nothing);
});
