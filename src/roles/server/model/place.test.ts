import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judged } from './eligible.ts';
import { Fleet } from './fleet.fake.ts';
import { type Candidate, choose } from './place.ts';
import { occupiedBy } from './places.ts';
import { encodeEntries, freeze, loadEntries } from './snapshot.ts';

const candidates = fc
  .array(
    fc.record({
      value: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
      sticky: fc.constantFrom(0 as const, 1 as const, 2 as const),
      share: fc.constantFrom(0, 0.25, 0.5),
      count: fc.nat(2),
    }),
    { maxLength: 12 },
  )
  .map((rows) => rows.map((row, n): Candidate => ({ ...row, uid: `N${n}`, name: `n${n}` })));

test('as many as are wanted or there are, the same whatever their order', () => {
  fc.assert(
    fc.property(candidates, fc.nat(12), fc.boolean(), (all, count, isSpread) => {
      const wanted = { count, taken: isSpread ? [] : undefined };
      const chosen = choose(all, wanted);
      expect(new Set(chosen).size).toBe(Math.min(count, all.length));
      expect(choose(all.toReversed(), wanted)).toEqual(chosen);
      // A smaller count chooses the first of them.
      expect(choose(all, { ...wanted, count: count - 1 })).toEqual(
        chosen.slice(0, Math.max(0, count - 1)),
      );
    }),
  );
});

test('values differ by one at most, but where one has no node left', () => {
  fc.assert(
    fc.property(candidates, fc.nat(12), (all, count) => {
      const chosen = choose(all, { count, taken: [] });
      const values = [...new Set(all.map(({ value }) => value))];
      const used = (value: string | undefined): number =>
        chosen.filter((one) => one.value === value).length;
      const open = values.filter((value) =>
        all.some((one) => one.value === value && !chosen.includes(one)),
      );
      for (const value of open)
        for (const other of values) expect(used(other) - used(value)).toBeLessThanOrEqual(1);
    }),
  );
});

test('without a label: sticky first, then the smallest share, then the fewest, then by name', () => {
  const one = { uid: 'N0', value: undefined, sticky: 0, share: 0.5, count: 1 } as const;
  const all: Candidate[] = [
    { ...one, name: 'e' },
    { ...one, name: 'd' },
    { ...one, name: 'z', count: 0 },
    { ...one, name: 'y', share: 0.1, count: 9 },
    { ...one, name: 'x', sticky: 1, share: 2 },
    { ...one, name: 'w', sticky: 2, share: 3 },
  ];
  const names = choose(all, { count: 6, taken: undefined }).map(({ name }) => name);
  expect(names.join('')).toBe('wxyzde');
});

const NODES = ['n1', 'n2', 'n3', 'n4', 'n5'];
const INSTANCES = 3;
const node = fc.constantFrom(...NODES);
const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constantFrom('drain', 'undrain', 'attach', 'detach'), node }),
    fc.record({ what: fc.constantFrom('out', 'in', 'run', 'run', 'end', 'end'), node }),
    fc.record({ what: fc.constantFrom('start', 'start', 'stop', 'restart', 'load'), node }),
  ),
  { maxLength: 40 },
);

function take(fleet: Fleet, { what, node: name }: { what: string; node: string }): void {
  const targets = ['web'];
  if (what === 'drain' || what === 'undrain') fleet.act('depDrain', { mode: what, names: [name] });
  else if (what === 'attach' || what === 'detach') fleet[what](name);
  else if (what === 'out') fleet.act('hostState', { node: name, labels: { web: 'no' } });
  else if (what === 'in') fleet.act('hostState', { node: name, labelsRemoved: ['web'] });
  else if (what === 'start') fleet.act('taskRun', { targets });
  else if (what === 'restart') fleet.act('taskRun', { targets, mode: 'restart' });
  else if (what === 'stop') fleet.act('taskKill', { targets, mode: 'stop' });
  else if (what === 'load') fleet.create({ on: name, cpuMax: 1 }, `load-${name}`, 'set');
  else if (what === 'run' && fleet.runOn(name) !== '') fleet.run(name);
  else if (what === 'end' && fleet.runOn(name) !== '') fleet.end(name);
}

function begin(): Fleet {
  const fleet = new Fleet();
  fleet.act('found', { fleet: 'f', spki: 's', identity: 'admin' });
  for (const [n, name] of NODES.entries()) fleet.join(name, { rack: `r${n % 3}` });
  const on = { on: 'web!=no', instances: INSTANCES, spread: 'rack' };
  fleet.create({ ...on, restart: 'always' });
  for (const name of NODES) fleet.create({ on: name }, `load-${name}`);
  return fleet;
}

test('whatever happens: never more than wanted, none missing that could be, none on the wrong node', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const fleet = begin();
      for (const step of list) {
        const before = fleet.state.tasks.get('web')?.placed ?? [];
        take(fleet, step);
        const task = fleet.state.tasks.get('web');
        if (!task) throw new Error('it is gone');
        const { placed = [] } = task;
        for (const uid of placed) {
          const one = fleet.state.nodes.get(uid);
          expect(one?.draining).toBeUndefined();
          if (!before.includes(uid)) expect(one?.here).toBe(true);
        }
        const occupied = new Set(occupiedBy(task));
        expect(occupied.size).toBeLessThanOrEqual(INSTANCES);
        const free = [...judged(fleet.state, task, occupied)].filter(({ refused }) => !refused);
        if (occupied.size < INSTANCES) expect(free).toEqual([]);
        const live = [...fleet.state.runs.values()].filter(
          (run) => run.task === 'web' && !run.ended,
        );
        // A restart stops and starts in one place: its node sees to it that they do not overlap.
        expect(new Set(live.map(({ uid }) => uid)).size).toBeLessThanOrEqual(INSTANCES);
        for (const { uid } of live) expect(occupied.has(uid)).toBe(true);
        if (step.what === 'load') expect(placed).toEqual(before);
      }
    }),
    { numRuns: 300 },
  );
});

test('the same commands place the same, with a snapshot in between', () => {
  fc.assert(
    fc.property(steps, fc.nat(40), (list, at) => {
      const [fleet, other] = [begin(), begin()];
      for (const [n, step] of list.entries()) {
        take(fleet, step);
        if (n === at) {
          const bytes = Buffer.concat([...encodeEntries(freeze(other.state))]);
          other.state = loadEntries(bytes) ?? other.state;
        }
        take(other, step);
        expect(other.state.tasks.get('web')).toEqual(fleet.state.tasks.get('web'));
      }
      expect(other.state.index).toEqual(fleet.state.index);
    }),
    { numRuns: 100 },
  );
});
