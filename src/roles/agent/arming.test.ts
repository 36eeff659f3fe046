import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Scheduled, SECOND, schedule, task } from '../../../tests/agent/scheduled.ts';
import { limits } from '../../base/limits.ts';
import type { Item } from './events.ts';
import type { Plan } from './firing.ts';

const T0 = 1 * SECOND;
const at = (second: number): Partial<Plan> => ({ at: second * SECOND });

const states = (node: Scheduled): (string | undefined)[] =>
  node.core.liveRuns().map(({ process }) => node.row(process.run)?.processState);

function changed(item: Item, more: Partial<Plan>): Item {
  return { ...item, plan: { ...(item.plan as Plan), ...more } };
}

test('a start is armed before its instant, and fires when the agent is gone', () => {
  const node = new Scheduled().begin(task('web'), schedule('once', T0, at(10)));
  node.pass(6);
  expect(states(node)).toEqual([]);
  node.pass(2);
  expect(states(node)).toEqual(['armed']);
  expect(node.programs).toEqual([]);
  node.crash();
  node.sleep(60_000);
  expect(node.programs).toHaveLength(1);
  node.boot();
  node.connect();
  node.settle();
  expect(node.fires).toMatchObject([{ plannedUs: 10 * SECOND, result: 'ok', lateUs: 0 }]);
  expect(node.fires[0]?.clockErrorUs).toBe(0);
  expect(node.programs).toHaveLength(1);
  expect(node.tables.fires.size).toBe(0);
});

test('an agent that comes back before the instant takes up what is armed', () => {
  const node = new Scheduled().begin(task('web'), schedule('once', T0, at(10)));
  node.pass(8);
  node.crash();
  node.boot();
  node.connect();
  node.settle();
  expect(states(node)).toEqual(['armed']);
  node.pass(2);
  expect(node.told).toEqual(['10 ok']);
  expect(node.launches).toHaveLength(1);
});

const tick = schedule('once', T0, at(10));

test.each<[string, readonly Item[], readonly string[], readonly string[]]>([
  ['the schedule is removed', [], ['schedule:once'], []],
  ['it is paused', [changed(tick, { paused: true, revision: 2 })], [], []],
  ['its node drains', [changed(tick, { draining: true })], [], ['10 skipped']],
  ['the task is disabled', [task('web', { enabled: false })], [], ['10 skipped']],
  ['the task is removed', [], ['task:web'], ['10 failed']],
])('disarmed without a trace: %s', (_, items, removed, told) => {
  const node = new Scheduled().begin(task('web'), tick);
  node.pass(8);
  const [run = ''] = node.launches;
  node.change(items, removed);
  expect(node.cancels).toEqual([run]);
  expect([states(node), node.directories.size, node.tables.runs.size]).toEqual([[], 0, 0]);
  expect(node.journaled.at(-1)?.process).toMatchObject({ run, processState: 'disarmed' });
  node.pass(5);
  expect(node.told).toEqual(told);
  expect(node.programs).toEqual([]);
});

test('what would start has changed: disarmed, and armed anew', () => {
  const node = new Scheduled().begin(task('web'), tick);
  node.pass(8);
  node.change([task('web', { spec: { command: ['./y'] }, revision: 2 })]);
  expect(node.cancels).toHaveLength(1);
  expect(states(node)).toEqual(['armed']);
  node.pass(1);
  expect(node.told).toEqual(['10 ok']);
  expect([...node.directories.values()].map(({ order }) => order.spec?.command)).toEqual([['./y']]);
});

test('a pause that ends before the instant', () => {
  const node = new Scheduled().begin(task('web'), tick);
  node.pass(8);
  node.change([changed(tick, { paused: true, revision: 2 })]);
  node.change([{ ...changed(tick, { revision: 3 }), at: node.nowUs }]);
  node.pass(3);
  expect(node.told).toEqual(['10 ok']);
  expect(node.programs).toHaveLength(1);
});

test('the gate was faster than what takes it back: fired, told so, and not fired again', () => {
  const node = new Scheduled().begin(task('web'), schedule('tick', T0, { everyUs: 10 * SECOND }));
  node.pass(9);
  const item = schedule('tick', T0, { everyUs: 10 * SECOND, paused: true });
  node.assignOnly([item]);
  node.sleep(1_500);
  node.settle();
  node.change([{ ...changed(item, { paused: undefined, revision: 3 }), at: 10 * SECOND }]);
  node.pass(3, () => node.endSome());
  expect(node.told).toEqual(['11 ok']);
  expect(node.programs).toHaveLength(1);
});

test.each([
  ['forbid', 'skipped', 1],
  ['queue', undefined, 1],
  ['replace', 'ok', 2],
])(
  'a run of the task that lives at the instant, %s: nothing is armed',
  (overlap, result, programs) => {
    const node = new Scheduled().begin(
      ...[task('web'), schedule('first', T0, at(3))],
      schedule('then', T0, { ...at(10), overlap }),
    );
    node.pass(9);
    expect(states(node)).toEqual(['running']);
    node.pass(2);
    expect(node.fires.find((fire) => fire.schedule === 'then')?.result).toBe(result);
    expect(node.programs).toHaveLength(programs);
  },
);

test.each(['forbid', 'queue', 'replace'])(
  '%s: armed as soon as the last run has ended',
  (overlap) => {
    const node = new Scheduled().begin(
      ...[task('web'), schedule('first', T0, at(3))],
      schedule('then', T0, { ...at(10), overlap }),
    );
    node.pass(8);
    node.endSome();
    node.settle();
    expect(states(node)).toEqual(['armed']);
    node.crash();
    node.sleep(5_000);
    expect(node.programs).toHaveLength(2);
  },
);

test('what is armed makes room for a start that comes before it', () => {
  const node = new Scheduled().begin(task('web'), schedule('late', T0, at(10.8)));
  node.pass(8);
  expect(states(node)).toEqual(['armed']);
  node.change([schedule('soon', T0, at(9.5))]);
  node.tick(600);
  node.settle();
  node.endSome();
  node.pass(2);
  expect(node.fires.map(({ schedule: id, result }) => `${id} ${result}`)).toEqual([
    ...['soon ok', 'late ok'],
  ]);
});

test('overlaps that are allowed are armed side by side', () => {
  const every = { everyUs: SECOND / 2, count: 6, overlap: 'allow' };
  const node = new Scheduled().begin(task('web'), schedule('tick', T0, every));
  expect(states(node).filter((state) => state === 'armed').length).toBeGreaterThan(2);
  node.pass(4);
  expect(node.fires.map(({ result }) => result)).toEqual(Array(6).fill('ok'));
  expect(node.programs).toHaveLength(6);
});

test('the clock is judged as near to the instant as it can be', () => {
  const exact = { ...at(10), maxClockErrorUs: 1_000 };
  const judged = (look: (node: Scheduled) => void): string[] => {
    const node = new Scheduled().begin(task('web'), schedule('exact', T0, exact));
    look(node);
    node.pass(5);
    expect(node.programs).toHaveLength(node.told[0] === '10 ok' ? 1 : 0);
    return node.told;
  };
  // Bad when it would be armed, good soon enough.
  const better = judged((node) => {
    node.clockErrorUs = 2_000;
    node.pass(8);
    expect(states(node)).toEqual([]);
    node.clockErrorUs = 500;
  });
  expect(better).toEqual(['10 ok']);
  // Good when it was armed, bad at the last look.
  const worse = judged((node) => {
    node.pass(8);
    expect(states(node)).toEqual(['armed']);
    node.clockErrorUs = 2_000;
    node.tick(960);
    node.settle();
    expect(node.cancels).toHaveLength(1);
  });
  expect(worse).toEqual(['10 skipped']);
});

test('a hundred at one instant: a few at a time, and sooner once it is known to take longer', () => {
  const many = Array.from({ length: 100 }, (_, n) => task(`t${n}`));
  const starts = many.map(({ task: name }) => {
    return schedule(`s-${name}`, T0, { everyUs: 60 * SECOND, task: name });
  });
  const node = new Scheduled().begin(...many, ...starts);
  let underWay = 0;
  /** Each step of the world takes 50 ms: an arming the tenth of a second. */
  const slowly = (seconds: number): void => {
    for (let n = 0; n < seconds * 20; n += 1) {
      node.tick(50);
      const launching = node.core.liveRuns().filter(({ process }) => process.state === 'launching');
      underWay = Math.max(underWay, launching.length);
      node.work();
      for (let commits = 0; commits < 3; commits += 1) node.commit();
    }
  };
  slowly(59.9);
  expect(underWay).toBe(limits.armingAtOnce);
  expect(states(node).filter((state) => state === 'armed').length).toBeLessThan(100);
  node.pass(10);
  for (let n = 0; n < 100; n += 1) node.endSome();
  node.settle();
  slowly(49.9);
  expect(states(node)).toEqual(Array(100).fill('armed'));
  node.crash();
  node.sleep(500);
  expect(node.programs).toHaveLength(200);
});

test('a stop cancels what is armed, as the table says', () => {
  const node = new Scheduled().begin(task('web'), tick);
  node.pass(8);
  const [run = ''] = node.launches;
  const stop: Item = {
    item: 'O9/0',
    order: 'O9/0',
    generation: 0,
    entry: 'order',
    verb: 'stop',
    run,
  };
  node.change([stop]);
  node.pass(5);
  expect(node.told).toEqual(['10 skipped']);
  expect(node.fires[0]?.reason).toBe('cancelled before it began');
  expect(node.programs).toEqual([]);
});

test('a clock that is put over the instant: missed, and nothing of it runs', () => {
  const node = new Scheduled().begin(task('web'), tick);
  node.pass(8);
  node.stopGates = true;
  node.clockAheadUs += 3_600 * SECOND;
  node.pass(2);
  expect(node.told).toEqual(['10 skipped']);
  expect(node.programs).toEqual([]);
});

test('whatever crashes when: nothing twice, nothing unaccounted, no overlap that is not allowed', () => {
  const steps = fc.array(
    fc.constantFrom(
      ...(['work', 'work', 'commit', 'settle', 'pass', 'pass', 'wink', 'end', 'crash'] as const),
      ...(['pause', 'resume', 'disable', 'enable', 'change', 'rush'] as const),
    ),
    { maxLength: 150 },
  );
  const overlaps = fc.constantFrom('forbid', 'queue', 'replace', 'allow');
  fc.assert(
    fc.property(steps, overlaps, (list, overlap) => {
      const rule = { everyUs: 3 * SECOND, overlap };
      const item = schedule('tick', T0, rule);
      const node = new Scheduled().begin(task('web'), item);
      let revision = 1;
      const put = (...items: Item[]): void => {
        revision += 1;
        node.assignOnly(items);
      };
      const web = (more: Partial<Item>): void => put(task('web', { revision, ...more }));
      for (const step of list) {
        if (step === 'commit') node.commit();
        else if (step === 'work') node.work();
        else if (step === 'pass') node.tick(700);
        else if (step === 'wink') node.tick(20);
        else if (step === 'rush') node.sleep(2_500);
        else if (step === 'end') node.endSome();
        else if (step === 'settle') node.settle();
        else if (step === 'pause') put(changed(item, { paused: true, revision }));
        else if (step === 'resume') put({ ...changed(item, { revision }), at: node.nowUs });
        else if (step === 'disable') web({ enabled: false });
        else if (step === 'enable') web({ enabled: true });
        else if (step === 'change') web({ spec: { command: [`./${revision}`] } });
        else {
          node.crash();
          node.boot();
          node.connect();
          node.resync();
        }
        const living = [...node.directories.values()].filter(({ main }) => main === 'alive');
        if (overlap !== 'allow') expect(living.length).toBeLessThanOrEqual(1);
      }
      node.settle();
      node.change([], ['schedule:tick']);
      for (let n = 0; n < 60; n += 1) {
        node.endSome();
        node.settle();
      }
      const started = node.fires.filter(({ firedUs }) => firedUs !== undefined);
      expect(new Set(started.map(({ run }) => run))).toEqual(new Set(node.programs));
      expect(started).toHaveLength(node.programs.length);
      const planned = node.fires.map(({ plannedUs }) => plannedUs);
      expect(new Set(planned).size).toBe(planned.length);
      expect(node.tables.fires.size).toBe(0);
      expect(states(node)).toEqual([]);
      node.checkTruth();
    }),
    { numRuns: 400, examples: [[['pass', 'pause', 'pass', 'crash', 'rush'], 'forbid']] },
  );
});
