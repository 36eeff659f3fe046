import { expect, test } from 'vitest';
import { Scheduled, SECOND, schedule, task } from '../../../tests/agent/scheduled.ts';
import type { Plan } from './firing.ts';

const T0 = 1 * SECOND;
const at = (second: number): Partial<Plan> => ({ at: second * SECOND });

function running(action: string, more: Partial<Plan> = {}): Scheduled {
  const node = new Scheduled().begin(
    ...[task('web'), schedule('up', T0, at(3))],
    schedule('deed', T0, { ...at(10), action, ...more }),
  );
  node.pass(7);
  return node;
}

/** Half a second before the deed, of which shim or thread has been told. */
function planned(node: Scheduled): void {
  node.pass(1);
  node.tick(500);
  node.settle();
}

const deed = (node: Scheduled) => node.fires.find((fire) => fire.schedule === 'deed');
const [run = ''] = running('suspend').launches;
const suspendNow = {
  ...{ item: 'O1/0', order: 'O1/0', generation: 0, entry: 'order', verb: 'suspend' },
};

test.each([
  ['suspend', 'suspended'],
  ['kill', 'exited'],
])('%s: by the shim at its instant, which the ledger has', (action, state) => {
  const node = running(action);
  node.pass(4);
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60, clockErrorUs: 0 });
  expect(node.row(run)?.processState).toBe(state);
});

test.each(['suspend', 'kill'])(
  '%s with the agent gone: done, and told when it is back',
  (action) => {
    const node = running(action);
    planned(node);
    node.crash();
    node.sleep(20_000);
    node.boot();
    node.connect();
    node.settle();
    expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60, clockErrorUs: 0 });
    expect(deed(node)?.firedUs).toBeLessThan(10 * SECOND + 1_000);
    expect(node.row(run)?.processState).toBe(action === 'kill' ? 'exited' : 'suspended');
  },
);

test('resume: thawed by the shim', () => {
  const node = running('resume');
  node.change([{ ...suspendNow, run }]);
  expect(node.row(run)?.processState).toBe('suspended');
  node.pass(4);
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60 });
  expect(node.row(run)?.processState).toBe('running');
});

test('without control groups the agent does it', () => {
  const node = running('suspend');
  node.hasGroups = false;
  node.pass(4);
  expect(deed(node)).toMatchObject({ result: 'ok' });
  expect(node.row(run)?.processState).toBe('suspended');
});

test('stop: by the thread at its instant', () => {
  const node = running('stop');
  node.pass(4);
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60, clockErrorUs: 0 });
  expect(node.row(run)).toMatchObject({ processState: 'exited', signal: 'SIGTERM' });
});

test('a signal: by the thread, to the main process, at its instant', () => {
  const node = running('kill', { signal: 'SIGUSR1' });
  node.tick(1_500);
  node.settle();
  expect([...(node.directories.get(run)?.acts ?? [])]).toEqual([['signal', 10 * SECOND]]);
  node.pass(4);
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60 });
  expect(node.row(run)?.processState).toBe('running');
});

test('what is taken back is not done', () => {
  const node = running('suspend');
  node.tick(1_500);
  node.settle();
  expect(node.directories.get(run)?.acts?.size).toBe(1);
  node.change([], ['schedule:deed']);
  expect(node.directories.get(run)?.acts?.size).toBe(0);
  node.pass(3);
  expect(node.row(run)?.processState).toBe('running');
});

test('a clock that is not good enough at the instant: not done', () => {
  const node = running('suspend', { maxClockErrorUs: 1_000 });
  node.tick(1_500);
  node.settle();
  expect(node.directories.get(run)?.acts?.size).toBe(1);
  node.clockErrorUs = 2_000;
  node.tick(460);
  node.settle();
  node.pass(1);
  expect(deed(node)).toMatchObject({ result: 'skipped' });
  expect(node.row(run)?.processState).toBe('running');
});

const always = task('web', { spec: { command: ['./x'], restart: 'always' } });

function revived(action: string): Scheduled {
  const node = new Scheduled().begin(
    ...[always, schedule('up', T0, at(3))],
    schedule('deed', T0, { ...at(10), action }),
  );
  node.pass(8);
  node.tick(500);
  node.settle();
  return node;
}

test.each([
  ['kill', 'SIGKILL'],
  ['stop', 'SIGTERM'],
])('%s of what a policy would bring back: at its instant, and it stays down', (action, signal) => {
  const node = revived(action);
  expect([...(node.directories.get(run)?.acts?.values() ?? [])]).toEqual([10 * SECOND]);
  node.pass(10);
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60 });
  expect(node.row(run)).toMatchObject({ processState: 'exited', signal, restarts: 0 });
});

test('a KILL of what a policy would bring back, the agent gone: it stays down', () => {
  const node = revived('kill');
  node.crash();
  node.sleep(20_000);
  node.boot();
  node.connect();
  node.pass(10);
  expect(deed(node)).toMatchObject({ result: 'ok' });
  expect(node.row(run)).toMatchObject({ processState: 'exited', restarts: 0 });
});

test('what fell by itself before its KILL, the agent gone, is brought back', () => {
  const node = revived('kill');
  node.endSome();
  node.crash();
  node.sleep(300);
  node.boot();
  node.connect();
  node.tick(100);
  node.settle();
  expect(node.row(run)?.processState).toBe('pending');
});

/** The agent ends half a second before the deed, and is back when so much has passed. */
function gone(action: string, ms: number, more: Partial<Plan> = {}): Scheduled {
  const node = running(action, more);
  node.hasGroups = false;
  planned(node);
  // The thread for deeds goes with its agent.
  node.directories.get(run)?.acts?.clear();
  node.crash();
  node.sleep(ms);
  return node;
}

function back(node: Scheduled): Scheduled {
  node.boot();
  node.connect();
  node.settle();
  return node;
}

test('a KILL that nobody was there to do, and what it was meant for lives on: missed', () => {
  const node = back(gone('kill', 20_000));
  const reason = 'missed: the agent was not there at that instant';
  expect(deed(node)).toMatchObject({ result: 'skipped', reason });
  expect(deed(node)?.firedUs).toBeUndefined();
  expect(node.row(run)?.processState).toBe('running');
});

test('the same with --missed once: it is done late, and the ledger says how late', () => {
  const node = back(gone('kill', 20_000, { missed: 'once' }));
  expect(deed(node)).toMatchObject({ result: 'ok' });
  expect(deed(node)?.lateUs).toBeGreaterThan(19 * SECOND);
  expect(node.row(run)).toMatchObject({ processState: 'exited', signal: 'SIGKILL' });
});

test('killed at its instant, which was a little earlier by the next estimate: it was, and stays down', () => {
  const node = revived('kill');
  node.sleep(500);
  const end = node.directories.get(run)?.end;
  // Neither its shim nor the thread could tell the next life that it was they.
  Object.assign(node.directories.get(run) ?? {}, { acted: [] });
  Object.assign(end ?? {}, { atUs: 10 * SECOND - 30_000 });
  node.crash();
  node.sleep(5_000);
  back(node);
  node.pass(5);
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 0 });
  expect(node.row(run)).toMatchObject({ processState: 'exited', restarts: 0 });
});

test('thawed at its instant, which was 2 ms later by the next estimate, and ended since: it was', () => {
  const node = running('resume');
  node.change([{ ...suspendNow, run }]);
  planned(node);
  node.crash();
  node.sleep(500);
  const directory = node.directories.get(run);
  const acted = directory?.acted?.map((one) => ({ ...one, atUs: 10 * SECOND - 2_000 }));
  Object.assign(directory ?? {}, { acted });
  node.endSome();
  back(node);
  expect(deed(node)).toMatchObject({ result: 'ok', firedUs: 10 * SECOND - 2_000 });
});

test('killed while the agent is gone: what waited for that end is cancelled by it too', () => {
  const node = new Scheduled();
  node.obeysTerm = false;
  node.begin(
    ...[
      task('web'),
      schedule('up', T0, at(3)),
      schedule('deed', T0, { ...at(10), action: 'kill' }),
    ],
    schedule('next', T0, { ...at(9), overlap: 'replace' }),
  );
  node.pass(8);
  node.tick(500);
  node.settle();
  expect(node.launches).toHaveLength(1);
  node.crash();
  node.sleep(5_000);
  back(node);
  node.pass(5);
  expect(node.launches).toHaveLength(1);
  const told = node.fires.map(({ schedule: id, result }) => `${id} ${result}`);
  expect(told.toSorted()).toEqual(['deed ok', 'next skipped', 'up ok']);
});

test('the clock put back over a deed while the agent is gone: nobody can know, and it is told', () => {
  const node = running('suspend');
  planned(node);
  node.crash();
  node.sleep(1_000);
  node.clockAheadUs -= 8 * SECOND;
  back(node);
  expect(deed(node)).toMatchObject({ result: 'lost' });
  expect(deed(node)?.reason).toContain('the clock was put back');
  node.pass(20);
  expect(node.fires.filter((fire) => fire.schedule === 'deed')).toHaveLength(1);
});

test.each([
  ['goes on', false, 'next ok'],
  ['rests', true, undefined],
])('a late start, and the clock is put back: it waits; its schedule %s', (_, paused, told) => {
  const node = new Scheduled();
  node.obeysTerm = false;
  const next: Partial<Plan> = { ...at(9), overlap: 'replace' };
  node.begin(task('web'), schedule('up', T0, at(3)), schedule('next', T0, next));
  node.pass(9);
  node.clockAheadUs -= 6 * SECOND;
  node.endSome();
  node.settle();
  expect([...node.directories.values()].some(({ gateUs }) => gateUs !== undefined)).toBe(true);
  if (paused) node.change([schedule('next', T0, { ...next, paused })]);
  node.pass(10);
  const words = node.fires.map(({ schedule: id, result }) => `${id} ${result}`);
  expect(words.toSorted()).toEqual([told, 'up ok'].filter((word) => word !== undefined));
});

test('what its shim would do a moment after that is taken back: skipped is what did not happen', () => {
  const node = gone('kill', 20_000);
  node.hasGroups = true;
  // The estimate of the time had been another one when it was told.
  const directory = node.directories.get(run);
  if (directory) directory.acts = new Map([['kill', 40 * SECOND]]);
  back(node);
  expect(deed(node)).toMatchObject({ result: 'skipped' });
  node.pass(20);
  expect(node.row(run)?.processState).toBe('running');
});

test.each([
  ['kill', 1_000, { result: 'skipped', reason: expect.stringMatching(/^missed/) as string }],
  ['stop', 15_000, { result: 'lost' }],
])('what ended by itself after its %s, nobody there: not said to be done', (action, ms, told) => {
  const node = gone(action, ms);
  node.endSome();
  node.sleep(1_000);
  expect(deed(back(node))).toMatchObject(told);
  expect(node.row(run)).toMatchObject({ processState: 'exited', exitCode: 3 });
});

test('a KILL begun, and the agent ends before it is done: the next one is told as late as it is', () => {
  const node = running('kill');
  node.hasGroups = false;
  planned(node);
  node.tick(501);
  node.commit();
  expect(node.row(run)?.processState).toBe('stopping');
  node.crash();
  node.sleep(5_000);
  back(node);
  expect(deed(node)).toMatchObject({ result: 'ok' });
  expect(deed(node)?.lateUs).toBeGreaterThan(5 * SECOND);
  expect(node.row(run)).toMatchObject({ processState: 'exited', signal: 'SIGKILL' });
});

test.each(['suspend', 'kill', 'stop'])(
  '%s, the agent frozen over its instant: it was done',
  (action) => {
    const node = running(action);
    planned(node);
    node.sleep(15_000);
    // A timer comes before what shims have to say.
    node.step({ type: 'tick' });
    expect(deed(node)).toBeUndefined();
    node.settle();
    expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60 });
  },
);

test('the agent frozen over an instant at which nobody else could do it: missed', () => {
  const node = running('suspend');
  node.hasGroups = false;
  planned(node);
  node.sleep(15_000);
  node.step({ type: 'tick' });
  node.settle();
  expect(deed(node)).toMatchObject({
    result: 'skipped',
    reason: expect.stringMatching(/^missed/) as string,
  });
  expect(node.row(run)?.processState).toBe('running');
});

test.each([
  ['after its instant', 600, 'ok'],
  ['before it', 0, undefined],
])('taken back %s: what was done is told, and nothing else', (_, ms, result) => {
  const node = running('suspend');
  planned(node);
  node.sleep(ms);
  node.change([], ['schedule:deed']);
  node.pass(5);
  expect(deed(node)?.result).toBe(result);
});

test('taken back and wanted again at once: it is done at its instant', () => {
  const node = running('suspend');
  planned(node);
  node.assignOnly([schedule('deed', T0, { ...at(10), action: 'suspend', missed: 'once' })]);
  node.settle();
  node.pass(5);
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60 });
});

test('resumed at its instant, and ended before the agent has seen it run: ok', () => {
  const node = running('resume');
  const order = { item: 'O1/0', order: 'O1/0', generation: 0, entry: 'order', run };
  node.change([{ ...order, verb: 'suspend' }]);
  planned(node);
  node.sleep(600);
  node.endSome();
  node.step({ type: 'tick' });
  node.settle();
  expect(node.row(run)?.processState).toBe('exited');
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60 });
});

/** Its shim was told to thaw it; that it was suspended did not become durable before the crash. */
function toldToThaw(more: Partial<Plan> = {}): Scheduled {
  const node = running('resume', more);
  node.hasGroups = false;
  node.change([schedule('halt', T0, { ...at(8.5), action: 'suspend' })]);
  node.tick(500);
  node.work();
  expect(node.row(run)?.processState).toBe('suspended');
  node.hasGroups = true;
  node.tick(600);
  expect(node.directories.get(run)?.acts?.get('thaw')).toBe(10 * SECOND);
  node.crash();
  return node;
}

test('a shim does what an earlier life told it, of which this one does not know: told as done', () => {
  const node = back(toldToThaw());
  expect(deed(node)).toBeUndefined();
  node.pass(3);
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60 });
  expect(node.row(run)?.processState).toBe('running');
});

test('its schedule went with the agent: what its shim was told is taken back', () => {
  const node = toldToThaw();
  node.tables.items.delete('schedule:deed');
  back(node);
  node.pass(3);
  expect(deed(node)).toMatchObject({ result: 'lost' });
  expect(node.directories.get(run)?.acts?.size).toBe(0);
  expect(node.directories.get(run)?.frozen).toBe(true);
});

test('the clock is not good enough any more: what its shim was told is taken back', () => {
  const node = toldToThaw({ maxClockErrorUs: 1_000 });
  node.clockErrorUs = 2_000;
  back(node);
  expect(node.directories.get(run)?.acts?.size).toBe(0);
  node.pass(3);
  expect(deed(node)).toMatchObject({ result: 'skipped' });
  expect(node.directories.get(run)?.frozen).toBe(true);
});
