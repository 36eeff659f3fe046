import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Follower } from './follower.ts';
import type { Entry } from './journal.ts';

const entry = (seq: number, bytes = 1): Entry => {
  return { seq, crc: 0, writer: 's', epoch: 1, rec: new Uint8Array(bytes) };
};

function setUp(after = 0) {
  const log: Entry[] = [];
  let reads = 0;
  const source = {
    read: async (from: number, limit: number) => {
      reads += 1;
      return log.slice(from, from + Math.min(limit, 7));
    },
    headSeq: () => log.length,
    failure: () => undefined,
  };
  const follower = new Follower(after, source, () => {});
  const append = (count: number, bytes = 1): void => {
    const batch = Array.from({ length: count }, (_, index) => entry(log.length + index + 1, bytes));
    log.push(...batch);
    follower.offer(batch);
  };
  return { log, follower, append, reads: () => reads };
}

test('history comes first, then what is live, each once and in order', async () => {
  const { follower, append, log } = setUp(3);
  append(20);
  const seen: number[] = [];
  while (seen.at(-1) !== 20)
    seen.push(...((await follower.next()).value ?? []).map(({ seq }) => seq));
  const next = follower.next();
  append(2);
  seen.push(...((await next).value ?? []).map(({ seq }) => seq));
  expect(seen).toEqual(log.slice(3).map(({ seq }) => seq));
});

test('what waits for a record is released when the reader comes back', async () => {
  const { follower, append } = setUp();
  const released: number[] = [];
  append(1);
  follower.after(1, () => released.push(1));
  await follower.next();
  expect(released).toEqual([]);
  void follower.next();
  expect(released).toEqual([1]);
  follower.after(1, () => released.push(2));
  expect(released).toEqual([1, 2]);
});

test('a reader that quits keeps nobody waiting', async () => {
  const { follower, append } = setUp();
  append(1);
  const released: number[] = [];
  follower.after(1, () => released.push(1));
  await follower.return();
  expect(released).toEqual([1]);
  expect((await follower.next()).done).toBe(true);
});

test('an end wakes a reader that waits', async () => {
  const { follower } = setUp();
  const next = follower.next();
  follower.end();
  expect(await next).toEqual({ value: undefined, done: true });
});

test('a slow reader gets what it missed from the pages, in bounded memory', async () => {
  const { follower, append, reads, log } = setUp();
  for (let batch = 0; batch < 40; batch += 1) append(1, 300 * 1024);
  let seen = 0;
  while (seen < 40) for (const { seq } of (await follower.next()).value ?? []) seen = seq;
  expect(reads()).toBeGreaterThan(0);
  expect(seen).toBe(log.length);
});

test('records that are gone are an error, not a gap', async () => {
  const { follower, append, log } = setUp();
  for (let batch = 0; batch < 40; batch += 1) append(1, 300 * 1024);
  log.splice(0, 5);
  await expect(follower.next()).rejects.toThrow(/no longer in the journal/);
});

test('any interleaving of appends and reads gives every record once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 5 }), { maxLength: 60 }), async (steps) => {
      const { follower, append, log } = setUp();
      const seen: number[] = [];
      for (const step of steps) {
        if (step > 0) append(step);
        else if (seen.length < log.length) {
          for (const { seq } of (await follower.next()).value ?? []) seen.push(seq);
        }
      }
      while (seen.length < log.length) {
        for (const { seq } of (await follower.next()).value ?? []) seen.push(seq);
      }
      expect(seen).toEqual(log.map(({ seq }) => seq));
    }),
  );
});
