/**
 * Bytes that change behind the journal's back (store page, section 8, case 14): each flip is
 * noticed or harmless; never is a record applied that nobody wrote, nor one that was told of lost
 * without a word.
 */

import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { Prng } from '../../src/base/prng.ts';
import { checkJournal } from '../../src/store/backup.io.ts';
import { JournalError } from '../../src/store/journal.ts';
import { openJournal } from '../../src/store/open-journal.io.ts';
import { removeTree } from '../fixtures/remove.ts';
import { bytesOf, flag, valueOf } from './conformance.ts';

let base = '';
const records = 300;
const reserveBytes = 0;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'lotc-damage-'));
  const journal = await openJournal({ path: at('whole'), server: 's', reserveBytes });
  const append = async (from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n += 1) await journal.append([bytesOf(n), bytesOf('x'.repeat(100))]);
  };
  await append(0, 50);
  await journal.saveSnapshot(journal.head, [bytesOf('s1')] as never);
  await append(50, 100);
  await journal.saveSnapshot(journal.head, [bytesOf('s2')] as never);
  await append(100, records / 2);
  // Taken while it is open: the log is still a log, as after a kill.
  cpSync(join(base, 'whole'), join(base, 'killed'), { recursive: true });
  await journal[Symbol.asyncDispose]();
}, 30_000);
afterAll(() => {
  removeTree(base);
});

const at = (name: string): string => join(base, name, 'journal.db');

async function outcome(path: string, options: object = {}): Promise<string> {
  const warnings: string[] = [];
  try {
    const onWarning = (text: string): void => void warnings.push(text);
    const journal = await openJournal({ path, server: 's', reserveBytes, onWarning, ...options });
    try {
      const snapshot = await journal.loadSnapshot();
      let crc: number | undefined;
      let count = snapshot?.at.seq ?? 0;
      for (;;) {
        const entries = await journal.read(count, 1_000);
        if (entries.length === 0) break;
        for (const { seq, rec } of entries) {
          expect(seq).toBe(count + 1);
          count = seq;
          const expected = seq % 2 === 0 ? 'x'.repeat(100) : (seq - 1) / 2;
          expect(valueOf(rec)).toBe(expected);
          crc = journal.head.crc;
        }
      }
      expect(crc).toBe(journal.head.crc);
      return count === records ? 'whole' : `short without a word: ${count} ${warnings.join()}`;
    } finally {
      await journal[Symbol.asyncDispose]();
    }
  } catch (error) {
    if (error instanceof JournalError) return error.fault;
    throw error;
  }
}

async function flipped(from: string, file: string, rounds: number): Promise<Map<string, number>> {
  const random = new Prng(4711);
  const outcomes = new Map<string, number>();
  const original = readFileSync(join(base, from, file));
  for (let round = 0; round < rounds; round += 1) {
    cpSync(join(base, from), join(base, 'flip'), { recursive: true });
    const bytes = Buffer.from(original);
    const bit = random.uint32() % (bytes.length * 8);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(join(base, 'flip', file), bytes);
    const what = await outcome(at('flip'));
    outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
    rmSync(join(base, 'flip'), { recursive: true });
  }
  return outcomes;
}

test('untouched, it is whole', async () => {
  cpSync(join(base, 'killed'), join(base, 'copy'), { recursive: true });
  expect(await outcome(at('copy'))).toBe('whole');
});

test.each([
  ['whole', 'journal.db', 50],
  ['killed', 'journal.db-wal', 20],
  ['killed', 'journal.db.head', 10],
] as const)(
  'a flipped bit in a %s %s is noticed or harmless',
  async (from, file, rounds) => {
    const outcomes = await flipped(from, file, rounds);
    for (const what of outcomes.keys()) expect(['whole', 'Damaged', 'WentBack']).toContain(what);
    expect([...outcomes.values()].reduce((sum, count) => sum + count)).toBe(rounds);
  },
  60_000,
);

test('a log cut short anywhere is noticed', async () => {
  const size = readFileSync(join(base, 'killed', 'journal.db-wal')).length;
  const random = new Prng(7);
  for (let round = 0; round < 10; round += 1) {
    cpSync(join(base, 'killed'), join(base, 'cut'), { recursive: true });
    truncateSync(`${at('cut')}-wal`, random.uint32() % (size - 32));
    expect(await outcome(at('cut'))).toBe('WentBack');
    rmSync(join(base, 'cut'), { recursive: true });
  }
});

test('a tail nobody was told of is cut, with a warning', async () => {
  cpSync(join(base, 'killed'), join(base, 'torn'), { recursive: true });
  // The witness of a little earlier: what a power cut leaves when it was synced before the end.
  const early = join(base, 'early');
  const journal = await openJournal({ path: join(early, 'journal.db'), server: 's', reserveBytes });
  for (let n = 0; n < 3; n += 1) await journal.append([bytesOf(n)]);
  cpSync(join(early, 'journal.db.head'), join(base, 'head-at-3'));
  await journal.append([bytesOf('unseen')]);
  cpSync(early, join(base, 'late'), { recursive: true });
  await journal[Symbol.asyncDispose]();
  cpSync(join(base, 'head-at-3'), join(base, 'late', 'journal.db.head'));
  const wal = `${at('late')}-wal`;
  truncateSync(wal, readFileSync(wal).length - 100);
  const warnings: string[] = [];
  const onWarning = (text: string): void => void warnings.push(text);
  const again = await openJournal({ path: at('late'), server: 's', reserveBytes, onWarning });
  expect(again.head.seq).toBe(3);
  expect(warnings).toEqual([expect.stringContaining('after record 3 was cut')]);
  await again[Symbol.asyncDispose]();
  warnings.length = 0;
  const third = await openJournal({ path: at('late'), server: 's', reserveBytes, onWarning });
  expect(warnings).toEqual([]);
  await third[Symbol.asyncDispose]();
});

/** Changes one byte of the record whose text is given, in the database file. */
function spoil(path: string, text: string): void {
  const bytes = readFileSync(path);
  const where = bytes.indexOf(text);
  expect(where).toBeGreaterThan(0);
  bytes[where + 3] = 0x21;
  writeFileSync(path, bytes);
}

test('damage in the middle names the file and the record, and the rest can be accepted', async () => {
  const path = at('middle');
  const journal = await openJournal({ path, server: 's', reserveBytes });
  for (let n = 1; n <= 20; n += 1) await journal.append([bytesOf(`record number ${n}.`)]);
  await journal.saveSnapshot(journal.head, [bytesOf('at 20')] as never);
  for (let n = 21; n <= 30; n += 1) await journal.append([bytesOf(`record number ${n}.`)]);
  const { id } = journal;
  await journal[Symbol.asyncDispose]();
  cpSync(join(base, 'middle'), join(base, 'middle-2'), { recursive: true });

  // Behind the snapshot: what is before the damage is kept.
  spoil(path, 'record number 25.');
  await expect(openJournal({ path, server: 's', reserveBytes })).rejects.toMatchObject({
    fault: 'Damaged',
    message: `${path} is damaged at record 25: record 25 does not match its checksum`,
  });
  expect((await checkJournal(path)).problems[0]).toContain('damaged at record 25');
  const cut = await openJournal({ path, server: 's', reserveBytes, acceptLoss: true });
  expect(cut.head.seq).toBe(24);
  expect(cut.id).not.toEqual(id);
  await cut.append([bytesOf('new')]);
  await cut[Symbol.asyncDispose]();
  expect((await checkJournal(path)).problems).toEqual([]);

  // Before the snapshot: the snapshot and what follows it are kept.
  const other = at('middle-2');
  spoil(other, 'record number 5.');
  await expect(openJournal({ path: other, server: 's', reserveBytes })).rejects.toEqual(
    flag('Damaged'),
  );
  const kept = await openJournal({ path: other, server: 's', reserveBytes, acceptLoss: true });
  expect(kept.head.seq).toBe(30);
  expect((await kept.loadSnapshot())?.at.seq).toBe(20);
  expect((await kept.read(20, 100)).map(({ seq }) => seq)).toHaveLength(10);
  await kept[Symbol.asyncDispose]();
  expect((await checkJournal(other)).problems).toEqual([]);
});

test('a missing database, another database, a newer one: each is named', async () => {
  const path = at('gone');
  const journal = await openJournal({ path, server: 's', reserveBytes });
  await journal.append([bytesOf(1)]);
  await journal[Symbol.asyncDispose]();
  const bytes = readFileSync(path);
  rmSync(path);
  await expect(openJournal({ path, server: 's', reserveBytes })).rejects.toEqual(flag('WentBack'));
  const other = Buffer.from(bytes);
  other.writeUInt32BE(0x12345678, 68);
  writeFileSync(path, other);
  await expect(openJournal({ path, server: 's', reserveBytes })).rejects.toEqual(flag('Damaged'));
  const newer = Buffer.from(bytes);
  newer.writeUInt32BE(99, 60);
  writeFileSync(path, newer);
  await expect(openJournal({ path, server: 's', reserveBytes })).rejects.toEqual(
    flag('Unsupported'),
  );
  writeFileSync(path, 'not a database, whatever the name says'.repeat(200));
  await expect(openJournal({ path, server: 's', reserveBytes })).rejects.toEqual(flag('Damaged'));
});
