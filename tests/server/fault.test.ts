/** A bug inside the server: it ends, with its stack and 1, whoever is there; nothing is lost. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Admin, key, openSession } from '../../bench/rig.ts';
import type { Link } from '../../src/net/link.io.ts';
import { until } from '../e2e/fleet.ts';
import { removeTree } from '../fixtures/remove.ts';

const root = resolve(import.meta.dirname, '../..');
const children: ChildProcess[] = [];
const faults = join(root, 'tests/server/fault-in.ts');
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-fault-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  removeTree(directory);
});

interface Server {
  readonly child: ChildProcess;
  text(): string;
}

async function start(env: Record<string, string>, ...before: string[]): Promise<Server> {
  const ready = join(directory, 'ready');
  rmSync(ready, { force: true });
  const args = ['--data', join(directory, 's'), '--listen', '127.0.0.1:0', '--ready-file', ready];
  const words = [...before, join(root, 'src/main.ts'), 'server', ...args];
  const child = spawn(process.execPath, words, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  const text: Buffer[] = [];
  child.stderr?.on('data', (data: Buffer) => text.push(data));
  await until(() => existsSync(ready) || child.exitCode !== null, 30_000);
  return { child, text: () => Buffer.concat(text).toString() };
}

const identity = (): Admin =>
  JSON.parse(readFileSync(join(directory, 's/admin.json'), 'utf8')) as Admin;

const ask = {
  timer: (link: Link) => link.request('retQuery', { query: 'tasks' }),
  apply: (link: Link) => add(link, 'boom'),
};

const add = (link: Link, task: string) =>
  link.request('taskAdd', { key: key(), task, mode: 'create', spec: { command: ['x'] } });

test.each(['timer', 'apply'] as const)(
  'met in %s, it ends with its stack while sessions are open; what was answered is there after',
  async (where) => {
    const server = await start({ LOTC_FAULT: where }, '--import', faults);
    const [one, other] = [await openSession(identity()), await openSession(identity())];
    await add(one, 'kept');
    const ended = once(server.child, 'exit');
    await expect(ask[where](one)).rejects.toThrow(/connection|session/);
    expect(await ended).toEqual([1, null]);
    expect(server.text()).toMatch(/^lotc: Error: a bug of ours\n\s+at /m);
    await expect(add(other, 'late')).rejects.toThrow(/connection|session/);
    const again = await start({});
    const link = await openSession(identity());
    const { tasks = [] } = await link.request('retQuery', { query: 'tasks' });
    expect(tasks.map(({ task }) => task)).toEqual(where === 'apply' ? ['boom', 'kept'] : ['kept']);
    await link.close();
    again.child.kill('SIGTERM');
    expect(await once(again.child, 'exit')).toEqual([0, null]);
  },
);
