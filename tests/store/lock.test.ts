import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeFileDurably, writeFileDurably } from '../../src/store/durable.io.ts';
import { lockDirectory } from '../../src/store/lock.io.ts';
import { removeTree } from '../fixtures/remove.ts';
import { mountMemory } from './mounted.ts';

let base = '';
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'lotc-lock-'));
});
afterEach(() => {
  removeTree(base);
});

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const refusal = (code: string, text: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(text) });

function attempt(path: string): unknown {
  try {
    lockDirectory(path, 'agent')[Symbol.dispose]();
    return 'locked';
  } catch (error) {
    return error;
  }
}

test('a directory is created private, held, and named to the second', () => {
  const path = join(base, 'data');
  const umask = process.umask(0o077);
  const lock = lockDirectory(path, 'server');
  process.umask(umask);
  expect([modeOf(path), modeOf(lock.privateDirectory)]).toEqual([0o711, 0o700]);
  expect(attempt(path)).toEqual(
    refusal(
      'locked',
      new RegExp(`data is in use by lotc server, pid ${process.pid} on .*, since 2`),
    ),
  );
  lock[Symbol.dispose]();
  expect(attempt(path)).toBe('locked');
});

test.each(['data', 'far/below/data'])('a read-only file system is named as one: %s', (name) => {
  using disk = mountMemory(1);
  execFileSync('mount', ['-o', 'remount,ro', disk.path]);
  expect(attempt(join(disk.path, name))).toEqual(
    refusal('io', /^cannot create .*\/data: .*read-only/),
  );
});

test('death frees it, whatever way', async () => {
  const path = join(base, 'data');
  const source = `
    const { lockDirectory } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/store/lock.io.ts'))});
    globalThis.lock = lockDirectory(${JSON.stringify(path)}, 'server');
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(child.stdout, 'data');
    expect(attempt(path)).toEqual(refusal('locked', new RegExp(`pid ${child.pid} `)));
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  expect(attempt(path)).toBe('locked');
});

test('a directory that others may write to, that is not ours or no directory is refused', async () => {
  const path = join(base, 'data');
  mkdirSync(path);
  for (const mode of [0o775, 0o757, 0o777]) {
    chmodSync(path, mode);
    expect(attempt(path)).toEqual(refusal('not-private', /others may write to .*data/));
  }
  chmodSync(path, 0o755);
  chownSync(path, 65_534, 65_534);
  expect(attempt(path)).toEqual(refusal('not-private', /belongs to user 65534/));
  await writeFileDurably(join(base, 'file'), 'x');
  expect(attempt(join(base, 'file'))).toEqual(expect.objectContaining({ code: 'io' }));
});

test('a private directory that became readable is made private again', () => {
  const path = join(base, 'data');
  expect(attempt(path)).toBe('locked');
  chmodSync(join(path, 'private'), 0o755);
  expect(attempt(path)).toBe('locked');
  expect(modeOf(join(path, 'private'))).toBe(0o700);
});

test('a durable write replaces whole, in order, with its mode, and leaves nothing beside', async () => {
  const path = join(base, 'state');
  await Promise.all(['one', 'two', 'three'].map((text) => writeFileDurably(path, text, 0o640)));
  expect([readFileSync(path, 'utf8'), modeOf(path)]).toEqual(['three', 0o640]);
  await expect(writeFileDurably(join(base, 'none', 'x'), 'x')).rejects.toMatchObject({
    code: 'io',
  });
  await removeFileDurably(path);
  await removeFileDurably(path);
  expect(() => statSync(path)).toThrow(/ENOENT/);
  expect(() => statSync(`${path}.tmp`)).toThrow(/ENOENT/);
});
