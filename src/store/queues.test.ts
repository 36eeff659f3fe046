import { expect, test } from 'vitest';
import { limits } from '../base/limits.ts';
import { AppendQueue, answer } from './append-queue.ts';
import type { HistoryRow } from './journal.ts';
import { RowQueue } from './row-queue.ts';

const rec = Uint8Array.of(1);
const row = (seq: number, n = 0): HistoryRow => ({ seq, n, kind: 'event', at: seq, body: rec });

test('a batch takes whole appends up to its limits, in order', () => {
  const queue = new AppendQueue();
  const half = Array.from({ length: limits.journalBatchRecords / 2 }, () => rec);
  for (const records of [half, [rec], half]) void queue.push(records, {});
  expect(queue.take().map(({ records }) => records.length)).toEqual([512, 1]);
  expect(queue.take().map(({ records }) => records.length)).toEqual([512]);
  expect(queue.take()).toEqual([]);
});

test('an append is withdrawn only while it waits', async () => {
  const queue = new AppendQueue();
  const [early, late] = [new AbortController(), new AbortController()];
  const withdrawn = queue.push([rec], { signal: early.signal });
  early.abort();
  await expect(withdrawn).rejects.toMatchObject({ fault: 'Aborted' });
  const sent = queue.push([rec], { signal: late.signal });
  const batch = queue.take();
  late.abort();
  answer(batch, 4, undefined);
  expect(await sent).toEqual({ first: 5, last: 5 });
});

test('answers carry the numbers of their own records', async () => {
  const queue = new AppendQueue();
  const answers = [queue.push([rec, rec], {}), queue.push([rec], {})];
  answer(queue.take(), 10, undefined);
  expect(await Promise.all(answers)).toEqual([
    { first: 11, last: 12 },
    { first: 13, last: 13 },
  ]);
});

test('the marker never passes a row that is still queued', () => {
  const queue = new RowQueue(0);
  queue.push(
    Array.from({ length: 5_000 }, (_, index) => row(1 + (index >> 1), index & 1)),
    2_500,
  );
  const first = queue.take();
  expect(first.rows).toHaveLength(4_096);
  expect(first.through).toBe(2_048);
  queue.done(first.through);
  expect(queue.take().through).toBe(2_500);
});

test('rows that replay makes again are dropped, the rest comes back after a failure', () => {
  const queue = new RowQueue(7);
  queue.push([row(6), row(7), row(8)], 8);
  const { rows, through } = queue.take();
  expect([rows.map(({ seq }) => seq), through]).toEqual([[8], 8]);
  queue.back(rows);
  expect(queue.stored).toBe(7);
  expect(queue.take()).toEqual({ rows, through: 8 });
});
