import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Scheduled, SECOND, schedule, task } from '../../../tests/agent/scheduled.ts';
import type { Item } from './events.ts';
import type { Plan } from './firing.ts';

const T0 = 1 * SECOND;

test('a schedule fires at each instant, is told of, and leaves nothing behind', () => {
  const node = new Scheduled().begin(
    task('web'),
    schedule('tick', T0, { everyUs: 10 * SECOND, count: 3 }),
  );
  expect(node.tables.fires.size).toBe(3);
  node.pass(40, () => node.endSome());
  expect(node.told).toEqual(['11 ok', '21 ok', '31 ok']);
  const runs = node.fires.map(({ run }) => run);
  expect(node.launches).toEqual(runs);
  expect(new Set(runs).size).toBe(3);
  expect(node.fires[0]).toMatchObject({ schedule: 'tick', action: 'start', clockErrorUs: 0 });
  expect(node.tables.fires.size).toBe(0);
  expect(node.row(runs[0] ?? '')).toMatchObject({ task: 'web', processState: 'exited' });
});

test('it needs no server, and a new life of the agent goes on where the last one ended', () => {
  const node = new Scheduled().begin(task('web'), schedule('tick', T0, { everyUs: 10 * SECOND }));
  node.disconnect();
  node.pass(15, () => node.endSome());
  node.crash();
  node.boot();
  node.settle();
  node.pass(20, () => node.endSome());
  node.connect();
  node.settle();
  expect(node.told).toEqual(['11 ok', '21 ok', '31 ok']);
});

test.each([
  ['skip', ['11 ok', '21 skipped', '31 skipped', '41 ok']],
  ['once', ['11 ok', '21 skipped', '31 ok', '41 ok']],
  ['all', ['11 ok', '21 ok', '31 ok', '41 ok']],
])('missed %s', (missed, told) => {
  const every = { everyUs: 10 * SECOND, missed, overlap: 'allow' };
  const node = new Scheduled().begin(task('web'), schedule('tick', T0, every));
  node.pass(15);
  node.crash();
  node.sleep(20_000);
  node.boot();
  node.connect();
  node.settle();
  node.pass(10);
  expect(node.told).toEqual(told);
});

test.each([
  ['once', 1],
  ['all', 29],
])('missed %s, of more than was claimed ahead', (missed, programs) => {
  const every = { everyUs: 10 * SECOND, missed, overlap: 'allow' };
  const node = new Scheduled().begin(task('web'), schedule('tick', T0, every));
  node.crash();
  node.sleep(295_000);
  node.boot();
  node.connect();
  node.settle();
  expect(node.told).toHaveLength(29);
  expect(node.told.at(-1)).toBe('291 ok');
  expect(node.programs).toHaveLength(programs);
});

test.each([
  ['forbid', ['11 ok', '21 skipped', '31 skipped'], 1],
  ['queue', ['11 ok', '21 ok', '31 ok'], 3],
  ['replace', ['11 ok', '21 ok', '31 ok'], 3],
  ['allow', ['11 ok', '21 ok', '31 ok'], 3],
])('overlap %s', (overlap, told, launches) => {
  const rule = { everyUs: 10 * SECOND, count: 3, overlap };
  const node = new Scheduled().begin(task('web'), schedule('tick', T0, rule));
  node.pass(35);
  if (overlap === 'queue') {
    expect(node.launches).toHaveLength(1);
    expect(node.tables.fires.size).toBe(2);
    node.crash();
    node.boot();
    node.connect();
    for (let n = 0; n < 3; n += 1) {
      node.endSome();
      node.settle();
    }
  }
  expect(node.told).toEqual(told);
  expect(node.launches).toHaveLength(launches);
  expect(node.core.liveRuns().length).toBe({ forbid: 1, queue: 0, replace: 1, allow: 3 }[overlap]);
});

test('a pause takes back what has not come, without a trace; a resume goes on from there', () => {
  const tick = schedule('tick', T0, { everyUs: 10 * SECOND });
  const node = new Scheduled().begin(task('web'), tick);
  node.pass(15, () => node.endSome());
  const plan = tick.plan as Plan;
  node.change([{ ...tick, plan: { ...plan, paused: true, revision: 2 } }]);
  expect(node.tables.fires.size).toBe(0);
  node.pass(20);
  node.change([{ ...tick, at: node.nowUs, plan: { ...plan, revision: 3 } }]);
  node.pass(10, () => node.endSome());
  expect(node.told).toEqual(['11 ok', '41 ok']);
  node.change([], ['schedule:tick']);
  node.pass(30);
  expect(node.told).toHaveLength(2);
  expect([node.tables.fires.size, node.tables.cursors.size]).toEqual([0, 0]);
});

test('while its node drains nothing is started and all is told; afterwards it goes on', () => {
  const tick = schedule('tick', T0, { everyUs: 10 * SECOND });
  const halt = schedule('halt', T0, {
    everyUs: 10 * SECOND,
    fromUs: T0 + 5 * SECOND,
    action: 'stop',
  });
  const node = new Scheduled().begin(task('web'), tick, halt);
  node.pass(12);
  const plan = tick.plan as Plan;
  node.change([{ ...tick, plan: { ...plan, draining: true } }]);
  node.pass(20);
  node.change([tick]);
  node.pass(10);
  expect(node.fires.map(({ action, result, reason }) => [action, result, reason])).toEqual([
    ['start', 'ok', undefined],
    ['stop', 'ok', undefined],
    ['start', 'skipped', 'the node is draining'],
    ['stop', 'ok', 'not running already'],
    ['start', 'skipped', 'the node is draining'],
    ['stop', 'ok', 'not running already'],
    ['start', 'ok', undefined],
  ]);
});

test('the same assignment again changes nothing', () => {
  const tick = schedule('tick', T0, { everyUs: 10 * SECOND });
  const node = new Scheduled().begin(task('web'), tick);
  node.pass(9);
  node.change([tick, task('web')]);
  node.pass(30, () => node.endSome());
  expect(node.told).toEqual(['11 ok', '21 ok', '31 ok']);
});

test('verbs act on the live runs; where there is nothing to do the tables of orders decide', () => {
  const at = (second: number) => ({ at: second * SECOND });
  const node = new Scheduled().begin(
    task('web'),
    schedule('a', T0, { ...at(5), action: 'suspend' }),
    schedule('b', T0, { ...at(10), action: 'start' }),
    schedule('c', T0, { ...at(15), action: 'suspend' }),
    schedule('d', T0, { ...at(20), action: 'resume' }),
    schedule('e', T0, { ...at(25), action: 'restart' }),
    schedule('f', T0, { ...at(30), action: 'kill', signal: 'SIGUSR1' }),
    schedule('g', T0, { ...at(35), action: 'stop' }),
    schedule('h', T0, { ...at(40), action: 'stop' }),
    schedule('i', T0, { ...at(45), action: 'kill' }),
  );
  node.pass(50);
  expect(node.told).toEqual([
    ...['5 failed', '10 ok', '15 ok', '20 ok', '25 ok', '30 ok', '35 ok', '40 ok', '45 failed'],
  ]);
  expect(node.fires[0]?.reason).toBe('task "web" is not running (state: not known here)');
  const [first, second] = node.launches;
  expect(node.treeActs.slice(0, 3)).toEqual([
    `freeze ${first}`,
    `thaw ${first}`,
    `terminate ${first}`,
  ]);
  expect(node.signals).toEqual([`${second} SIGUSR1`]);
  expect(node.core.liveRuns()).toEqual([]);
});

test('at one instant: kill, stop, unload, load, restart, start, suspend, resume; then by name', () => {
  const all = ['resume', 'suspend', 'start', 'restart', 'stop', 'kill'];
  const at = { at: 10 * SECOND };
  const node = new Scheduled().begin(
    ...[task('web'), schedule('z', T0, { ...at, action: 'stop' })],
    ...all.map((action) => schedule(action, T0, { ...at, action })),
  );
  node.pass(15);
  const begun = ['kill', 'stop', 'z', 'restart', 'start', 'suspend', 'resume'];
  const order = node.fires.map((fire) => fire.schedule);
  expect([...order].sort()).toEqual([...begun].sort());
  expect(order.slice(0, 3)).toEqual(['kill', 'stop', 'z']);
  expect(node.launches).toHaveLength(1);
});

test('a clock that is not good enough, a disabled task, a task that is not there', () => {
  const node = new Scheduled().begin(
    ...[task('web'), task('off', { enabled: false })],
    schedule('clock', T0, { at: 5 * SECOND, maxClockErrorUs: 1_000 }),
    schedule('off', T0, { at: 6 * SECOND, task: 'off' }),
    schedule('none', T0, { at: 7 * SECOND, task: 'none' }),
    schedule('unknown', T0, { at: 12 * SECOND, maxClockErrorUs: 1_000 }),
    schedule('any', T0, { at: 13 * SECOND }),
  );
  node.clockErrorUs = 1_001;
  node.pass(10);
  node.clockErrorUs = undefined;
  node.pass(10);
  expect(node.fires.map(({ schedule, result, reason }) => [schedule, result, reason])).toEqual([
    ['clock', 'skipped', 'the clock may be wrong by 1001 µs, more than 1000'],
    ['off', 'skipped', 'task "off" is disabled'],
    ['none', 'failed', 'task "none" is not known on this node'],
    ['unknown', 'skipped', 'the error of the clock is not known'],
    ['any', 'ok', undefined],
  ]);
  expect(node.fires.at(-1)?.clockErrorUs).toBeUndefined();
});

test('code is fetched at once, and its name changes at the instant', () => {
  const old: Item = {
    ...{ item: 'bundle:app', generation: 0, entry: 'bundle', bundle: 'app', digest: 'sha256:a' },
    sizeBytes: 1,
  };
  const load = { action: 'load', task: undefined, bundle: 'app', digest: 'sha256:b', sizeBytes: 1 };
  const withCode = task('web', { spec: { command: ['./x'], bundle: 'app' } });
  const node = new Scheduled().begin(
    ...[old, withCode, schedule('now', T0, { at: 5 * SECOND })],
    schedule('new', T0, { ...load, at: 10 * SECOND }),
    schedule('then', T0, { at: 10 * SECOND, overlap: 'allow' }),
  );
  expect(node.fetches).toEqual(['sha256:a', 'sha256:b']);
  node.pass(15);
  const bundles = node.launches.map((run) => node.row(run)?.bundle);
  expect(bundles).toEqual(['sha256:a', 'sha256:b']);
  expect(node.told).toEqual(['5 ok', '10 ok', '10 ok']);
});

test('a signal that may have been sent is lost, a stop that shows is not', () => {
  const node = new Scheduled().begin(
    ...[task('web'), schedule('up', T0, { at: 3 * SECOND })],
    schedule('usr', T0, { at: 10 * SECOND, action: 'kill', signal: 'SIGUSR1' }),
    schedule('down', T0, { at: 10 * SECOND, action: 'stop' }),
  );
  node.pass(8);
  node.tick(999);
  node.settle();
  node.tick(2);
  expect(node.signals).toHaveLength(1);
  // Nothing of this instant became durable but what the processes show.
  node.endSome();
  node.crash();
  node.boot();
  node.connect();
  node.settle();
  node.pass(5);
  const outcome = node.fires.map(({ schedule, result }) => `${schedule} ${result}`).sort();
  expect(outcome).toEqual(['down ok', 'up ok', 'usr lost']);
  expect(node.signals).toHaveLength(1);
});

test('a clock that is put by a day, either way: no instant twice, none untold', () => {
  const DAY = 86_400 * SECOND;
  const node = new Scheduled().begin(task('web'), schedule('h', T0, { everyUs: 3_600 * SECOND }));
  node.clockAheadUs += DAY;
  node.pass(100, () => node.endSome());
  expect(node.told).toHaveLength(24);
  node.clockAheadUs -= DAY;
  node.pass(3_600 * 2, () => node.endSome());
  expect(node.told).toHaveLength(24);
  node.clockAheadUs += 2 * DAY;
  node.pass(100, () => node.endSome());
  const planned = node.fires.map(({ plannedUs }) => plannedUs);
  expect(planned).toEqual(Array.from({ length: 50 }, (_, n) => T0 + (n + 1) * 3_600 * SECOND));
});

test('whatever crashes when: every instant is told once, and every run begun once', () => {
  const steps = fc.array(
    fc.constantFrom('commit', 'work', 'pass', 'pass', 'end', 'crash', 'away', 'back', 'settle'),
    { maxLength: 120 },
  );
  const overlaps = fc.constantFrom('forbid', 'queue', 'replace', 'allow');
  const rules = fc.constantFrom('skip', 'once', 'all');
  fc.assert(
    fc.property(steps, overlaps, rules, (list, overlap, missed) => {
      const rule = { everyUs: 2 * SECOND, overlap, missed };
      const node = new Scheduled().begin(
        ...[task('web'), schedule('tick', T0, rule)],
        schedule('off', T0, { everyUs: 5 * SECOND, action: 'stop', missed }),
      );
      for (const step of list) {
        if (step === 'commit') node.commit();
        else if (step === 'work') node.work();
        else if (step === 'pass') node.tick(700);
        else if (step === 'end') node.endSome();
        else if (step === 'away') node.disconnect();
        else if (step === 'back') node.connect();
        else if (step === 'settle') node.settle();
        else {
          node.crash();
          node.boot();
        }
      }
      node.connect();
      node.settle();
      node.change([], ['schedule:tick', 'schedule:off']);
      for (let n = 0; n < 200; n += 1) {
        node.endSome();
        node.settle();
      }
      node.pass(30, () => node.endSome());
      const lastUs = node.nowUs - 30 * SECOND;
      for (const [id, everyUs] of [
        ['tick', 2 * SECOND],
        ['off', 5 * SECOND],
      ] as const) {
        const planned = node.fires
          .filter((fire) => fire.schedule === id)
          .map((fire) => fire.plannedUs)
          .sort((a, b) => a - b);
        const count = Math.floor((lastUs - T0) / everyUs);
        expect(planned).toEqual(Array.from({ length: count }, (_, n) => T0 + (n + 1) * everyUs));
      }
      const started = node.fires.filter(({ action, firedUs }) => action === 'start' && firedUs);
      expect(new Set(started.map(({ run }) => run))).toEqual(new Set(node.programs));
      expect(started).toHaveLength(node.programs.length);
      expect(node.tables.fires.size).toBe(0);
    }),
    { numRuns: 300 },
  );
});
