/** The audit beyond the server's own journal: followed, sent to syslog, let go; and who signs. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { executable, Fleet, type Result, type Role, until } from './fleet.ts';

let fleet: Fleet;
let server: Role;
let collector: ChildProcess;
const policy = (): string[] => ['--require-signature', fleet.path('trusted.pem.pub')];
beforeAll(async () => {
  fleet = new Fleet();
  for (const name of ['trusted', 'other']) {
    const key = fleet.path(`${name}.pem`);
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', key]);
    execFileSync('openssl', ['pkey', '-in', key, '-pubout', '-out', `${key}.pub`]);
  }
  const collect = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1])
while True:
  with open(sys.argv[2], 'ab') as f: f.write(s.recv(65536) + b'\\n')`;
  collector = spawn('python3', ['-c', collect, fleet.path('log'), fleet.path('collected')]);
  await until(() => existsSync(fleet.path('log')));
  server = await fleet.server('s', [], ['--audit-syslog', fleet.path('log'), ...policy()]);
});
afterAll(async () => {
  collector.kill('SIGKILL');
  await fleet[Symbol.asyncDispose]();
});

interface Entry {
  readonly number: number;
  readonly what: string;
  readonly answer: string;
  readonly hash: string;
}

test('it is followed as it happens, and goes to syslog with its hash', async () => {
  await fleet.must(['task', 'create', 'before', '--', 'true']);
  const { netns } = fleet.place('srv');
  const words = ['admin', 'events', '--audit', '-f', '--since', '1h', '--json'];
  const following = spawn('ip', ['netns', 'exec', netns, executable, ...words], {
    env: { PATH: process.env['PATH'] ?? '', LOTC_IDENTITY: fleet.path('s/admin.json') },
  });
  let text = '';
  following.stdout.on('data', (data: Buffer) => {
    text += data.toString();
  });
  const followed = (): Entry[] =>
    text
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as Entry);
  await until(() => followed().length === 1);
  await fleet.must(['task', 'create', 'after', '--', 'true']);
  expect((await fleet.admin(['start', 'none'])).code).toBe(4);
  await until(() => followed().length === 3);
  following.kill();
  const entries = followed();
  expect(entries.map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(entries.at(-1)).toMatchObject({ what: 'taskRun start', answer: 'no-such-task' });
  const collected = readFileSync(fleet.path('collected'), 'utf8').trim().split('\n');
  expect(collected.map((line) => line.slice(0, 6))).toEqual(['<110>1', '<110>1', '<108>1']);
  const hashes = collected.map((line) => (JSON.parse(line.slice(line.indexOf('{'))) as Entry).hash);
  expect(hashes).toEqual(entries.map(({ hash }) => hash));
});

test('a server that wants signatures takes no bundle that a trusted key has not signed', async () => {
  writeFileSync(fleet.path('job'), '#!/bin/sh\n', { mode: 0o755 });
  const load = (...sign: string[]): Promise<Result> =>
    fleet.admin(['load', fleet.path('job'), '--name', 'job', ...sign]);
  const unsigned = await load();
  expect(unsigned).toMatchObject({ code: 8, stdout: '' });
  expect(unsigned.stderr).toContain('sign');
  expect((await load('--sign', fleet.path('other.pem'))).code).toBe(8);
  expect(await fleet.json(['bundle', 'ls'])).toEqual([]);
  expect(await load('--sign', fleet.path('trusted.pem'))).toMatchObject({ code: 0 });
});

test('what is old goes, the journal says from where on the chain is kept, and it holds', async () => {
  await sleep(1_500);
  await fleet.must(['task', 'create', 'late', '--', 'true']);
  const all = await fleet.json<Entry[]>(['events', '--audit']);
  await server.stop();
  server = await fleet.server('s', [], ['--keep-audit', '1s']);
  await until(async () => (await fleet.json<Entry[]>(['events', '--audit'])).length < all.length);
  const kept = await fleet.json<Entry[]>(['events', '--audit']);
  expect(kept[0]?.number).toBeGreaterThan(1);
  expect(kept.at(-1)?.hash).toBe(all.at(-1)?.hash);
  const whole = await fleet.must(['events', '--verify']);
  expect(whole).toMatch(new RegExp(`^\\d+ entries, ${kept[0]?.number} to \\d+: whole`));
  const events = await fleet.json<{ kind: string; text: string }[]>(['events']);
  const anchored = events.find(({ kind }) => kind === 'audit-anchored');
  const before = all.find(({ number }) => number === (kept[0]?.number ?? 0) - 1);
  expect(anchored?.text).toContain(before?.hash);
});
