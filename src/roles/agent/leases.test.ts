import { expect, test } from 'vitest';
import { FakeNode } from '../../../tests/agent/fake-node.ts';
import { Scheduled, SECOND, schedule, task } from '../../../tests/agent/scheduled.ts';
import { errorCodes } from '../../base/errors.ts';
import type { AgentAction, Item } from './events.ts';

const LEASE_MS = 12_000;
const order: Item = {
  ...{ item: 'O1/0', order: 'O1/0', generation: 1, entry: 'order', verb: 'start', run: 'R1' },
  ...{ task: 'web', term: 3, at: 1 },
  spec: { command: ['./x'], onAgentLost: 'move', leaseMs: LEASE_MS, restart: 'always' },
};

const of = <T extends AgentAction['type']>(actions: readonly AgentAction[], type: T) =>
  actions.filter((action) => action.type === type) as (AgentAction & { readonly type: T })[];

/** A node with a run that wants a lease. */
function waiting(): FakeNode {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign({ generation: 1, base: 0, items: [order] });
  node.settle();
  return node;
}

const grant = (node: FakeNode, ms = LEASE_MS): readonly AgentAction[] =>
  node.step({
    type: 'leased',
    leases: [{ run: 'R1', term: 3, endsAt: node.nowUs + ms * 1_000 }],
  });

const state = (node: FakeNode): string | undefined => node.row('R1')?.processState;

test('nothing is launched before it is granted; then its shim has the fence, before the end', () => {
  const node = waiting();
  expect([state(node), node.launches]).toEqual(['pending', []]);
  expect(node.row('R1')?.reason).toBe('waits for its lease');
  const [launch] = of(grant(node), 'launch');
  // A twelfth of what is left may be slewed away, and a KILL takes its time.
  expect(launch?.fenceUs).toBe(node.nowMs * 1_000 + 11_000_000 - 200_000);
  node.settle();
  expect(state(node)).toBe('running');
});

test('it is asked for at once, then at a third of the lease; unanswered sooner', () => {
  const node = waiting();
  const asked = (): boolean => of(node.step({ type: 'tick' }), 'ask-lease').length > 0;
  grant(node);
  node.sleep(3_900);
  expect(asked()).toBe(false);
  node.sleep(200);
  expect(asked()).toBe(true);
  expect(asked()).toBe(false);
  node.sleep(2_100);
  expect(asked()).toBe(true);
  node.disconnect();
  node.sleep(2_100);
  expect(asked()).toBe(false);
});

test('a renewal moves the fence; one of another term, or one that is too late, does not', () => {
  const node = waiting();
  grant(node);
  node.settle();
  node.sleep(4_000);
  expect(of(grant(node), 'fence')).toMatchObject([{ run: 'R1' }]);
  const leases = [{ run: 'R1', term: 2, endsAt: node.nowUs + 60_000_000 }];
  expect(of(node.step({ type: 'leased', leases }), 'fence')).toEqual([]);
  node.sleep(12_000);
  expect(of(grant(node), 'fence')).toEqual([]);
});

test('an unrenewed lease ends the run by KILL before its end, and no policy revives it', () => {
  const node = waiting();
  grant(node);
  node.settle();
  node.sleep(10_700);
  expect(of(node.step({ type: 'tick' }), 'kill-tree')).toEqual([]);
  node.sleep(150);
  expect(of(node.step({ type: 'tick' }), 'kill-tree')).toHaveLength(1);
  node.settle();
  expect(node.row('R1')).toMatchObject({
    processState: 'exited',
    reason: 'its lease ended',
    errorCode: errorCodes['lease-ended'].number,
    restarts: 0,
  });
  expect(node.journaled.map(({ eventKind }) => eventKind)).toContain('lease-lapsed');
});

test('a worse clock shortens what is held; one without a bound asks for nothing', () => {
  const node = waiting();
  grant(node);
  node.settle();
  node.clockErrorUs = undefined;
  node.sleep(5_000);
  expect(of(node.step({ type: 'tick' }), 'ask-lease')).toEqual([]);
  expect(state(node)).toBe('running');
  node.clockErrorUs = 7_000_000;
  expect(of(node.step({ type: 'tick' }), 'kill-tree')).toHaveLength(1);
});

test('its shim ended it while the agent was stopped: the same end, no restart', () => {
  const node = waiting();
  grant(node);
  node.settle();
  node.run('R1', { kind: 'lease-over' });
  const end = { how: 'signal', value: 9, cpuMs: 1, maxMemoryBytes: 1, atUs: node.nowUs } as const;
  node.run('R1', { kind: 'ended', end, left: false });
  node.settle();
  expect(node.row('R1')).toMatchObject({ processState: 'exited', reason: 'its lease ended' });
});

test('another life of the agent launches nothing that it holds no lease of', () => {
  const node = waiting();
  grant(node);
  node.settle();
  node.crash();
  node.boot();
  node.connect();
  node.settle();
  expect(state(node)).toBe('running');
  const end = { how: 'code', value: 1, cpuMs: 1, maxMemoryBytes: 1, atUs: node.nowUs } as const;
  node.run('R1', { kind: 'ended', end, left: false });
  node.tick(2_000);
  node.settle();
  expect(node.launches).toEqual(['R1']);
  expect(node.row('R1')?.errorCode).toBe(errorCodes['lease-ended'].number);
});

/** A node whose schedule has begun what may move, at its instant. */
function fired(): { readonly node: Scheduled; readonly run: string } {
  const spec = { command: ['./x'], onAgentLost: 'move', leaseMs: LEASE_MS };
  const every = { everyUs: 10 * SECOND };
  const node = new Scheduled().begin(task('web', { spec }), schedule('tick', SECOND, every));
  node.pass(12);
  const run = node.journaled.find(({ process }) => process)?.process?.run ?? '';
  return { node, run };
}

const granted = (node: Scheduled, run: string, ms = LEASE_MS): readonly AgentAction[] =>
  node.step({ type: 'leased', leases: [{ run, term: 41, endsAt: node.nowUs + ms * 1_000 }] });

test('a schedule: the run asks without a term, and is launched under the one it is given', () => {
  const { node, run } = fired();
  expect(node.launches).toEqual([]);
  expect(node.row(run)).toMatchObject({ processState: 'pending', reason: 'waits for its lease' });
  // As soon as its report is journaled, whenever it asked before.
  const body = { seq: node.journaled.at(-1)?.seq ?? 0, seenSeq: 1 };
  const [asked] = of(node.step({ type: 'reported', body }), 'ask-lease');
  expect(asked?.leases).toEqual([{ run, term: 0 }]);
  const [launch] = of(granted(node, run), 'launch');
  expect(launch).toMatchObject({ run, order: { term: 41 } });
  expect(launch?.fenceUs).toBeGreaterThan(0);
  node.settle();
  expect(node.told).toEqual(['11 ok']);
  node.pass(4);
  expect(of(granted(node, run), 'fence')).toMatchObject([{ run }]);
});

test('a schedule: another life of the agent, before the grant and after it', () => {
  const { node, run } = fired();
  const again = (): void => {
    node.crash();
    node.boot();
    node.connect();
    node.settle();
  };
  again();
  expect([node.row(run)?.processState, node.launches]).toEqual(['pending', []]);
  granted(node, run);
  node.settle();
  again();
  expect(node.row(run)?.processState).toBe('running');
  expect(of(granted(node, run), 'fence')).toMatchObject([{ run }]);
});

test('a schedule: where the instance is no more, its run and firing have failed', () => {
  const { node, run } = fired();
  node.step({ type: 'leased', leases: [{ run, term: 0 }] });
  node.settle();
  const reason = 'the instance of its task is not on this node any more';
  const errorCode = errorCodes['lease-ended'].number;
  expect(node.row(run)).toMatchObject({ processState: 'failed', reason, errorCode });
  expect(node.fires.at(-1)).toMatchObject({ result: 'failed', reason });
  expect(node.launches).toEqual([]);
});

test('given up while it waits to be launched, it hears so and has failed', () => {
  const node = waiting();
  node.step({ type: 'leased', leases: [{ run: 'R1', term: 2 }] });
  expect(state(node)).toBe('pending');
  node.step({ type: 'leased', leases: [{ run: 'R1', term: 3 }] });
  expect(state(node)).toBe('failed');
});
