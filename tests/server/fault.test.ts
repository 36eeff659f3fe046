/** A bug inside the server: it ends, with its stack and 1, whoever is there; nothing is lost. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { key, openSession } from '../../bench/rig.ts';
import type { Link } from '../../src/net/link.io.ts';
import { formatToken } from '../../src/net/token.ts';
import { until } from '../e2e/fleet.ts';
import { removeTree } from '../fixtures/remove.ts';
import { makeToken } from './hand-node.ts';
import { adminOf, main, type ServerProcess, startServer } from './server-process.ts';

const children: ChildProcess[] = [];
const faults = join(import.meta.dirname, 'fault-in.ts');
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-fault-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  removeTree(directory);
});

async function start(env: Record<string, string>, ...before: string[]): Promise<ServerProcess> {
  const server = await startServer(directory, env, ...before);
  children.push(server.child);
  return server;
}

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
    const one = await openSession(adminOf(directory));
    const other = await openSession(adminOf(directory));
    await add(one, 'kept');
    const ended = once(server.child, 'exit');
    await expect(ask[where](one)).rejects.toThrow(/connection|session/);
    expect(await ended).toEqual([1, null]);
    expect(server.text()).toMatch(/^lotc: Error: a bug of ours\n\s+at /m);
    await expect(add(other, 'late')).rejects.toThrow(/connection|session/);
    const again = await start({});
    const link = await openSession(adminOf(directory));
    const { tasks = [] } = await link.request('retQuery', { query: 'tasks' });
    expect(tasks.map(({ task }) => task)).toEqual(where === 'apply' ? ['boom', 'kept'] : ['kept']);
    await link.close();
    again.child.kill('SIGTERM');
    expect(await once(again.child, 'exit')).toEqual([0, null]);
  },
);

test('killed between the journal and the reply of an enrolment: the same node, one use', async () => {
  const first = await start({ LOTC_FAULT: 'enrol' }, '--import', faults);
  const own = adminOf(directory);
  const [listen = ''] = own.addresses;
  const link = await openSession(own);
  const secret = await makeToken(link);
  const { ca } = await link.request('retQuery', { query: 'ca' });
  const token = formatToken({ secret, pin: Buffer.from(ca?.pin ?? '', 'hex') });
  const killed = once(first.child, 'exit');
  const words = ['agent', '--data', join(directory, 'a'), '--name', 'n1', '--server', listen];
  const agent = spawn(process.execPath, [main, ...words, '--token', token], { stdio: 'ignore' });
  children.push(agent);
  expect(await killed).toEqual([null, 'SIGKILL']);
  await start({ LOTC_LISTEN: listen });
  const again = await openSession(adminOf(directory));
  const nodes = async () => (await again.request('retQuery', { query: 'nodes' })).nodes ?? [];
  await until(async () => (await nodes())[0]?.nodeState === 'online', 60_000);
  expect(await nodes()).toMatchObject([{ node: 'n1' }]);
  const { tokens = [] } = await again.request('retQuery', { query: 'tokens' });
  expect(tokens).toMatchObject([{ usesLeft: 0 }]);
  await again.close();
  const ended = once(agent, 'exit');
  agent.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
}, 120_000);
