/** Processes outlive what happens to their agent: upgrades, good and bad, and its orderly end. */
import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { executable, Fleet, type Role, until } from './fleet.ts';

interface Row {
  readonly run: string;
  readonly task: string;
  readonly state: string;
  readonly pid: number | null;
  readonly exitCode: number | null;
  readonly restarts: number;
}

let fleet: Fleet;
let agent: Role;
let own: string;
/** An executable that can be replaced, in place of the fleet's. */
const behind = (path: string): string[] => ['sh', '-c', `shift; exec ${path} "$@"`, 'sh'];
const ps = (...words: string[]): Promise<Row[]> => fleet.json<Row[]>(['ps', '--all', ...words]);
const imageOf = (pid: number): number => statSync(`/proc/${pid}/exe`).ino;

beforeAll(async () => {
  fleet = new Fleet();
  await fleet.server();
  own = fleet.path('lotc');
  copyFileSync(executable, own);
  agent = await fleet.agent('n1', 'both', [], behind(own));
  await fleet.online('n1');
});
afterAll(() => fleet[Symbol.asyncDispose]());

function replaceWith(write: (path: string) => void): void {
  write(`${own}.new`);
  renameSync(`${own}.new`, own);
}

test('a new executable in place of the old: SIGHUP, the same pids, not a line lost', async () => {
  const script = 'n=0; while :; do n=$((n+1)); echo line $n; sleep 0.02; done';
  await fleet.must(['task', 'create', 'counts', '--', 'sh', '-c', script]);
  await fleet.must(['task', 'create', 'ends', '--', 'sh', '-c', 'sleep 1; exit 7']);
  await fleet.must(['start', 'counts', 'ends', '--wait']);
  const before = await ps('counts');
  const { pid } = agent;
  replaceWith((path) => copyFileSync(executable, path));
  const image = statSync(own).ino;
  expect(imageOf(pid)).not.toBe(image);
  process.kill(pid, 'SIGHUP');
  await until(
    () => imageOf(pid) === image,
    20_000,
    () => agent.text(),
  );
  expect((await fleet.admin(['wait', 'ends', '--timeout', '30s'])).code).toBe(7);
  expect(await ps('counts')).toMatchObject([
    { pid: before[0]?.pid, state: 'running', restarts: 0 },
  ]);
  expect(agent.alive).toBe(true);
  await fleet.must(['stop', 'counts', '--wait']);
  const lines = (await fleet.must(['logs', 'counts'])).trim().split('\n');
  expect(lines.length).toBeGreaterThan(20);
  expect(lines).toEqual(lines.map((_, n) => `line ${n + 1}`));
});

test('what cannot be run is not become: half a file, another program', async () => {
  const image = imageOf(agent.pid);
  const whole = readFileSync(executable);
  const bad = [whole.subarray(0, whole.length / 2), Buffer.from('#!/bin/sh\necho no\n')];
  for (const [n, bytes] of bad.entries()) {
    replaceWith((path) => writeFileSync(path, bytes, { mode: 0o755 }));
    process.kill(agent.pid, 'SIGHUP');
    await until(
      () => agent.text().split('no upgrade').length > n + 1,
      30_000,
      () => agent.text(),
    );
    expect(imageOf(agent.pid)).toBe(image);
  }
  expect(await fleet.nodeState('n1')).toBe('online');
  replaceWith((path) => copyFileSync(executable, path));
});

test('an orderly end leaves processes; with --stop-processes none is left', async () => {
  await fleet.must(['task', 'create', 'rests', '--', 'sleep', '1000']);
  await fleet.must(['task', 'create', 'deaf', '--stop-grace', '300ms', '--', 'sh', '-c', deaf]);
  await fleet.must(['start', 'rests', 'deaf', '--wait']);
  const pids = (await ps('rests', 'deaf')).map((row) => row.pid ?? 0);
  expect(await agent.stop()).toBe(0);
  for (const pid of pids) expect(() => process.kill(pid, 0)).not.toThrow();
  agent = await fleet.agent('n1', 'both', ['--stop-processes'], behind(own));
  await fleet.online('n1');
  expect((await ps('rests', 'deaf')).map((row) => row.pid)).toEqual(pids);
  expect(await agent.stop()).toBe(0);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  // It has said so before it left.
  expect((await ps('rests', 'deaf')).map((row) => row.state)).toEqual(['exited', 'exited']);
});
const deaf = 'trap "" TERM; while :; do sleep 1; done';

test('the disk of the logs is full: the program is told, the agent goes on, an event says so', async () => {
  fleet.tmpfs('a-n2', '48m');
  const role = await fleet.agent('n2');
  await fleet.online('n2');
  const loud = 'head -c 80000000 /dev/zero; echo "ended with $?" >&2; exec sleep 1000';
  await fleet.must([
    'task',
    'create',
    'loud',
    '--on',
    'n2',
    '--',
    'sh',
    '-c',
    `(${loud}) 2> ${fleet.path('said')}`,
  ]);
  await fleet.must(['start', 'loud', '--wait']);
  await until(
    () =>
      existsSync(fleet.path('said')) &&
      readFileSync(fleet.path('said'), 'utf8').includes('ended with 1'),
    30_000,
  );
  expect(readFileSync(fleet.path('said'), 'utf8')).toContain('No space left on device');
  const warned = async (): Promise<string[]> => {
    const events = await fleet.json<{ kind: string; text: string }[]>(['events']);
    return events.filter(({ kind }) => kind === 'node-warned').map(({ text }) => text);
  };
  await until(async () => (await warned()).length > 0, 20_000);
  expect(await warned()).toEqual([expect.stringMatching(/^node n2 has no room left on the disk/)]);
  expect(role.alive).toBe(true);
  expect((await fleet.admin(['kill', 'loud', '--wait'])).code).toBe(0);
  expect(await ps('loud')).toMatchObject([{ state: 'exited' }]);
  fleet.tmpfs('a-n2', '148m');
  await fleet.must(['task', 'create', 'quiet', '--on', 'n2', '--', 'echo', 'here']);
  await fleet.must(['start', 'quiet', '--wait']);
  await fleet.must(['wait', 'quiet', '--timeout', '20s']);
  expect(await fleet.must(['logs', 'quiet'])).toBe('here\n');
});
