/** Logs written by real programs: indexed, read from either end, followed, punched, flooded. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogIndexers } from '../../src/supervisor/log-indexer.io.ts';
import { type ReadLogsOptions, readLogs } from '../../src/supervisor/log-reader.io.ts';
import { decodeRecords, encodeRecord, type LogChunk } from '../../src/supervisor/logs.ts';
import { sleep } from '../../src/supervisor/until.io.ts';
import { removeTree } from '../fixtures/remove.ts';

let directory: string;
const nowUs = (): number => Math.round((performance.timeOrigin + performance.now()) * 1000);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-logs-'));
});
afterEach(() => removeTree(directory));

const text = (data: Uint8Array): string => Buffer.from(data).toString();
const put = (stream: string, data: string): void => appendFileSync(join(directory, stream), data);

async function read(options: Partial<ReadLogsOptions> = {}): Promise<LogChunk[]> {
  return Array.fromAsync(readLogs({ directory, nowUs, ...options }));
}

async function readText(options: Partial<ReadLogsOptions> = {}): Promise<string> {
  return (await read(options)).map((chunk) => text(chunk.data)).join('');
}

/** An index made by hand, as if the files had had these lengths at these instants. */
function index(...records: ['stdout' | 'stderr', number, number][]): void {
  const bytes = records.map(([stream, atUs, sizeBytes]) =>
    encodeRecord({ stream, atUs, sizeBytes }),
  );
  writeFileSync(join(directory, 'index'), Buffer.concat(bytes));
}

function shell(script: string): ChildProcess {
  const [out, err] = ['stdout', 'stderr'].map((name) => openSync(join(directory, name), 'a'));
  const child = spawn('/bin/bash', ['-c', script], { stdio: ['ignore', out, err] });
  for (const fd of [out, err]) if (fd !== undefined) closeSync(fd);
  return child;
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => child.once('exit', () => resolve()));

test('both streams come merged by the index, with offsets that lie in the files', async () => {
  put('stdout', 'a\nbb\nccc\n');
  put('stderr', 'x\nyy\n');
  index(['stdout', 100, 2], ['stderr', 200, 2], ['stdout', 300, 9], ['stderr', 300, 5]);
  const chunks = await read();
  expect(chunks.map((one) => [one.stream, one.atUs, text(one.data), one.offset])).toEqual([
    ['stdout', 100, 'a\n', 0],
    ['stderr', 200, 'x\n', 0],
    ['stdout', 300, 'bb\nccc\n', 2],
    ['stderr', 300, 'yy\n', 2],
  ]);
  expect(await readText({ streams: ['stderr'] })).toBe('x\nyy\n');
  expect(await readText({ offsets: { stdout: 5, stderr: 5 } })).toBe('ccc\n');
});

test('the last lines of both together, and lines since an instant', async () => {
  put('stdout', '1\n3\n5\n');
  put('stderr', '2\n4\nunfinished');
  const at: Parameters<typeof index> = [
    ['stdout', 100, 2],
    ['stderr', 200, 2],
    ['stdout', 300, 4],
    ['stderr', 400, 4],
    ['stdout', 500, 6],
    ['stderr', 600, 14],
  ];
  index(...at);
  expect(await readText({ tail: 0 })).toBe('');
  expect(await readText({ tail: 1 })).toBe('unfinished');
  expect(await readText({ tail: 3 })).toBe('4\n5\nunfinished');
  expect(await readText({ tail: 99 })).toBe('1\n2\n3\n4\n5\nunfinished');
  expect(await readText({ sinceUs: 301 })).toBe('4\n5\nunfinished');
  expect(await readText({ sinceUs: 300 })).toBe('3\n4\n5\nunfinished');
  expect(await readText({ sinceUs: 301, tail: 1, streams: ['stdout'] })).toBe('5\n');
  expect(await readText({ sinceUs: 10_000 })).toBe('');
});

test('logs that are not there are empty; a line of 1 MB and binary arrive whole', async () => {
  expect(await read()).toEqual([]);
  const long = 'x'.repeat(1_000_000);
  const binary = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256));
  put('stdout', `a\n${long}\nb\n`);
  writeFileSync(join(directory, 'stderr'), Buffer.concat([Buffer.alloc(9000), binary]));
  expect(await readText({ streams: ['stdout'] })).toBe(`a\n${long}\nb\n`);
  const bytes = Buffer.concat((await read({ streams: ['stderr'] })).map((chunk) => chunk.data));
  expect(bytes.equals(Buffer.concat([Buffer.alloc(9000), binary]))).toBe(true);
  for (const chunk of await read()) expect(chunk.data.length).toBeLessThanOrEqual(16_320);
});

test('lines are timed to within a period, over a restart of the agent too', async () => {
  const indexers = new LogIndexers(nowUs);
  const script =
    'for i in 1 2 3 4; do echo $EPOCHREALTIME; echo $EPOCHREALTIME >&2; sleep 0.06; done';
  {
    await using _first = indexers.start(directory);
    await ended(shell(script));
  }
  const offline = nowUs();
  put('stdout', 'gap\n');
  await sleep(30);
  await using second = indexers.start(directory);
  await sleep(30);
  await second.stop();
  const chunks = await read();
  const late: number[] = [];
  for (const chunk of chunks) {
    for (const line of text(chunk.data).trim().split('\n')) {
      if (line === 'gap') expect(chunk.atUs).toBeGreaterThan(offline + 25_000);
      else late.push(chunk.atUs - Number(line.replace(/[.,]/, '')));
    }
  }
  expect(late).toHaveLength(8);
  expect(Math.min(...late)).toBeGreaterThanOrEqual(-1_000);
  late.sort((a, b) => a - b);
  expect(late[4]).toBeLessThan(25_000);
  const streams = chunks.map((chunk) => chunk.stream);
  expect(streams.filter((stream) => stream === 'stderr').length).toBeGreaterThanOrEqual(3);
  expect(streams.lastIndexOf('stderr')).toBeLessThan(streams.length - 1);
});

test('a follower gets lines at once, a prompt after a while, and ends with the run', async () => {
  put('stdout', 'old\n');
  const child = shell('sleep 0.1; echo one; sleep 0.1; printf "name? "; sleep 0.5; printf end >&2');
  const got: { line: string; atMs: number }[] = [];
  const begun = performance.now();
  for await (const chunk of readLogs({
    directory,
    nowUs,
    follow: true,
    tail: 0,
    ended: ended(child),
  })) {
    got.push({ line: text(chunk.data), atMs: performance.now() - begun });
  }
  expect(got.map((one) => one.line)).toEqual(['one\n', 'name? ', 'end']);
  expect(got[1]?.atMs).toBeLessThan(690);
});

test('a follower is told of the end at once, and can give up at once', async () => {
  put('stdout', 'all\n');
  const { promise, resolve } = Promise.withResolvers<void>();
  const following = readText({ follow: true, ended: promise });
  await sleep(50);
  put('stdout', 'last');
  const told = performance.now();
  resolve();
  expect(await following).toBe('all\nlast');
  expect(performance.now() - told).toBeLessThan(100);
  const giveUp = new AbortController();
  const endless = readText({ follow: true, signal: giveUp.signal });
  await sleep(20);
  giveUp.abort();
  expect(await endless).toBe('all\nlast'.slice(0, 4));
});

test('a reader that follows from before the first line sees everything, in order', async () => {
  const indexers = new LogIndexers(nowUs);
  await using _indexer = indexers.start(directory);
  const child = shell('for ((i = 0; i < 20000; i++)); do echo "line $i"; done');
  const seen = await readText({ follow: true, ended: ended(child) });
  expect(seen).toBe(Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join(''));
});

test('the punched head of a log is passed over, from either end', async () => {
  const lines = Array.from({ length: 200_000 }, (_, i) => `line ${String(i).padStart(10, '0')}\n`);
  put('stdout', lines.join(''));
  const path = join(directory, 'stdout');
  const hole = 2 ** 20;
  execFileSync('fallocate', ['--punch-hole', '--offset', '0', '--length', String(hole), path]);
  const rest = lines.join('').slice(hole);
  expect(await readText()).toBe(rest);
  expect((await read())[0]?.offset).toBe(hole);
  expect(await readText({ tail: 2 })).toBe(lines.slice(-2).join(''));
  expect(await readText({ tail: 999_999 })).toBe(rest);
  expect(await readText({ offsets: { stdout: 5000 } })).toBe(rest);
});

test('zeros that a program wrote behind a punched head are its own', async () => {
  const path = join(directory, 'stdout');
  const hole = 2 ** 20;
  // Lines of 8 bytes: a reading from the end back begins at a zero.
  const lines = Array.from({ length: 20_000 }, (_, i) => `\0\0${String(i).padStart(5, '0')}\n`);
  put('stdout', 'x'.repeat(hole) + lines.join(''));
  execFileSync('fallocate', ['--punch-hole', '--offset', '0', '--length', String(hole), path]);
  expect(await readText({ tail: 15_000 })).toBe(lines.slice(-15_000).join(''));
  expect(await readText({ tail: 3 })).toBe(lines.slice(-3).join(''));
  expect(await readText()).toBe(lines.join(''));
});

test('a slow reader survives what is punched and truncated under it', async () => {
  const path = join(directory, 'stdout');
  put('stdout', '0123456\n'.repeat(100_000));
  const reader = readLogs({ directory, nowUs, follow: true, ended: sleep(300) });
  let seen = text((await reader.next()).value?.data ?? new Uint8Array());
  execFileSync('fallocate', ['--punch-hole', '--offset', '0', '--length', '409600', path]);
  for (let i = 0; i < 6; i += 1)
    seen += text((await reader.next()).value?.data ?? new Uint8Array());
  expect(seen).not.toContain('\0');
  truncateSync(path, 0);
  put('stdout', 'new\n');
  for await (const chunk of reader) seen += text(chunk.data);
  expect(seen).not.toContain('\0');
  expect(seen.endsWith('new\n')).toBe(true);
});

test('the end and an instant of a log of 10 GB are found without reading it', async () => {
  const path = join(directory, 'stdout');
  const size = 10 * 2 ** 30;
  put('stdout', '');
  truncateSync(path, size);
  put('stdout', 'before\nthe last\n');
  index(['stdout', 100, size], ['stdout', 200, size + 7], ['stdout', 300, size + 16]);
  const begun = performance.now();
  expect(await readText({ tail: 1 })).toBe('the last\n');
  expect(await readText({ sinceUs: 250 })).toBe('the last\n');
  expect(await readText({ tail: 500 })).toBe('before\nthe last\n');
  expect(await readText()).toBe('before\nthe last\n');
  expect(performance.now() - begun).toBeLessThan(500);
});

test('a flood costs the indexer little, and its index stays aligned and in order', async () => {
  const indexers = new LogIndexers(nowUs);
  const before = process.cpuUsage();
  const begun = performance.now();
  {
    await using _indexer = indexers.start(directory);
    await ended(shell('timeout 1 yes "a line of a program that says much" | head -c 100000000'));
  }
  const used = process.cpuUsage(before);
  const share = (used.user + used.system) / 1000 / (performance.now() - begun);
  const written = statSync(join(directory, 'stdout')).size;
  console.log({ writtenMB: written / 1e6, cpuShare: share });
  expect(share).toBeLessThan(0.15);
  const file = readFileSync(join(directory, 'index'));
  const records = decodeRecords(file);
  expect(records).toHaveLength(file.length / 16);
  expect(records.at(-1)?.sizeBytes).toBe(written);
  const gaps = records.slice(1).map((one, i) => one.atUs - (records[i]?.atUs ?? 0));
  expect(Math.min(...gaps.slice(1, -1))).toBeGreaterThan(8_000);
});

test('an index beyond its bound is shortened, and goes on', async () => {
  const many = Array.from({ length: 65_536 }, (_, i) =>
    encodeRecord({ stream: 'stdout', atUs: i, sizeBytes: i }),
  );
  writeFileSync(join(directory, 'index'), Buffer.concat([...many, Buffer.from('torn')]));
  put('stdout', `${'x'.repeat(70_000)}\n`);
  {
    await using _indexer = new LogIndexers(nowUs).start(directory);
    await sleep(50);
  }
  const records = decodeRecords(readFileSync(join(directory, 'index')));
  expect(records.length).toBeLessThan(45_000);
  expect(records.at(-1)).toMatchObject({ stream: 'stdout', sizeBytes: 70_001 });
  expect(records.at(-2)?.sizeBytes).toBe(65_535);
});
