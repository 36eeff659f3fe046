/** Room and priorities, as a user has them: filled, waited for, made, with the agent killed. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, until } from './fleet.ts';

let fleet: Fleet;
const SLOTS = ['--slots', '2', '--reserve', 'memory=64MiB'];

beforeAll(async () => {
  fleet = new Fleet();
  await fleet.server();
  await fleet.agent('n1', 'both', SLOTS);
  await fleet.online('n1');
}, 60_000);

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

interface Row {
  readonly run: string;
  readonly state: string;
  readonly reason: string | null;
  readonly suspendedBy: string | null;
  readonly preemptedBy: string | null;
  readonly restarts: number;
  readonly pid: number | null;
}

const create = (name: string, options: readonly string[] = []) => {
  const script = `until [ -e ${fleet.path(`${name}.go`)} ]; do sleep 0.05; done`;
  return fleet.must(['task', 'create', name, ...options, '--', 'sh', '-c', script]);
};
const go = (name: string): void => writeFileSync(fleet.path(`${name}.go`), '');

async function rowOf(task: string): Promise<Row | undefined> {
  return (await fleet.json<Row[]>(['ps', '--all', task])).at(-1);
}

const becomes = async (task: string, state: string): Promise<Row> => {
  let row: Row | undefined;
  await until(
    async () => {
      row = await rowOf(task);
      return row?.state === state;
    },
    20_000,
    () => `${task} does not become ${state}: ${JSON.stringify(row)}`,
  );
  return row as Row;
};

async function killAgent(): Promise<void> {
  await fleet.roles('agent').at(-1)?.stop('SIGKILL');
  await fleet.agent('n1', 'both', SLOTS);
  await fleet.online('n1');
}

test('two slots: filled, waited for, made; hands and crashes in between', async () => {
  const node = await fleet.json<{ room: { slots: number } }>(['node', 'show', 'n1']);
  expect(node.room.slots).toBe(2);
  for (const name of ['a', 'b', 'c']) await create(name);
  await create('urgent', ['--priority', '9', '--preempt']);
  await fleet.must(['start', 'a', '--wait']);
  await fleet.must(['start', 'b', '--wait']);
  await fleet.must(['start', 'c']);
  const waits = await becomes('c', 'pending');
  expect(waits.reason ?? '').toBe('waits for room: needs 1 slot, 0 of 2 free');
  const why = await fleet.must(['why', 'c']);
  expect(why).toContain('the room of n1 is held by task "a" (running, priority 0, 1 slot)');
  await fleet.must(['start', 'urgent', '--wait']);
  // The one that began last makes room; c waits behind it.
  expect(await becomes('b', 'suspended')).toMatchObject({
    suspendedBy: 'preemption',
    preemptedBy: expect.stringMatching(/^R/) as string,
    reason: 'made room for task "urgent" (priority 9); goes on when there is room',
  });
  const events = await fleet.json<{ kind: string; text: string }[]>(['events']);
  expect(events.filter(({ kind }) => kind === 'process-preempted')).toMatchObject([
    { text: 'task "b" on n1: suspended for task "urgent" (priority 9)' },
  ]);
  const refused = await fleet.admin(['resume', 'b', '--wait']);
  expect([refused.code, refused.stderr]).toEqual([8, expect.stringContaining('want of room')]);
  await killAgent();
  expect(await becomes('b', 'suspended')).toMatchObject({ suspendedBy: 'preemption' });
  const before = await becomes('b', 'suspended');
  go('urgent');
  await becomes('urgent', 'exited');
  expect(await becomes('b', 'running')).toMatchObject({ pid: before.pid, reason: null });
  expect((await becomes('c', 'pending')).reason).toContain('waits for room');
}, 90_000);

test('what somebody suspends as well does not go on by itself', async () => {
  await fleet.must([
    'task',
    'create',
    'urgent2',
    '--priority',
    '9',
    '--preempt',
    '--',
    'sleep',
    '99',
  ]);
  await fleet.must(['start', 'urgent2', '--wait']);
  await becomes('b', 'suspended');
  await fleet.must(['suspend', 'b', '--wait']);
  expect(await becomes('b', 'suspended')).toMatchObject({ suspendedBy: 'admin' });
  await fleet.must(['stop', 'urgent2', '--wait']);
  // Its slot is c's now.
  await becomes('c', 'running');
  await killAgent();
  expect(await becomes('b', 'suspended')).toMatchObject({ suspendedBy: 'admin' });
  await fleet.must(['resume', 'b']);
  expect(await becomes('b', 'suspended')).toMatchObject({});
  go('c');
  await becomes('b', 'running');
  for (const name of ['a', 'b']) go(name);
  await becomes('b', 'exited');
}, 90_000);

test('--preempt=kill: stopped, and begun again when there is room', async () => {
  for (const name of ['d', 'e']) await create(name);
  await create('fatal', ['--priority', '3', '--preempt=kill', '--slots', '2']);
  await fleet.must(['start', 'd', 'e', '--wait']);
  await fleet.must(['start', 'fatal', '--wait']);
  expect(await becomes('d', 'pending')).toMatchObject({ restarts: 1 });
  expect((await becomes('e', 'pending')).reason).toBe(
    'stopped for task "fatal" (priority 3); starts again when there is room',
  );
  go('fatal');
  await becomes('d', 'running');
  await becomes('e', 'running');
  for (const name of ['d', 'e']) go(name);
  await becomes('d', 'exited');
  const tooMuch = await fleet.admin(['task', 'create', 'much', '--slots', '3', '--', 'true']);
  expect([tooMuch.code, tooMuch.stderr]).toEqual([8, expect.stringContaining('asks for 3 slots')]);
}, 90_000);
