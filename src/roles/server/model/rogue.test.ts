/** A node that lies: what it says of others changes nothing of theirs, whatever it says. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../base/limits.ts';
import type { Shape } from '../../../net/layout.ts';
import { isMeantFor } from './assignment.ts';
import { Fleet } from './fleet.fake.ts';

const OURS = `sha256:${'a'.repeat(64)}`;
const THEIRS = `sha256:${'b'.repeat(64)}`;

/** `good` has a run, an order that waits, a bundle that loads; `bad` has a bundle of its own. */
function fleet(): { fleet: Fleet; run: string; order: string } {
  const fleet = new Fleet();
  for (const name of ['good', 'bad']) fleet.join(name);
  fleet.act('fileDef', { bundle: 'ours', digest: OURS, sizeBytes: 1, on: 'good' });
  fleet.act('fileDef', { bundle: 'theirs', digest: THEIRS, sizeBytes: 1, on: 'bad' });
  fleet.create({ on: 'good' });
  fleet.act('taskRun', { targets: ['web'] });
  fleet.run('good');
  fleet.act('taskKill', { targets: ['web'] });
  const uid = fleet.uid('good');
  const [order = ''] = [...fleet.state.orders].find(([, one]) => one.uid === uid) ?? [];
  return { fleet, run: fleet.runOn('good'), order };
}

/** All that is on record of `good`, and of what it was asked. */
function recordOf({ state }: Fleet, uid: string): unknown {
  const own = <T extends { uid?: string | undefined }>(all: Iterable<T>): T[] =>
    [...all].filter((one) => one.uid === uid);
  return structuredClone({
    node: state.nodes.get(uid),
    runs: own(state.runs.values()),
    orders: own(state.orders.values()),
    results: own(state.results.values()),
    items: [...(state.assignments.get(uid)?.items.values() ?? [])],
    operations: [...state.operations.values()].filter(({ targets }) => targets[0] !== 'theirs'),
    bundles: [...state.bundles.keys()],
    identities: [...state.identities.values()].map(({ name, role }) => `${name} ${role}`),
  });
}

const seqs = { next: 0 };
function tell(fleet: Fleet, name: string, report: Omit<Shape<'report'>, 'seq' | 'at'>): void {
  seqs.next += 1;
  const reports = [{ seq: seqs.next, at: 0, ...report }];
  fleet.act('report', { uid: fleet.uid(name), reports });
}

test('it ends nobody else’s run, answers nobody else’s order, keeps nobody else’s results', () => {
  const { fleet: all, run, order } = fleet();
  const before = recordOf(all, all.uid('good'));
  expect(before).toMatchObject({
    runs: [{ run }],
    orders: [{ order }, {}],
    operations: [{}, {}, {}],
  });
  tell(all, 'bad', {
    entry: 'process',
    process: { run, task: 'web', processState: 'exited', exitCode: 0, exitedAt: 1 },
  });
  tell(all, 'bad', { entry: 'order', order, answer: { ok: true, run } });
  tell(all, 'bad', { entry: 'kept', kept: { run, task: 'web', digest: OURS, sizeBytes: 1 } });
  expect(recordOf(all, all.uid('good'))).toEqual(before);
  // And who it belongs to is heard all the same.
  tell(all, 'good', { entry: 'kept', kept: { run, task: 'web', digest: OURS, sizeBytes: 1 } });
  expect(all.state.results.get(run)?.uid).toBe(all.uid('good'));
});

test('content is not had by naming it: not in a run of its own making, not in a bundle’s state', () => {
  const { fleet: all } = fleet();
  const bad = all.uid('bad');
  const made = (run: string, bundle: string) =>
    tell(all, 'bad', {
      entry: 'process',
      process: { run, processState: 'running', startedAt: 1, bundle },
    });
  made('R1111111111A', OURS);
  made('R1111111111B', THEIRS);
  tell(all, 'bad', { entry: 'bundle', bundle: 'ours', digest: OURS, bundleState: 'loaded' });
  expect(all.state.runs.get('R1111111111A')?.digest).toBeUndefined();
  expect(all.state.runs.get('R1111111111B')?.digest).toBe(THEIRS);
  expect([isMeantFor(all.state, bad, OURS), isMeantFor(all.state, bad, THEIRS)]).toEqual([
    false,
    true,
  ]);
});

test('what is no run is none: its id would name a directory where results are fetched', () => {
  const { fleet: all } = fleet();
  const kept = { run: '../../../etc/cron.d', task: 'web', digest: OURS, sizeBytes: 1 };
  tell(all, 'bad', { entry: 'kept', kept });
  const process = { run: 'web', processState: 'running', startedAt: 1 };
  tell(all, 'bad', { entry: 'process', process });
  expect(all.state.results.size).toBe(0);
  expect(all.state.runs.has('web')).toBe(false);
});

test('runs of its own making have an end; what was ordered of it is heard all the same', () => {
  const { fleet: all } = fleet();
  all.create({ on: 'bad' }, 'late');
  all.act('taskRun', { targets: ['late'] });
  const uid = all.uid('bad');
  const many = Array.from({ length: limits.runsPerNode }, (_, no) => `made ${no}`);
  all.state.index.runsOn.set(uid, new Set([all.runOn('bad', 'late'), ...many]));
  const made = (run: string, processState: string) =>
    tell(all, 'bad', { entry: 'process', process: { run, processState, startedAt: 1 } });
  made('R1111111111A', 'running');
  expect(all.state.runs.has('R1111111111A')).toBe(false);
  const ordered = all.runOn('bad', 'late');
  made(ordered, 'running');
  expect(all.state.runs.get(ordered)?.row.processState).toBe('running');
});

const states = ['pending', 'armed', 'disarmed', 'running', 'stopping', 'exited', 'failed', 'lost'];

test('whatever it reports, with whatever names of others: of them nothing changes', () => {
  const { run: someRun, order: someOrder } = fleet();
  const run = fc.constantFrom('OF-GOOD', 'R1111111111A', someRun);
  const order = fc.constantFrom('OF-GOOD', 'O1', someOrder);
  const digest = fc.constantFrom(OURS, THEIRS, undefined);
  const report = fc.oneof(
    fc.record({
      entry: fc.constant('process'),
      process: fc.record({
        ...{ run, task: fc.constantFrom('web', undefined), bundle: digest },
        ...{ processState: fc.constantFrom(...states), startedAt: fc.constantFrom(1, undefined) },
        node: fc.constantFrom('good', undefined),
        operation: fc.constantFrom('OF-GOOD', undefined),
      }),
    }),
    fc.record({ entry: fc.constant('order'), order, answer: fc.record({ ok: fc.boolean(), run }) }),
    fc.record({
      entry: fc.constant('kept'),
      kept: fc.record({ run, task: fc.constant('web'), digest, node: fc.constant('good') }),
    }),
    fc.record({
      entry: fc.constant('bundle'),
      bundle: fc.constantFrom('ours', 'theirs'),
      digest: fc.constantFrom(OURS, THEIRS),
      bundleState: fc.constantFrom('loaded', 'failed', 'removed'),
    }),
  );
  fc.assert(
    fc.property(fc.array(report, { maxLength: 8 }), (reports) => {
      const made = fleet();
      const before = recordOf(made.fleet, made.fleet.uid('good'));
      for (const one of reports) {
        const text = JSON.stringify(one, (key, value: unknown) => {
          if (value !== 'OF-GOOD') return value;
          return key === 'run' ? made.run : made.order;
        });
        tell(made.fleet, 'bad', JSON.parse(text) as Shape<'report'>);
      }
      expect(recordOf(made.fleet, made.fleet.uid('good'))).toEqual(before);
    }),
    { numRuns: 300 },
  );
});
