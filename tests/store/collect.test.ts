/** Result files: collected by root out of a stranger's directory, and written on a person's machine. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ArchiveEntry } from '../../src/store/archive.ts';
import { collectFiles } from '../../src/store/collect.io.ts';
import { LooseUnpacker } from '../../src/store/loose.io.ts';
import { encodeHeader } from '../../src/store/tar-layout.ts';
import { padding } from '../../src/store/tar-reader.ts';
import { removeTree } from '../fixtures/remove.ts';

let root: string;
let work: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lotc-collect-'));
  work = join(root, 'run/work');
  mkdirSync(work, { recursive: true });
});

afterEach(() => removeTree(root));

function put(path: string, text: string | Buffer = path): void {
  mkdirSync(dirname(join(work, path)), { recursive: true });
  writeFileSync(join(work, path), text);
}

const collect = (globs: readonly string[], resultBytes?: number) =>
  collectFiles({ directory: work, globs, into: join(root, 'results.tar'), resultBytes });

/** What comes out of a tar, written below `out`. */
function unpack(bytes: Uint8Array, into = join(root, 'out'), digest = digestOf(bytes)) {
  const unpacker = LooseUnpacker.open(into);
  for (let at = 0; at < bytes.length; at += 700) unpacker.write(bytes.subarray(at, at + 700));
  return unpacker.finish(digest);
}

const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

test('what the globs take, the same bytes each time, and back', async () => {
  put('out/b', 'two');
  put('out/a', 'one');
  put('out/deep/c', '');
  put('other', 'no');
  chmodSync(join(work, 'out/a'), 0o755);
  const first = await collect(['out/**']);
  const bytes = readFileSync(join(root, 'results.tar'));
  expect(first).toMatchObject({ files: 3, skipped: [], sizeBytes: bytes.length });
  expect(first.digest).toBe(digestOf(bytes));
  execFileSync('touch', [join(work, 'out/a')]);
  expect((await collect(['out/**'])).digest).toBe(first.digest);
  expect(execFileSync('tar', ['tf', join(root, 'results.tar')], { encoding: 'utf8' })).toBe(
    'out/a\nout/b\nout/deep/c\n',
  );
  expect(unpack(bytes)).toEqual({ files: 3, skipped: [] });
  expect(readFileSync(join(root, 'out/out/b'), 'utf8')).toBe('two');
  expect(statSync(join(root, 'out/out/a')).mode & 0o100).toBe(0o100);
  // A second time into the same place.
  expect(unpack(bytes)).toEqual({ files: 3, skipped: [] });
});

test('links out, devices, pipes and files of others are named, never opened', async () => {
  writeFileSync(join(root, 'secret'), 'secret');
  put('out/good', 'good');
  symlinkSync(join(root, 'secret'), join(work, 'out/abs'));
  symlinkSync('../../../secret', join(work, 'out/rel'));
  symlinkSync('good', join(work, 'out/inside'));
  symlinkSync('nowhere', join(work, 'out/dangling'));
  symlinkSync('/', join(work, 'out/rootdir'));
  symlinkSync('/dev/zero', join(work, 'out/zero'));
  execFileSync('mkfifo', [join(work, 'out/pipe')]);
  linkSync(join(root, 'secret'), join(work, 'out/hard'));
  chownSync(work, 12_345, 12_345);
  const { skipped, files } = await collect(['out/*']);
  expect(files).toBe(2);
  expect([...skipped].sort()).toEqual([
    'out/abs: it is a link out of the directory of the run',
    'out/dangling: it is a link to nothing',
    'out/hard: it is a file of somebody else, or of its bundle',
    'out/pipe: it is no file',
    'out/rel: it is a link out of the directory of the run',
    'out/rootdir: it is a link out of the directory of the run',
    'out/zero: it is a link out of the directory of the run',
  ]);
  const bytes = readFileSync(join(root, 'results.tar'));
  expect(bytes.includes('secret')).toBe(false);
  unpack(bytes);
  expect(readFileSync(join(root, 'out/out/inside'), 'utf8')).toBe('good');
});

test('hostile names, and what is too large for a run', async () => {
  put('out/new\nline', 'x');
  execFileSync('bash', ['-c', `touch "${work}/out/"$'\\xff\\xfe'`]);
  put('out/a-large', Buffer.alloc(100_000));
  put('out/b-small', 'b');
  put(`out/${'d/'.repeat(70)}deep`, 'x');
  const { skipped, files } = await collect(['out/**'], 20_000);
  expect(files).toBe(1);
  expect(skipped.join('\n')).toContain('out/a-large: it is too large for one run');
  expect(skipped.join('\n')).toContain('its name has a control character');
  expect(skipped.join('\n')).toContain('its name is not UTF-8');
  expect(skipped.join('\n')).toContain('it lies too deep');
});

/** A directory and a file become something outside, and themselves again, until it is told. */
const swapper = `
const { linkSync, renameSync, symlinkSync, unlinkSync } = require('node:fs');
const { workerData: { work, outside, counts } } = require('node:worker_threads');
const [out, kept] = [work + '/out', work + '/kept'];
// Each state for a moment, or for as long as a collection takes.
const stay = () => Math.random() < 0.3 && Atomics.wait(counts, 0, 0, 3 * Math.random());
while (Atomics.load(counts, 0) === 0) {
  renameSync(out, kept);
  symlinkSync('/etc', out);
  stay();
  unlinkSync(out);
  renameSync(kept, out);
  stay();
  for (const replace of [() => symlinkSync('/etc/passwd', out + '/passwd'),
    () => linkSync(outside, out + '/passwd')]) {
    renameSync(out + '/passwd', out + '/kept');
    replace();
    stay();
    renameSync(out + '/kept', out + '/passwd');
    stay();
  }
  Atomics.add(counts, 1, 3);
}`;

test('swapped for links to /etc thousands of times meanwhile, nothing from outside is taken', async () => {
  const outside = join(root, 'outside');
  writeFileSync(outside, 'a secret of somebody else');
  for (const name of ['passwd', 'group', 'hosts']) put(`out/${name}`, 'inside'.repeat(100));
  chownSync(work, 12_345, 12_345);
  const counts = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(swapper, { eval: true, workerData: { work, outside, counts } });
  const ended = once(worker, 'exit');
  const secrets = [readFileSync('/etc/passwd').subarray(0, 16), readFileSync(outside)];
  const isEnough = (round: number): boolean => round >= 50 && Atomics.load(counts, 1) >= 2_000;
  let taken = 0;
  for (let round = 0; !isEnough(round) && worker.threadId > 0; round += 1) {
    const { files, digest } = await collect(['out', 'out/**']);
    taken += files;
    if (digest === undefined) continue;
    const bytes = readFileSync(join(root, 'results.tar'));
    expect(secrets.map((secret) => bytes.includes(secret))).toEqual([false, false]);
  }
  Atomics.store(counts, 0, 1);
  expect([await ended, Atomics.load(counts, 1) >= 2_000]).toEqual([[0], true]);
  expect(taken).toBeGreaterThan(0);
}, 120_000);

test('nothing matches: no tar', async () => {
  put('a', 'x');
  expect(await collect(['b*'])).toEqual({ digest: undefined, sizeBytes: 0, files: 0, skipped: [] });
  expect(existsSync(join(root, 'results.tar'))).toBe(false);
});

test('a file that grows or shrinks while it is read is named, and the tar is whole', async () => {
  put('out/grows', Buffer.alloc(8 << 20, 1));
  put('out/shrinks', Buffer.alloc(8 << 20, 2));
  put('out/last', 'last');
  const timer = setInterval(() => {
    appendFileSync(join(work, 'out/grows'), 'more');
    truncateSync(join(work, 'out/shrinks'), 1 << 20);
  }, 1);
  try {
    const { skipped, files } = await collect(['out/*']);
    expect(files).toBe(3);
    expect(skipped.map((one) => one.split(':')[0])).toContain('out/shrinks');
  } finally {
    clearInterval(timer);
  }
  const { files } = unpack(readFileSync(join(root, 'results.tar')));
  expect(files).toBe(3);
  expect(readFileSync(join(root, 'out/out/last'), 'utf8')).toBe('last');
});

test('a full disk keeps nothing, and says so', async () => {
  put('out/a', Buffer.alloc(100_000));
  const full = join(root, 'full');
  mkdirSync(full);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=17m', 'lotc-collect', full]);
  try {
    const into = join(full, 'results.tar');
    writeFileSync(join(full, 'fill'), Buffer.alloc(2 << 20));
    await expect(collectFiles({ directory: work, globs: ['out'], into })).rejects.toMatchObject({
      code: 'disk-full',
    });
    expect(readdirSync(full).sort()).toEqual(['fill']);
  } finally {
    execFileSync('umount', ['-l', full]);
  }
});

test('ten thousand small files', async () => {
  mkdirSync(join(work, 'out'));
  for (let n = 0; n < 10_000; n += 1) writeFileSync(join(work, `out/${n}`), String(n));
  const { files } = await collect(['out/*']);
  expect(files).toBe(10_000);
}, 60_000);

// ---- what arrives may be anything ----

const entry = (path: string, more: Partial<ArchiveEntry> = {}): ArchiveEntry => ({
  ...{ path, kind: 'file', executable: false, size: 1, target: '', source: 0 },
  ...more,
});

function tar(entries: readonly ArchiveEntry[]): Uint8Array {
  const parts = entries.flatMap((one) => [
    encodeHeader(one),
    Buffer.alloc(one.size, 'x'),
    Buffer.alloc(padding(one.size)),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

test('what is not safe to write is left out and named, the rest is written', async () => {
  const out = join(root, 'out');
  mkdirSync(join(out, 'mine'), { recursive: true });
  symlinkSync(root, join(out, 'mine/link'));
  mkdirSync(join(out, 'place'));
  const bytes = tar([
    ...[entry('good'), entry('/etc/evil'), entry('../evil'), entry('a/../../evil')],
    ...[entry('mine/link/evil'), entry('place'), entry('good'), entry('good/below')],
    ...[entry('link', { kind: 'symlink', size: 0, target: '/etc' }), entry('dir/ok')],
    ...[entry('bell\u0007'), entry('x'.repeat(300)), entry(`${'d/'.repeat(80)}deep`)],
  ]);
  const { files, skipped } = unpack(bytes);
  expect(files).toBe(2);
  expect(skipped).toHaveLength(11);
  expect(existsSync(join(root, 'evil'))).toBe(false);
  expect(lstatSync(join(out, 'mine/link')).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(out, 'dir/ok'), 'utf8')).toBe('x');
});

test('other content than the digest says is an error', () => {
  const bytes = tar([entry('a')]);
  const other = `sha256:${'0'.repeat(64)}`;
  expect(() => unpack(bytes, join(root, 'out'), other)).toThrow('damaged');
  expect(() => unpack(bytes.subarray(0, 900))).toThrow('archive');
});
