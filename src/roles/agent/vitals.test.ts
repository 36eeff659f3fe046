import { beforeEach, expect, test } from 'vitest';
import { FakeNode } from '../../../tests/agent/fake-node.ts';
import type { Shape } from '../../net/bodies.ts';
import type { VitalEvent } from './events.ts';
import { signOf } from './sign.ts';
import { StatusMeter } from './status-meter.ts';

let node: FakeNode;

beforeEach(() => {
  node = new FakeNode();
  node.boot();
  node.connect();
});

/** R1 of a task of this spec, running. */
function running(more: Partial<Shape<'spec'>>): void {
  const spec = { command: ['x'], ...more };
  const item = { item: 'O1/0', order: 'O1/0', entry: 'order', operation: 'O1', verb: 'start' };
  node.assign({
    ...{ generation: 1, base: 0, removed: [] },
    items: [{ ...item, run: 'R1', task: 'web', at: 1, generation: 1, spec }],
  });
  settle();
  expect(node.row('R1')?.processState).toBe('running');
}

const settle = (): void => node.settle();

const tell = (event: VitalEvent): void => {
  node.run('R1', event);
  settle();
};
const sign = (name: string, value: string, atUs = 1, ageMs = 0): void =>
  tell({ kind: 'sign', name, value, atUs, ageMs });
const row = () => node.row('R1');
const events = (): string[] => {
  settle();
  return node.journaled.flatMap(({ eventKind }) => (eventKind === undefined ? [] : [eventKind]));
};

test('without anything that says so, who runs is ready', () => {
  running({});
  expect(row()?.ready).toBe(true);
});

test('ready when it says so; not while it reloads; its words told again change nothing', () => {
  running({ startTimeoutMs: 60_000 });
  expect(row()?.ready).toBe(false);
  sign('READY', '1', 10);
  expect(row()?.ready).toBe(true);
  sign('RELOADING', '1', 5);
  expect(row()?.ready).toBe(true);
  sign('RELOADING', '1', 20);
  expect(row()?.ready).toBe(false);
  sign('READY', '1', 30);
  expect(row()?.ready).toBe(true);
});

test('a hang: warned, told, stopped, and to begin again though its policy says no', () => {
  running({ watchdogMs: 1_000 });
  expect(node.vitalActs).toEqual(['count 600']);
  tell({ kind: 'quiet', silentMs: 600 });
  expect(node.vitalActs).toEqual(['count 600', 'warn', 'count 1000']);
  tell({ kind: 'quiet', silentMs: 1_000 });
  expect(node.treeActs.at(-1)).toBe('terminate R1');
  expect(row()).toMatchObject({ processState: 'pending', restarts: 1 });
  expect(row()?.reason).toMatch(/^restarts in .*hung: no sign of life for 1s$/);
  expect(events()).toEqual(['process-warned', 'process-hung']);
});

test('late again and again: warned of once a minute, and of its end; a hang always', () => {
  running({ watchdogMs: 1_000, onHang: 'notify' });
  const late = (): void => {
    tell({ kind: 'quiet', silentMs: 600 });
    sign('WATCHDOG', '1');
  };
  for (let n = 0; n < 5; n += 1) late();
  expect(events()).toEqual(['process-warned', 'process-alive']);
  node.tick(60_000);
  late();
  tell({ kind: 'quiet', silentMs: 600 });
  tell({ kind: 'quiet', silentMs: 1_000 });
  sign('WATCHDOG', '1');
  expect(events().slice(2)).toEqual([
    ...['process-warned', 'process-alive', 'process-hung', 'process-alive'],
  ]);
});

test('suspended, it is not watched; a stop that is ordered is no hang', () => {
  running({ watchdogMs: 1_000 });
  node.assign({
    ...{ generation: 2, base: 1, removed: [] },
    items: [
      {
        ...{ item: 'O2/0', order: 'O2/0', entry: 'order', operation: 'O2', verb: 'suspend' },
        ...{ run: 'R1', task: 'web', at: 2, generation: 2, who: 'ada' },
      },
    ],
  });
  settle();
  expect(row()).toMatchObject({ processState: 'suspended', suspendedBy: 'ada' });
  expect(node.vitalActs.at(-1)).toBe('count 0');
  tell({ kind: 'quiet', silentMs: 60_000 });
  expect(row()?.processState).toBe('suspended');
  expect(events()).toEqual([]);
});

test('a run timeout is the end of the run, restarts and all, and says so', () => {
  running({ runTimeoutMs: 5_000, restart: 'always' });
  node.tick(5_000);
  settle();
  expect(row()).toMatchObject({
    ...{ processState: 'exited', restarts: 0 },
    reason: 'ran for longer than 5s (run timeout)',
  });
});

test('the status is told at once five times, then the newest in ten seconds', () => {
  running({});
  for (let n = 0; n < 40; n += 1) sign('STATUS', `at ${n}`);
  expect(row()?.status).toBe('at 4');
  node.tick(10_000);
  expect(row()?.status).toBe('at 39');
});

test('what somebody else stops is told and left; what we do is not', () => {
  running({});
  tell({ kind: 'moved', stopped: true, signal: 19, ageMs: 0 });
  tell({ kind: 'moved', stopped: true, signal: 19, ageMs: 0 });
  expect(row()).toMatchObject({
    processState: 'running',
    reason: "stopped by somebody else's SIGSTOP",
  });
  tell({ kind: 'moved', stopped: false, signal: 18, ageMs: 0 });
  expect(row()?.reason).toBeUndefined();
  expect(events()).toEqual(['process-stopped', 'process-continued']);
});

test('a trigger that is told again was acted upon', () => {
  running({ watchdogMs: 1_000, onHang: 'notify' });
  sign('WATCHDOG', 'trigger', 7);
  sign('WATCHDOG', 'trigger', 7);
  expect(events()).toEqual(['process-hung']);
  sign('WATCHDOG', 'trigger', 8);
  expect(events()).toEqual(['process-hung', 'process-hung']);
});

test('MAINPID is the pid that is shown', () => {
  running({});
  tell({ kind: 'main', pid: 4_242, startTicks: 9 });
  expect(row()?.pid).toBe(4_242);
});

test.each([
  ['WATCHDOG', '1', { event: 'sign' }],
  ['WATCHDOG', '2', undefined],
  ['READY', '0', undefined],
  ['WATCHDOG_USEC', '3000000', { event: 'period', ms: 3_000 }],
  ['WATCHDOG_USEC', '1', { event: 'period', ms: 100 }],
  ['WATCHDOG_USEC', '0', { event: 'period', ms: 0 }],
  ['WATCHDOG_USEC', '18446744073709551615', { event: 'period', ms: 0 }],
  ['WATCHDOG_USEC', '-1', undefined],
  ['WATCHDOG_USEC', '1e9', undefined],
  ['WATCHDOG_USEC', '9'.repeat(400), undefined],
  ['EXTEND_TIMEOUT_USEC', '1500', { event: 'extend', ms: 1.5 }],
  ['EXTEND_TIMEOUT_USEC', '18446744073709551615', { event: 'extend', ms: 86_400_000 }],
  ['ERRNO', '5', undefined],
])('%s=%s', (name, value, said) => {
  expect(signOf(name, value)).toEqual(said);
});

test('a status that waits keeps its place, and room comes back', () => {
  const meter = new StatusMeter(0);
  expect([meter.dueMs, meter.take(0)]).toEqual([undefined, undefined]);
  for (let n = 0; n < 5; n += 1) {
    meter.say(`${n}`);
    expect(meter.take(0)).toBe(`${n}`);
  }
  meter.say('late');
  expect([meter.take(9_999), meter.dueMs]).toEqual([undefined, 10_000]);
  expect(meter.take(10_000)).toBe('late');
  meter.say('later');
  expect(meter.take(10_000)).toBeUndefined();
  expect(meter.take(1_000_000)).toBe('later');
});
