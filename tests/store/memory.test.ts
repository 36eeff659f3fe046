import { describe, expect, test } from 'vitest';
import { type MemoryJournal, openMemoryJournal } from '../../src/store/memory.ts';
import { MemoryDisk } from '../../src/store/memory-disk.ts';
import { type Bench, bytesOf, conformance, flag } from './conformance.ts';

const newDisk = (): MemoryDisk => new MemoryDisk(new Uint8Array(16).fill(1));

const makeBench = async (): Promise<Bench> => {
  let disk = newDisk();
  let last: MemoryJournal | undefined;
  return {
    async open({ server = 's1', ...options } = {}) {
      last = openMemoryJournal(disk, { server, autoFlush: true, ...options });
      return last;
    },
    async crash() {
      last?.crash();
    },
    async keep() {
      const copy = disk.copy();
      return async () => {
        copy.witnessSeq = disk.witnessSeq;
        disk = copy;
      };
    },
    async fill() {
      disk.reserve = 1;
      disk.full = true;
    },
    async free() {
      disk.full = false;
    },
    async tearNewestSnapshot() {
      disk.tearSnapshot();
    },
    async [Symbol.asyncDispose]() {
      await last?.[Symbol.asyncDispose]();
    },
  };
};

describe('the journal of the simulator', () => {
  conformance(makeBench);
});

test('nothing is durable, answered or followed before it is flushed', async () => {
  const disk = newDisk();
  const journal = openMemoryJournal(disk);
  const done: string[] = [];
  const appended = journal.append([bytesOf(1)]).then(() => done.push('append'));
  const followed = journal.follow(0)[Symbol.asyncIterator]();
  const next = followed.next().then(() => done.push('follow'));
  await Promise.resolve();
  expect([done, journal.head.seq, journal.waiting]).toEqual([[], 0, 1]);
  journal.flush();
  await next;
  void followed.next();
  await appended;
  expect(done).toEqual(['follow', 'append']);
});

test('a crash keeps what was flushed, and of the rest whole appends only', async () => {
  const disk = newDisk();
  const journal = openMemoryJournal(disk);
  const first = journal.append([bytesOf(1)]);
  journal.flush();
  await first;
  let answered = false;
  void journal.append([bytesOf(2)]).then(() => (answered = true));
  void journal.append([bytesOf(3), bytesOf(4)]).then(() => (answered = true));
  await Promise.resolve();
  journal.crash(2);
  const again = openMemoryJournal(disk);
  expect(again.head.seq).toBe(2);
  expect(answered).toBe(false);
});

test('the n-th commit fails for good, and the journal with it', async () => {
  const disk = newDisk();
  const journal = openMemoryJournal(disk, { autoFlush: true });
  disk.failCommit(2);
  await journal.append([bytesOf(1)]);
  await expect(journal.append([bytesOf(2)])).rejects.toEqual(flag('Unknown'));
  expect(journal.state()).toBe('closed');
  await expect(journal.append([bytesOf(3)])).rejects.toEqual(flag('Unknown'));
  expect(openMemoryJournal(disk).head.seq).toBe(1);
});

test('a tail that was acknowledged and is lost is noticed', async () => {
  const disk = newDisk();
  const journal = openMemoryJournal(disk, { autoFlush: true });
  await journal.append([bytesOf(1)]);
  await journal.append([bytesOf(2)]);
  journal.crash();
  disk.loseTail(1);
  expect(() => openMemoryJournal(disk)).toThrow(/was known to reach record 2/);
  expect(openMemoryJournal(disk, { acceptLoss: true }).head.seq).toBe(1);
});
