/**
 * Death at any instant (store page, section 8, cases 5, 6 and 8): what was acknowledged is there,
 * at its number, once. A kill keeps what the kernel was given; a power cut keeps what was synced,
 * which is what a copy of the file system's image holds while the cache above it is dirty.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkJournal } from '../../src/store/backup.io.ts';
import { JournalError } from '../../src/store/journal.ts';
import { openJournal } from '../../src/store/open-journal.io.ts';
import type { SqliteJournal } from '../../src/store/sqlite.io.ts';
import { openTables } from '../../src/store/tables.io.ts';
import { removeTree } from '../fixtures/remove.ts';
import { makeImage, mountImage } from './mounted.ts';

const kills = 50;
const cuts = 4;
const flood = join(import.meta.dirname, 'flood.ts');

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-crash-'));
});
afterEach(() => {
  removeTree(directory);
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Flood extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Lines so far, without the one that was cut off. */
  readonly lines: string[];
  readonly opened: Promise<unknown>;
  /** Resolves when it is dead and all of its lines are here. */
  kill(): Promise<void>;
}

function startFlood(kind: string, path: string, run: string): Flood {
  const child = spawn(process.execPath, [flood, kind, path, run], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  const opened = new Promise((resolve, reject) => {
    reader.on('line', (line) => {
      lines.push(line);
      if (line === 'open') resolve(line);
    });
    child.once('exit', (code) => {
      reject(new Error(`the flood ended with ${code}: ${lines.join(', ')}`));
    });
  });
  opened.catch(() => {});
  const ended = Promise.all([once(child, 'exit'), once(reader, 'close')]);
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  return { child, lines, opened, kill, [Symbol.asyncDispose]: kill };
}

/** Acknowledged records by number. */
function ackedIn(lines: readonly string[], acked: Map<number, string>): void {
  for (const line of lines) {
    const [word, seq, value = ''] = line.split(' ');
    // The last line may be cut off by the kill: an ack that nobody read was none.
    if (word === 'acked' && /^\S+\.\d+\.\d+\.x*$/.test(value)) acked.set(Number(seq), value);
  }
}

async function verifyJournal(path: string, acked: Map<number, string>): Promise<number> {
  const report = await checkJournal(path);
  expect(report.problems).toEqual([]);
  await using journal = await openJournal({ path, server: 'verify', reserveBytes: 1 << 20 });
  const values = new Set<string>();
  const [oldest] = await journal.read(0, 1);
  const first = oldest?.seq ?? 1;
  for (let after = first - 1; ; ) {
    const entries = await journal.read(after, 1_000);
    if (entries.length === 0) break;
    for (const { seq, rec } of entries) {
      const value = Buffer.from(rec).toString();
      expect(values.has(value)).toBe(false);
      values.add(value);
      const said = acked.get(seq);
      // A line cut off by the kill is a beginning of the value.
      if (said !== undefined && !value.startsWith(said)) expect(said).toBe(value);
      after = seq;
    }
  }
  const last = Math.max(0, ...acked.keys());
  expect(journal.head.seq).toBeGreaterThanOrEqual(last);
  expect(journal.projected).toBeLessThanOrEqual(journal.head.seq);
  if (first > 1) expect((await journal.loadSnapshot())?.at.seq).toBeGreaterThanOrEqual(first - 1);
  return acked.size;
}

test(`5: ${kills} kills under load lose nothing acknowledged and double nothing`, async () => {
  const path = join(directory, 'journal.db');
  const acked = new Map<number, string>();
  for (let round = 0; round < kills; round += 1) {
    await using run = startFlood('journal', path, `k${round}`);
    await run.opened;
    await sleep(Math.random() * 60);
    await run.kill();
    ackedIn(run.lines, acked);
  }
  expect(await verifyJournal(path, acked)).toBeGreaterThan(kills * 32);
}, 180_000);

test(`6: ${cuts} power cuts under load lose nothing acknowledged`, async () => {
  const image = join(directory, 'image');
  makeImage(image, 96);
  using live = mountImage(image);
  const acked = new Map<number, string>();
  for (let round = 0; round < cuts; round += 1) {
    await using run = startFlood('journal', join(live.path, 'journal.db'), `p${round}`);
    await run.opened;
    await sleep(300 + Math.random() * 700);
    await run.kill();
    cpSync(image, `${image}.cut`);
    ackedIn(run.lines, acked);
    const before = acked.size;
    using cut = mountImage(`${image}.cut`);
    expect(await verifyJournal(join(cut.path, 'journal.db'), acked)).toBe(before);
  }
  expect(acked.size).toBeGreaterThan(cuts * 32);
}, 120_000);

test('8: a writer stopped while another took over is fenced when it goes on', async () => {
  const path = join(directory, 'journal.db');
  await using run = startFlood('journal', path, 'stopped');
  await run.opened;
  await using newer = await takeOver(run.child, path);
  await newer.append([Buffer.from('first of the newer')]);
  const { seq } = newer.head;
  run.child.kill('SIGCONT');
  await once(run.child, 'close');
  expect(run.lines).toContain('ended Fenced');
  const acked = new Map<number, string>();
  ackedIn(run.lines, acked);
  expect(Math.max(...acked.keys())).toBeLessThan(seq);
  const entries = await newer.read(seq - 1, 1_000);
  expect(entries.map(({ writer }) => writer)).toEqual(['newer']);
}, 60_000);

/** A writer stopped in the midst of a commit holds SQLite's own lock: then nobody takes over. */
async function takeOver(child: ChildProcess, path: string): Promise<SqliteJournal> {
  for (;;) {
    await sleep(20 + Math.random() * 50);
    child.kill('SIGSTOP');
    try {
      return await openJournal({ path, server: 'newer', reserveBytes: 1 << 20 });
    } catch (error) {
      if (!(error instanceof JournalError) || error.fault !== 'Locked') throw error;
      child.kill('SIGCONT');
    }
  }
}

test('tables: kills and power cuts lose nothing acknowledged and tear no commit', async () => {
  const image = join(directory, 'image');
  makeImage(image, 64);
  using live = mountImage(image);
  const acked = new Map<string, string>();
  for (let round = 0; round < 6; round += 1) {
    await using run = startFlood('tables', join(live.path, 'agent.db'), `r${round}`);
    await run.opened;
    await sleep(100 + Math.random() * 200);
    await run.kill();
    for (const line of run.lines) {
      const [word, who = '', value = ''] = line.split(' ');
      if (word !== 'acked') continue;
      acked.set(who, value);
    }
    cpSync(image, `${image}.cut`);
    using cut = mountImage(`${image}.cut`);
    await using store = await openTables(join(cut.path, 'agent.db'), { reserveBytes: 0 });
    const there = new Map(await store.load('t'));
    for (const [who, value] of acked) {
      const text = (key: string): string => Buffer.from(there.get(key) ?? []).toString();
      expect(text(`a${who}`)).toBe(text(`b${who}`));
      const order = (each: string): number =>
        Number(each.split('.')[0]?.slice(1)) * 1e9 + Number(each.split('.')[1]);
      expect(order(text(`a${who}`))).toBeGreaterThanOrEqual(order(value));
    }
  }
  expect(acked.size).toBe(32);
}, 120_000);
