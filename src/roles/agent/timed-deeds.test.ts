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
    expect(deed(node)).toMatchObject({
      result: 'ok',
      clockErrorUs: action === 'kill' ? undefined : 0,
    });
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

test('a KILL that a restart policy would undo is the agent’s', () => {
  const spec = { command: ['./x'], restart: 'always' };
  const node = new Scheduled().begin(
    ...[task('web', { spec }), schedule('up', T0, at(3))],
    schedule('deed', T0, { ...at(10), action: 'kill' }),
  );
  node.pass(7);
  node.tick(1_900);
  node.settle();
  expect(node.directories.get(run)?.acts).toBeUndefined();
  node.pass(2);
  expect([deed(node)?.result, node.row(run)?.processState]).toEqual(['ok', 'exited']);
});
