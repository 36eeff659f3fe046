import { cpSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkJournal, copyJournal } from '../../src/store/backup.io.ts';
import { openJournal } from '../../src/store/open-journal.io.ts';
import type { SqliteJournal } from '../../src/store/sqlite.io.ts';
import { type Bench, bytesOf, conformance, flag, valueOf } from './conformance.ts';
import { type Mounted, mountMemory } from './mounted.ts';

let disk: Mounted;
let directories = 0;
let directory = '';

beforeAll(() => {
  disk = mountMemory(24);
});
afterAll(() => {
  disk[Symbol.dispose]();
});
beforeEach(() => {
  for (const name of readdirSync(disk.path)) rmSync(join(disk.path, name), { recursive: true });
  directory = newDirectory();
});

function newDirectory(): string {
  directories += 1;
  return join(disk.path, String(directories));
}

const reserveBytes = 1 << 20;
const pathIn = (where: string): string => join(where, 'journal.db');

const makeBench = async (): Promise<Bench> => {
  let where = newDirectory();
  const opened: SqliteJournal[] = [];
  const filler = join(disk.path, 'filler');
  const copyTo = (to: string): void => cpSync(where, to, { recursive: true });
  return {
    async open({ server = 's1', ...options } = {}) {
      const journal = await openJournal({ path: pathIn(where), server, reserveBytes, ...options });
      opened.push(journal);
      return journal;
    },
    async crash() {
      // What is on disk between two commits is what a killed process leaves.
      const to = newDirectory();
      copyTo(to);
      for (const journal of opened.splice(0)) await journal[Symbol.asyncDispose]();
      rmSync(where, { recursive: true });
      where = to;
    },
    async keep() {
      const kept = newDirectory();
      copyTo(kept);
      return async () => {
        const head = `${pathIn(where)}.head`;
        cpSync(head, `${pathIn(kept)}.head`);
        where = kept;
      };
    },
    async fill() {
      const chunk = Buffer.alloc(64 * 1024, 1);
      try {
        for (let at = 0; ; at += chunk.length) writeFileSync(filler, chunk, { flag: 'a' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    },
    async free() {
      rmSync(filler);
    },
    async tearNewestSnapshot() {
      const snapshots = `${pathIn(where)}.snapshots`;
      const seqOf = (name: string): number => Number.parseInt(name, 10);
      const [newest = ''] = readdirSync(snapshots).sort((a, b) => seqOf(b) - seqOf(a));
      writeFileSync(join(snapshots, newest), 'half');
    },
    async [Symbol.asyncDispose]() {
      rmSync(filler, { force: true });
      for (const journal of opened) await journal[Symbol.asyncDispose]();
    },
  };
};

describe('the journal on SQLite', () => {
  conformance(makeBench);
});

async function open(options: object = {}): Promise<SqliteJournal> {
  return openJournal({ path: pathIn(directory), server: 's1', reserveBytes, ...options });
}

test('a journal of the first version of its tables is taken over, with its history', async () => {
  const row = { seq: 1, n: 0, kind: 'event' as const, at: 5, task: 't', body: bytesOf(1) };
  let journal = await open();
  await journal.append([bytesOf(1)]);
  journal.project([row], 1);
  await journal[Symbol.asyncDispose]();
  const old = new DatabaseSync(pathIn(directory));
  old.exec(`DROP INDEX history_schedule; DROP INDEX history_name;
    ALTER TABLE history DROP COLUMN schedule; ALTER TABLE history DROP COLUMN name;
    PRAGMA user_version=1;`);
  old.close();
  journal = await open();
  await journal.append([bytesOf(2)]);
  expect(await journal.history({ kind: 'event', limit: 9 })).toEqual([row]);
  const fire = { ...row, seq: 2, kind: 'fire' as const, schedule: 's', name: 's 5 n1' };
  journal.project([fire, { ...fire, n: 1 }], 2);
  expect(await journal.history({ kind: 'fire', schedule: 's', limit: 9 })).toEqual([
    { ...fire, n: 1 },
  ]);
  await journal[Symbol.asyncDispose]();
  const again = new DatabaseSync(pathIn(directory), { readOnly: true });
  expect(again.prepare('PRAGMA user_version').get()).toEqual({ user_version: 2 });
  again.close();
});

test('its files are private, and the reserve is as large as asked for', async () => {
  await using journal = await open();
  await journal.append([bytesOf(1)]);
  const modes = Object.fromEntries(
    readdirSync(directory).map((name) => [name, statSync(join(directory, name)).mode & 0o777]),
  );
  expect(modes).toEqual({
    'journal.db': 0o600,
    'journal.db-shm': 0o600,
    'journal.db-wal': 0o600,
    'journal.db.head': 0o600,
    'journal.db.reserve': 0o600,
    'journal.db.snapshots': 0o700,
  });
  expect(statSync(`${pathIn(directory)}.reserve`).size).toBe(reserveBytes);
});

test('a commit that fails for any other reason closes the journal for good', async () => {
  const states: string[] = [];
  const journal = await open({ onState: (state: string) => states.push(state) });
  await journal.append([bytesOf(1)]);
  const other = new DatabaseSync(pathIn(directory));
  other.exec('ALTER TABLE journal RENAME TO gone');
  other.close();
  const both = [journal.append([bytesOf(2)]), journal.append([bytesOf(3)])];
  for (const each of await Promise.allSettled(both)) {
    expect(each).toMatchObject({ status: 'rejected', reason: { fault: 'Unknown' } });
  }
  await expect(journal.append([bytesOf(4)])).rejects.toEqual(flag('Closed'));
  expect(states).toEqual(['closed']);
  await journal[Symbol.asyncDispose]();
});

test('opened on a full disk it is full, not dead: reading goes on, and it recovers', async () => {
  const before = await open();
  await before.append([bytesOf('before')]);
  await before[Symbol.asyncDispose]();
  const filler = join(disk.path, 'filler');
  const fill = (): void => {
    for (;;) writeFileSync(filler, new Uint8Array(4_096), { flag: 'a' });
  };
  expect(fill).toThrow(/ENOSPC/);
  await using journal = await open();
  expect(journal.state()).toBe('full');
  await expect(journal.append([bytesOf('no')])).rejects.toEqual(flag('Full'));
  expect(await journal.read(0, 10)).toHaveLength(1);
  rmSync(filler);
  await expect.poll(() => journal.state(), { timeout: 5_000 }).toBe('open');
  expect(await journal.append([bytesOf('after')])).toEqual({ first: 2, last: 2 });
  expect(statSync(`${pathIn(directory)}.reserve`).size).toBe(reserveBytes);
});

test('a backup taken under load is a journal, complete up to one instant', async () => {
  const journal = await open();
  for (let round = 1; round <= 3; round += 1) {
    const all = Array.from({ length: 500 }, (_, index) => journal.append([bytesOf(index)]));
    await Promise.all(all);
    await journal.saveSnapshot(journal.head, [Buffer.from(`s${round}`)] as never);
  }
  journal.project([{ seq: 1500, n: 0, kind: 'event', at: 1, body: bytesOf('e') }], 1500);
  const stop = new AbortController();
  const load = (async () => {
    for (let index = 0; !stop.signal.aborted; index += 1) await journal.append([bytesOf(index)]);
  })();
  const to = join(newDirectory());
  const path = `${to}.db`;
  const head = await journal.backup(path);
  stop.abort();
  await load;
  expect(head.seq).toBeGreaterThanOrEqual(1_500);
  await expect(journal.backup(path)).rejects.toMatchObject({ code: 'exists' });
  await journal[Symbol.asyncDispose]();
  const report = await checkJournal(path);
  expect(report).toMatchObject({ problems: [], warnings: [], head, snapshots: 2 });
  await using copy = await openJournal({ path, server: 's1', reserveBytes });
  expect(copy.id).toEqual(journal.id);
  expect((await copy.loadSnapshot())?.at.seq).toBe(1_500);
  expect(await copy.history({ kind: 'event', limit: 10 })).toHaveLength(1);
});

test('a backup of a journal at rest, and a check that finds nothing', async () => {
  const journal = await open();
  await journal.append([bytesOf('a'), bytesOf('b')]);
  const { head } = journal;
  await journal[Symbol.asyncDispose]();
  const to = join(disk.path, 'copy.db');
  expect(await copyJournal(pathIn(directory), to)).toEqual(head);
  expect(await checkJournal(pathIn(directory))).toEqual({
    ...{ problems: [], warnings: [], head, records: 2, snapshots: 0 },
  });
  await expect(checkJournal(join(disk.path, 'nothing.db'))).rejects.toMatchObject({
    code: 'damaged',
  });
});

test('an old writer that was stopped for long is fenced when it wakes', async () => {
  const older = await open();
  const stale = Array.from({ length: 50 }, (_, index) => older.append([bytesOf(index)]));
  const newer = await open({ server: 's2' });
  const results = await Promise.allSettled(stale);
  await expect(older.append([bytesOf('stale')])).rejects.toEqual(flag('Fenced'));
  const taken = results.filter(({ status }) => status === 'fulfilled').length;
  const values = (await newer.read(0, 1_000)).map(({ rec }) => valueOf(rec));
  expect(values).toHaveLength(taken);
  await older[Symbol.asyncDispose]();
  await newer[Symbol.asyncDispose]();
});
