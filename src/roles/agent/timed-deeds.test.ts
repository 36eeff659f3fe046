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

const deed = (node: Scheduled) => node.fires.find((fire) => fire.schedule === 'deed');
const [run = ''] = running('suspend').launches;

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
    node.pass(1);
    node.tick(500);
    node.settle();
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
  const order = { item: 'O1/0', order: 'O1/0', generation: 0, entry: 'order', run };
  node.change([{ ...order, verb: 'suspend' }]);
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

test.each(['suspend', 'kill', 'stop'])(
  '%s, the agent frozen over its instant: it was done',
  (action) => {
    const node = running(action);
    node.pass(1);
    node.tick(500);
    node.settle();
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
  node.pass(1);
  node.tick(500);
  node.settle();
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
  node.pass(1);
  node.tick(500);
  node.settle();
  node.sleep(ms);
  node.change([], ['schedule:deed']);
  node.pass(5);
  expect(deed(node)?.result).toBe(result);
});

test('taken back and wanted again at once: it is done at its instant', () => {
  const node = running('suspend');
  node.pass(1);
  node.tick(500);
  node.settle();
  node.assignOnly([schedule('deed', T0, { ...at(10), action: 'suspend', missed: 'once' })]);
  node.settle();
  node.pass(5);
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60 });
});

test('resumed at its instant, and ended before the agent has seen it run: ok', () => {
  const node = running('resume');
  const order = { item: 'O1/0', order: 'O1/0', generation: 0, entry: 'order', run };
  node.change([{ ...order, verb: 'suspend' }]);
  node.pass(1);
  node.tick(500);
  node.settle();
  node.sleep(600);
  node.endSome();
  node.step({ type: 'tick' });
  node.settle();
  expect(node.row(run)?.processState).toBe('exited');
  expect(deed(node)).toMatchObject({ result: 'ok', lateUs: 60 });
});
