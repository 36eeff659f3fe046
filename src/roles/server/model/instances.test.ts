import { expect, test } from 'vitest';
import { encodeSequence } from '../../../net/codec.ts';
import { Change } from './change.ts';
import { Fleet } from './fleet.fake.ts';
import { tryManifests } from './manifests.ts';
import { encodeEntries, freeze, loadEntries } from './snapshot.ts';
import { toldPlaces } from './told-places.ts';

function racks(): Fleet {
  const fleet = new Fleet();
  fleet.act('found', { fleet: 'f', spki: 's', identity: 'admin' });
  for (const [name, rack] of Object.entries({ n1: 'a', n2: 'a', n3: 'b', n4: 'c' }))
    fleet.join(name, { rack });
  return fleet;
}

test('so many are placed, over the values of a label first, then by name', () => {
  const fleet = racks();
  fleet.create({ instances: 3, spread: 'rack' });
  expect(fleet.placed()).toEqual(['n1', 'n3', 'n4']);
  fleet.create({ instances: 2 }, 'db');
  expect(fleet.placed('db')).toEqual(['n1', 'n2']);
  fleet.act('taskRun', { targets: ['web'] });
  expect(fleet.live).toEqual(['web@n1', 'web@n3', 'web@n4']);
});

test('a start of what has no node is accepted, and begins when one comes', () => {
  const fleet = racks();
  for (const name of ['n2', 'n3', 'n4']) fleet.detach(name);
  fleet.create({ instances: 3 });
  expect(fleet.placed()).toEqual(['n1']);
  const { reply } = fleet.act('taskRun', { targets: ['web'], env: { A: '1' } });
  expect(fleet.operation(reply)).toBe('accepted');
  expect(fleet.live).toEqual(['web@n1']);
  expect(fleet.missing()).toBe(
    '1 of 3 placed: node n2 is unresponsive, node n3 is unresponsive, node n4 is unresponsive',
  );
  fleet.attach('n3');
  expect(fleet.live).toEqual(['web@n1', 'web@n3']);
  expect(fleet.state.runs.get(fleet.runOn('n3'))?.given).toMatchObject({ env: { A: '1' } });
  fleet.attach('n2');
  expect(fleet.live).toEqual(['web@n1', 'web@n2', 'web@n3']);
  expect(fleet.missing()).toBeUndefined();
  fleet.attach('n4');
  expect(fleet.live).toHaveLength(3);
  // What waits now are the orders alone.
  const id = reply.ok ? (reply.body['operation'] as string) : '';
  expect(
    [...(fleet.state.operations.get(id)?.waiting ?? [])].every((t) => fleet.state.orders.has(t)),
  ).toBe(true);
});

test('with no node that is here it waits too; with none that matches it is an error', () => {
  const fleet = racks();
  for (const name of ['n1', 'n2', 'n3', 'n4']) fleet.detach(name);
  fleet.create({ instances: 1 });
  expect(fleet.operation(fleet.act('taskRun', { targets: ['web'] }).reply)).toBe('accepted');
  fleet.create({ instances: 1, on: 'rack=z' }, 'none');
  expect(fleet.act('taskRun', { targets: ['none'] }).reply).toMatchObject({
    code: 'nothing-matches',
  });
  expect(fleet.act('taskKill', { targets: ['web'], mode: 'stop' }).reply.ok).toBe(true);
  fleet.attach('n2');
  expect(fleet.live).toEqual([]);
});

test('draining moves an instance: first it ends there, then it begins elsewhere', () => {
  const fleet = racks();
  fleet.create({ instances: 3, spread: 'rack' });
  fleet.act('taskRun', { targets: ['web'], arguments: ['more'] });
  for (const name of ['n1', 'n3', 'n4']) fleet.run(name);
  const { reply } = fleet.act('depDrain', { mode: 'drain', names: ['n1'] });
  expect(fleet.operation(reply)).toBe('accepted');
  expect(fleet.live).toEqual(['web@n1', 'web@n3', 'web@n4']);
  expect(fleet.placed()).toEqual(['n3', 'n4']);
  fleet.end('n1');
  expect(fleet.live).toEqual(['web@n2', 'web@n3', 'web@n4']);
  const moved = fleet.state.runs.get(fleet.runOn('n2'));
  expect(moved?.given).toMatchObject({ arguments: ['more'] });
  // Not the node's wish, whose report let it begin.
  expect(fleet.state.operations.get(moved?.operation ?? '')?.who).toBe('admin');
  expect(fleet.operation(reply)).toBe('done');
  expect(fleet.act('taskRun', { targets: ['web@n1'] }).reply).toMatchObject({ code: 'draining' });
  // It comes back to nothing: what has moved stays.
  fleet.act('depDrain', { mode: 'undrain', names: ['n1'] });
  expect(fleet.live).toEqual(['web@n2', 'web@n3', 'web@n4']);
});

test('where no other node is left, a drained instance waits for the end of the draining', () => {
  const fleet = racks();
  fleet.create({ instances: 4 });
  fleet.act('taskRun', { targets: ['web'] });
  for (const name of ['n1', 'n2', 'n3', 'n4']) fleet.run(name);
  fleet.act('depDrain', { mode: 'drain', names: ['n4'] });
  fleet.end('n4');
  expect(fleet.missing()).toBe('3 of 4 placed: node n4 is draining');
  fleet.act('depDrain', { mode: 'undrain', names: ['n4'] });
  expect(fleet.live).toHaveLength(4);
});

test('draining stops services until it is taken back, and lets jobs end', () => {
  const fleet = racks();
  fleet.create({ restart: 'always' }, 'service');
  fleet.create({}, 'job');
  fleet.act('taskRun', { targets: ['service', 'job'], on: 'n4' });
  for (const task of ['service', 'job']) fleet.run('n4', task);
  const { reply } = fleet.act('depDrain', { mode: 'drain', names: ['n4'] });
  fleet.end('n4', 'service');
  expect(fleet.live).toEqual(['job@n4']);
  expect(fleet.operation(reply)).toBe('accepted');
  expect(fleet.act('taskRun', { targets: ['service@n4'] }).reply).toMatchObject({
    code: 'draining',
  });
  fleet.end('n4', 'job');
  expect(fleet.operation(reply)).toBe('done');
  fleet.act('depDrain', { mode: 'undrain', names: ['n4'] });
  expect(fleet.live).toEqual(['service@n4']);
});

test('a start of everything spares a node that drains, and is made up for later', () => {
  const fleet = racks();
  fleet.create({});
  fleet.act('depDrain', { mode: 'drain', names: ['n4'] });
  fleet.act('taskRun', { targets: ['web'] });
  expect(fleet.live).toEqual(['web@n1', 'web@n2', 'web@n3']);
  fleet.act('depDrain', { mode: 'undrain', names: ['n4'] });
  expect(fleet.live).toHaveLength(4);
  fleet.act('depDrain', { mode: 'drain', names: ['n3'] });
  fleet.act('taskKill', { targets: ['web'], mode: 'stop' });
  for (const name of ['n1', 'n2', 'n3', 'n4']) if (fleet.runOn(name)) fleet.end(name);
  fleet.act('depDrain', { mode: 'undrain', names: ['n3'] });
  expect(fleet.live).toEqual([]);
});

test('fewer are wanted: those in excess stop; more are wanted: what is wished up begins', () => {
  const fleet = racks();
  fleet.create({ instances: 3, restart: 'always' });
  fleet.act('taskRun', { targets: ['web'] });
  for (const name of ['n1', 'n2', 'n3']) fleet.run(name);
  fleet.create({ instances: 2, restart: 'always' }, 'web', 'set');
  expect(fleet.placed()).toEqual(['n1', 'n2']);
  fleet.end('n3');
  expect(fleet.live).toEqual(['web@n1', 'web@n2']);
  fleet.create({ instances: 4, restart: 'always' }, 'web', 'set');
  expect(fleet.live).toEqual(['web@n1', 'web@n2', 'web@n3', 'web@n4']);
});

test('a node that is removed, or matches no more, leaves its instance to another', () => {
  const fleet = racks();
  fleet.create({ instances: 2, on: 'rack in (a,b)' });
  fleet.act('taskRun', { targets: ['web'] });
  for (const name of ['n1', 'n2']) fleet.run(name);
  fleet.act('hostState', { node: 'n2', labels: { rack: 'z' } });
  expect(fleet.live).toEqual(['web@n1', 'web@n2']);
  fleet.end('n2');
  expect(fleet.live).toEqual(['web@n1', 'web@n3']);
  fleet.join('n5', { rack: 'a' });
  fleet.act('hostRm', { names: ['n3'], force: true, present: ['n3'] });
  expect(fleet.live).toEqual(['web@n1', 'web@n3']);
  fleet.run('n3');
  fleet.end('n3');
  expect(fleet.live).toEqual(['web@n1', 'web@n5']);
});

test('an order to a node by name is for where it is placed', () => {
  const fleet = racks();
  fleet.create({ instances: 1 });
  expect(fleet.act('taskRun', { targets: ['web@n2'] }).reply).toMatchObject({
    code: 'not-selected',
    text: 'task "web" is placed on n1, not on node n2',
  });
});

test('an operation that waits for a place can be withdrawn', () => {
  const fleet = racks();
  fleet.create({ instances: 1 });
  fleet.act('depDrain', { mode: 'drain', names: ['n1', 'n2', 'n3', 'n4'] });
  const { reply } = fleet.act('taskRun', { targets: ['web'] });
  const operation = reply.ok ? (reply.body['operation'] as string) : '';
  fleet.act('retCancel', { operation });
  expect(fleet.operation(reply)).toBe('cancelled');
  fleet.act('depDrain', { mode: 'undrain', names: ['n2'] });
  expect(fleet.live).toEqual([]);
});

test('places survive a snapshot', () => {
  const fleet = racks();
  fleet.create({ instances: 4, cpuMax: 0.1, spread: 'rack' });
  fleet.act('taskRun', { targets: ['web'] });
  for (const name of ['n1', 'n2', 'n3', 'n4']) fleet.run(name);
  fleet.act('depDrain', { mode: 'drain', names: ['n2'] });
  const bytes = Buffer.concat([...encodeEntries(freeze(fleet.state))]);
  const loaded = loadEntries(bytes);
  expect(loaded?.index.placedOn).toEqual(fleet.state.index.placedOn);
  expect(loaded?.index.asked).toEqual(fleet.state.index.asked);
  expect(loaded?.index.short).toEqual(fleet.state.index.short);
  expect(loaded?.index.draining).toEqual(fleet.state.index.draining);
  if (loaded) fleet.state = loaded;
  fleet.end('n2');
  expect(fleet.missing()).toBe('3 of 4 placed: node n2 is draining');
  fleet.act('depDrain', { mode: 'undrain', names: ['n2'] });
  expect(fleet.live).toHaveLength(4);
});

test('a drain that is cancelled is taken back', () => {
  const fleet = racks();
  fleet.create({}, 'job');
  fleet.act('taskRun', { targets: ['job@n1'] });
  fleet.run('n1', 'job');
  const { reply } = fleet.act('depDrain', { mode: 'drain', names: ['n1'] });
  const operation = reply.ok ? (reply.body['operation'] as string) : '';
  fleet.act('retCancel', { operation });
  expect(fleet.operation(reply)).toBe('cancelled');
  expect(fleet.state.nodes.get(fleet.uid('n1'))?.draining).toBeUndefined();
  expect(fleet.live).toEqual(['job@n1']);
});

test('what a schedule began is let end, and its schedule moves along', () => {
  const fleet = racks();
  fleet.create({ instances: 1 });
  const timing = { everyUs: 60_000_000, schedule: 'tick' };
  expect(fleet.act('taskRun', { targets: ['web'], timing }).reply.ok).toBe(true);
  const holders = (): readonly string[] =>
    [...fleet.state.assignments]
      .filter(([, { items }]) => items.has('schedule:tick'))
      .map(([uid]) => fleet.state.nodes.get(uid)?.name ?? '');
  expect(holders()).toEqual(['n1']);
  const row = { task: 'web', processState: 'running', startedAt: 1, wish: 'up' };
  const process = { run: 'R00000000001', ...row };
  const reports = [{ seq: 1, at: 0, entry: 'process', process }];
  fleet.act('report', { uid: fleet.uid('n1'), reports });
  fleet.act('depDrain', { mode: 'drain', names: ['n1'] });
  expect([...fleet.state.orders.values()]).toEqual([]);
  expect([holders(), fleet.placed()]).toEqual([[], []]);
  const ended = { ...process, processState: 'exited', exitedAt: 2, exitCode: 0 };
  const more = [{ seq: 2, at: 0, entry: 'process', process: ended }];
  fleet.act('report', { uid: fleet.uid('n1'), reports: more });
  expect([holders(), fleet.live]).toEqual([['n2'], []]);
});

test('a dry run says where instances would be, and changes nothing', () => {
  const fleet = racks();
  fleet.act('depDrain', { mode: 'drain', names: ['n1'] });
  const spec = { command: ['x'], instances: 2, spread: 'rack' };
  const documents = encodeSequence('document', [{ entry: 'task', task: 'web', spec }]);
  const change = new Change(fleet.state, {
    ...{ kind: 'depApply', key: new Uint8Array(16), at: 1, who: 'admin', origin: '' },
    body: { documents },
  });
  const { body } = tryManifests(change, { documents });
  const [row] = body['changes'] as readonly { placed: string[]; places: { text: string }[] }[];
  expect(row?.placed).toEqual(['n2', 'n3']);
  expect(row?.places.map(({ text }) => text)).toEqual([
    ...['chosen: rack=a, 0 instances', 'chosen: rack=b, 0 instances', 'node n1 is draining'],
    '2 are placed already; it has rack=c, 0 instances',
  ]);
  expect(fleet.state.tasks.size).toBe(0);
  expect(fleet.state.index.placedOn.size).toBe(0);
});

test('why a node was chosen stays what it was then, whatever runs there since', () => {
  const fleet = racks();
  fleet.create({ instances: 1 });
  fleet.act('taskRun', { targets: ['web'] });
  fleet.run('n1');
  fleet.create({ instances: 1 }, 'db');
  const [first, second] = ['web', 'db'].map((name) => {
    const task = fleet.state.tasks.get(name);
    return task && toldPlaces(fleet.state, task, true).places;
  });
  expect(first).toContainEqual({ ok: true, node: 'n1', text: 'chosen: 0 instances' });
  expect(first).toContainEqual({
    ...{ ok: false, node: 'n3', text: '1 is placed already; it has 0 instances' },
  });
  expect(second).toContainEqual({ ok: true, node: 'n2', text: 'chosen: 0 instances' });
});

test('that an instance begins elsewhere is told with where it was, and why it left', () => {
  const fleet = racks();
  fleet.create({ instances: 1 });
  fleet.act('taskRun', { targets: ['web'] });
  fleet.run('n1');
  fleet.act('depDrain', { mode: 'drain', names: ['n1'] });
  const run = fleet.runOn('n1');
  const process = { run, task: 'web', processState: 'exited', exitedAt: 2, signal: 'SIGTERM' };
  const reports = [{ seq: 9, at: 0, entry: 'process', process }];
  const { change } = fleet.act('report', { uid: fleet.uid('n1'), reports });
  expect(change.events).toContainEqual(
    expect.objectContaining({
      ...{ kind: 'task-moved', run: fleet.runOn('n2'), node: 'n2' },
      text: 'task "web" moved to n2 from n1: node n1 is draining',
    }),
  );
});

test('a plan names what leaves its node, by fewer instances or by a label', () => {
  const fleet = racks();
  fleet.create({ instances: 2, on: 'rack in (a,b)' });
  fleet.act('taskRun', { targets: ['web'] });
  for (const name of ['n1', 'n2']) fleet.run(name);
  const planOf = (...entries: readonly Record<string, unknown>[]): unknown => {
    const documents = encodeSequence('document', entries as never);
    return fleet.act('depApply', { documents }).reply;
  };
  const spec = { command: ['x'], instances: 1, on: 'rack in (a,b)' };
  expect(planOf({ entry: 'task', task: 'web', spec })).toMatchObject({
    body: {
      changes: [
        {
          ...{ task: 'web', affected: ['web@n1'], running: 1 },
          places: [{ node: 'n2', ok: false, text: 'it leaves: 1 is wanted' }],
        },
      ],
    },
  });
  const node = { entry: 'node', node: 'n1', labels: { rack: 'z' } };
  const text = 'it leaves: it does not match node n1 any more';
  expect(planOf(node)).toMatchObject({
    body: { changes: [{ node: 'n1' }, { task: 'web', places: [{ node: 'n1', text }] }] },
  });
});
