/** Dependencies, as a user has them: on one node, over two, with the server gone. */
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, type Role, until } from './fleet.ts';

let fleet: Fleet;
let server: Role;

beforeAll(async () => {
  fleet = new Fleet();
  server = await fleet.server();
  await fleet.agent('n1');
  await fleet.agent('n2');
  await fleet.online('n1', 'n2');
}, 60_000);

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

interface Row {
  readonly task: string;
  readonly node: string;
  readonly state: string;
  readonly reason: string | null;
}

const create = (name: string, on: string, options: readonly string[], script: string) =>
  fleet.must(['task', 'create', name, '--on', on, ...options, '--', 'sh', '-c', script]);

/** It ends with `code` when the file is there. */
const gated = (name: string, code = 0): string =>
  `until [ -e ${fleet.path(`${name}.go`)} ]; do sleep 0.05; done; exit ${code}`;
const go = (name: string): void => writeFileSync(fleet.path(`${name}.go`), '');
const marks = (name: string): string => `touch ${fleet.path(`${name}.ran`)}`;
const ran = (name: string): boolean => existsSync(fleet.path(`${name}.ran`));

async function reasonOf(task: string): Promise<string> {
  const rows = await fleet.json<Row[]>(['ps', '--all', task]);
  const row = rows.at(-1);
  return `${row?.state}: ${row?.reason}`;
}

const becomes = (task: string, what: string): Promise<void> =>
  until(
    async () => (await reasonOf(task)) === what,
    20_000,
    () => `${task} does not become ${what}`,
  );

test('a chain on one node goes on with the server gone', async () => {
  await create('a', 'n1', [], gated('a'));
  await create('b', 'n1', ['--after', 'a'], marks('b'));
  await create('c', 'n1', ['--after', 'b:exit'], marks('c'));
  await fleet.must(['start', 'c', 'b', 'a']);
  await becomes('b', 'pending: waits for a (success) on n1');
  await becomes('c', 'pending: waits for b (exit) on n1');
  await fleet.must(['wait', 'a', '--for', 'running', '--timeout', '20s']);
  await server.stop('SIGKILL');
  go('a');
  await until(
    () => ran('b') && ran('c'),
    20_000,
    () => 'the chain does not go on without the server',
  );
  server = await fleet.server();
  await fleet.online('n1', 'n2');
  await fleet.must(['wait', 'c', '--timeout', '20s']);
  expect(await reasonOf('b')).toBe('exited: null');
}, 90_000);

test('what waits here waits in the next life of the agent', async () => {
  await create('late', 'n1', [], gated('late'));
  await create('next', 'n1', ['--after', 'late'], marks('next'));
  await fleet.must(['start', 'next', 'late']);
  await becomes('next', 'pending: waits for late (success) on n1');
  await fleet.roles('agent')[0]?.stop('SIGKILL');
  await fleet.agent('n1');
  await fleet.online('n1');
  expect(ran('next')).toBe(false);
  go('late');
  await fleet.must(['wait', 'next', '--timeout', '20s']);
  expect(ran('next')).toBe(true);
}, 60_000);

test('a start waits for what runs on two nodes, over a restart of the server', async () => {
  await create('half1', 'n1', [], gated('half1'));
  await create('half2', 'n2', [], gated('half2'));
  await create('whole', 'n2', ['--after', 'half1', '--after', 'half2'], marks('whole'));
  await fleet.must(['start', 'whole', 'half1', 'half2']);
  await becomes('whole', 'pending: waits for half1 (success) on n1');
  await server.stop('SIGKILL');
  server = await fleet.server();
  await fleet.online('n1', 'n2');
  go('half1');
  await becomes('whole', 'pending: waits for half2 (success) on n2');
  expect(ran('whole')).toBe(false);
  go('half2');
  await fleet.must(['wait', 'whole', '--timeout', '20s']);
  expect(ran('whole')).toBe(true);
}, 90_000);

test('a failure is told down the line, to the console that waits', async () => {
  await create('bad', 'n1', [], gated('bad', 3));
  await create('hurt', 'n2', ['--after', 'bad'], marks('hurt'));
  await create('worse', 'n2', ['--after', 'hurt:ready'], marks('worse'));
  await create('anyhow', 'n1', ['--after', 'bad:exit'], marks('anyhow'));
  await fleet.must(['start', 'bad', 'hurt', 'worse', 'anyhow']);
  await becomes('hurt', 'pending: waits for bad (success) on n1');
  go('bad');
  const waited = await fleet.admin(['wait', 'worse', '--timeout', '20s']);
  expect(waited.code).toBe(3);
  const why = 'task "hurt" on n2 failed: task "bad" on n1 exited with code 3';
  expect(waited.stderr).toContain(why);
  await fleet.must(['wait', 'anyhow', '--timeout', '20s']);
  expect([ran('hurt'), ran('worse'), ran('anyhow')]).toEqual([false, false, true]);
  const started = await fleet.admin(['start', 'hurt', 'bad', '--wait', '--timeout', '20s']);
  expect(started.code).toBe(7);
  expect(started.stderr).toContain('task "bad" on n1 exited with code 3');
}, 60_000);

test('stop takes back a start that waits for another node', async () => {
  await create('never', 'n1', [], 'exit 0');
  await create('idle', 'n2', ['--after', 'never'], marks('idle'));
  await fleet.must(['start', 'idle']);
  await becomes('idle', 'pending: waits for never (success) on n1');
  await fleet.must(['stop', 'idle', '--wait', '--timeout', '20s']);
  await fleet.must(['start', 'never', '--wait', '--timeout', '20s']);
  await fleet.must(['wait', 'never', '--timeout', '20s']);
  expect(await reasonOf('idle')).toBe('failed: cancelled by stop');
  expect(ran('idle')).toBe(false);
}, 60_000);

test('a cycle, a stranger, a bad condition, a predecessor that goes', async () => {
  const cycle = await fleet.admin(['task', 'set', 'a', '--after', 'c']);
  expect([cycle.code, cycle.stderr]).toEqual([8, expect.stringContaining('a -> b -> c -> a')]);
  const stranger = await fleet.admin(['task', 'set', 'a', '--after', 'nobody']);
  expect([stranger.code, stranger.stderr]).toEqual([4, expect.stringContaining('"nobody"')]);
  const odd = await fleet.admin(['task', 'set', 'a', '--after', 'c:lunch']);
  expect([odd.code, odd.stderr]).toEqual([2, expect.stringContaining('success, exit, running')]);
  const gone = await fleet.admin(['task', 'rm', 'a']);
  expect([gone.code, gone.stderr]).toEqual([8, expect.stringContaining('predecessor of "b"')]);
  const text = `kind: Task
name: x
command: [sleep, "9"]
on: n1
after: [{task: y, on: lunch}]
`;
  const bad = await fleet.admin(['apply', '-f', '-'], { stdin: text });
  expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('"lunch" is none of')]);
});

test('task show says whose runs count: those on the same node, or all', async () => {
  interface Shown {
    readonly waitsFor: readonly object[];
  }
  const far = await fleet.json<Shown>(['task', 'show', 'whole']);
  expect(far.waitsFor).toEqual([
    { node: 'n2', task: 'half1', on: 'success', of: 'all' },
    { node: 'n2', task: 'half2', on: 'success', of: 'node' },
  ]);
  await create('wide', '@all', [], 'exit 0');
  await create('each', 'n1', ['--after', 'wide'], marks('each'));
  await create('every', 'n1', ['--after', 'wide', '--after-all'], marks('every'));
  const near = async (task: string) => (await fleet.json<Shown>(['task', 'show', task])).waitsFor;
  expect(await near('each')).toEqual([{ node: 'n1', task: 'wide', on: 'success', of: 'node' }]);
  expect(await near('every')).toEqual([{ node: 'n1', task: 'wide', on: 'success', of: 'all' }]);
}, 60_000);

test('manifests bring both ends; the graph shows them with their states', async () => {
  const text = `kind: Task
name: shop
command: [sleep, "600"]
on: n1
after: [{task: stock, on: ready}, {task: till}]
---
kind: Task
name: stock
command: [sleep, "600"]
on: n1
---
kind: Task
name: till
command: [sh, -c, exit 0]
on: n1
`;
  await fleet.must(['apply', '-f', '-'], { stdin: text });
  expect((await fleet.admin(['diff', '-f', '-'], { stdin: text })).code).toBe(0);
  expect(await fleet.must(['export', 'shop'])).toContain('on: ready');
  const shown = await fleet.json<{ after: unknown; afterAll: boolean }>(['task', 'show', 'shop']);
  expect(shown).toMatchObject({
    after: [
      { task: 'stock', on: 'ready' },
      { task: 'till', on: 'success' },
    ],
    afterAll: false,
  });
  await fleet.must(['start', 'shop', 'stock', 'till']);
  await fleet.must(['wait', 'shop', '--for', 'running', '--timeout', '20s']);
  await fleet.must(['wait', 'till', '--timeout', '20s']);
  expect(await fleet.must(['task', 'graph', 'shop'])).toBe(`stock: running on n1
└─ shop (ready): running on n1
till: exited (0) on n1
└─ shop (success): running on n1
`);
  expect(await fleet.must(['task', 'graph', 'shop', '-o', 'dot'])).toContain(
    '"stock" -> "shop" [label="ready"];',
  );
  expect(await fleet.must(['task', 'graph', '-o', 'mermaid'])).toContain('flowchart LR\n');
  const graph = await fleet.json<{ name: string }[]>(['task', 'graph', 'till']);
  expect(graph.map(({ name }) => name)).toEqual(['shop', 'till']);
  expect((await fleet.admin(['task', 'graph', 'nobody'])).code).toBe(4);
}, 60_000);

test('a firing waits on its node like any start', async () => {
  await create('tick', 'n1', [], gated('tick'));
  await create('tock', 'n1', ['--after', 'tick'], marks('tock'));
  await fleet.must(['start', 'tick', 'tock', '--in', '1s']);
  await becomes('tock', 'pending: waits for tick (success) on n1');
  go('tick');
  await until(
    () => ran('tock'),
    20_000,
    () => 'tock does not start',
  );
  await fleet.must(['wait', 'tock', '--timeout', '20s']);
  const away = await fleet.admin(['start', 'hurt', '--in', '1h']);
  expect([away.code, away.stderr]).toEqual([8, expect.stringContaining('cannot wait for that')]);
}, 60_000);
