/** Claims, owners and removal of run directories that a hostile user had. Needs root. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { paths } from '../../src/supervisor/paths.ts';
import {
  claimRun,
  emptyTrash,
  giveRun,
  listRuns,
  prepareRuns,
  removeRun,
} from '../../src/supervisor/run-directory.io.ts';
import { resolveUser } from '../../src/supervisor/user.io.ts';
import { removeTree } from '../fixtures/remove.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lotc-runs-'));
  chmodSync(dir, 0o711);
  prepareRuns(dir, dir);
});

afterEach(() => removeTree(dir));

function modeOf(path: string): string {
  const { mode, uid } = lstatSync(path);
  return `${(mode & 0o7777).toString(8)} ${uid}`;
}

test('directories have the modes and owners of the design', async () => {
  prepareRuns(dir, dir);
  const { claimed, paths: run } = await claimRun(dir, 'R1');
  expect(claimed).toBe(true);
  writeFileSync(join(run.work, 'program'), 'x');
  await giveRun(run, { uid: 65534, gid: 65534 });
  expect(modeOf(join(dir, 'private'))).toBe('700 0');
  expect(modeOf(join(dir, 'runs'))).toBe('711 0');
  expect([run.record, run.logs].map(modeOf)).toEqual(['700 0', '700 0']);
  expect([run.directory, run.work, run.temporary].map(modeOf)).toEqual(Array(3).fill('700 65534'));
  const id = { uid: 65534, gid: 65534 };
  execFileSync('/bin/sh', ['-c', 'cat program; : > new'], { ...id, cwd: run.work });
  expect(() => execFileSync('/bin/ls', [run.record], { ...id, stdio: 'ignore' })).toThrow(
    'Command failed',
  );
});

test('one of many claims of a run succeeds; the others touch nothing', async () => {
  const claims = await Promise.all(Array.from({ length: 20 }, () => claimRun(dir, 'R1')));
  expect(claims.filter((claim) => claim.claimed)).toHaveLength(1);
  await claimRun(dir, 'R2');
  mkdirSync(join(dir, 'private', 'runs', 'no run'));
  expect(listRuns(dir).toSorted()).toEqual(['R1', 'R2']);
  await expect(claimRun(dir, '../R3')).rejects.toMatchObject({ code: 'internal' });
});

test('a file that is shared with a bundle is not given away', async () => {
  const { paths: run } = await claimRun(dir, 'R1');
  writeFileSync(join(dir, 'shared'), 'x');
  linkSync(join(dir, 'shared'), join(run.work, 'linked'));
  symlinkSync('/etc/passwd', join(run.work, 'link'));
  await giveRun(run, { uid: 65534, gid: 65534 });
  expect(modeOf(join(dir, 'shared'))).toBe('644 0');
  expect(lstatSync('/etc/passwd').uid).toBe(0);
});

test('removal takes everything of the run and follows no link', async () => {
  const outside = join(dir, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'kept'), 'x');
  const { paths: run } = await claimRun(dir, 'R1');
  symlinkSync(outside, join(run.work, 'link'));
  symlinkSync('/nowhere', join(run.work, 'dangling'));
  mkdirSync(join(run.work, 'closed'), { mode: 0 });
  // What is large goes another way than what is small.
  writeFileSync(join(run.work, 'large'), Buffer.alloc(2 << 20));
  for (let i = 0; i < 2000; i += 1) writeFileSync(join(run.work, `f${i}`), '');
  const deep = `mkdir ${'d/'.repeat(3)} && cd ${'d/'.repeat(3)}`;
  execFileSync(
    '/bin/bash',
    ['-c', `for i in {1..100}; do ${deep}; done`.replace('mkdir', 'mkdir -p')],
    {
      cwd: run.work,
    },
  );
  await giveRun(run, { uid: 65534, gid: 65534 });
  await removeRun(dir, 'R1');
  expect(existsSync(run.directory)).toBe(false);
  expect(listRuns(dir)).toEqual([]);
  expect(readdirSync(join(dir, 'private', 'trash'))).toEqual([]);
  expect(readFileSync(join(outside, 'kept'), 'utf8')).toBe('x');
  await removeRun(dir, 'R1');
});

test('a directory replaced by a link meanwhile leads nowhere', async () => {
  const outside = join(dir, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'kept'), 'x');
  const { paths: run } = await claimRun(dir, 'R1');
  rmSync(run.directory, { recursive: true });
  symlinkSync(outside, run.directory);
  await removeRun(dir, 'R1');
  expect(readFileSync(join(outside, 'kept'), 'utf8')).toBe('x');
  expect(existsSync(run.directory)).toBe(false);
});

test('a removal that was cut short is ended at the next start, and the name is free', async () => {
  const { paths: run } = await claimRun(dir, 'R1');
  mkdirSync(join(dir, 'private', 'trash', 'R7', 'rest'), { recursive: true });
  rmSync(run.record, { recursive: true });
  writeFileSync(join(run.work, 'old'), '');
  await emptyTrash(dir);
  expect(readdirSync(join(dir, 'private', 'trash'))).toEqual([]);
  expect((await claimRun(dir, 'R1')).claimed).toBe(true);
  expect(readdirSync(run.work)).toEqual([]);
});

test('a directory that others can write to is refused', () => {
  chmodSync(join(dir, 'private', 'trash'), 0o777);
  expect(() => prepareRuns(dir, dir)).toThrow(/not a directory of this agent alone/);
  rmSync(join(dir, 'private', 'trash'), { recursive: true });
  symlinkSync('/tmp', join(dir, 'private', 'trash'));
  expect(() => prepareRuns(dir, dir)).toThrow(/not a directory of this agent alone/);
});

test('a data directory with a long name has its sockets elsewhere, in a private directory', () => {
  const long = join(dir, 'x'.repeat(100));
  mkdirSync(long);
  prepareRuns(long, dir);
  const { socket } = paths(long, 'R0123456789A', 0, dir);
  expect(socket.startsWith(`${dir}/lotc-`)).toBe(true);
  expect(modeOf(join(socket, '..'))).toBe('700 0');
});

test('users of this machine', () => {
  const groups = execFileSync('id', ['-G', 'root'], { encoding: 'utf8' }).trim().split(' ');
  expect(resolveUser('root')).toMatchObject({ uid: 0, name: 'root', home: '/root' });
  expect(new Set(resolveUser('root').groups)).toEqual(new Set(groups.map(Number)));
  expect(resolveUser(undefined)).toMatchObject({ uid: 0, gid: 0 });
  expect(() => resolveUser('no-such-user')).toThrow(
    'user "no-such-user" does not exist on this node',
  );
});
