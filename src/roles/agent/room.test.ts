/** The room of one node: who waits, who goes, who makes room, over crashes and hands. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeNode } from '../../../tests/agent/fake-node.ts';
import { errorCodes } from '../../base/errors.ts';
import type { Item } from './events.ts';
import { type Holding, judgeRoom, type Level, type Vector, type Waiting } from './room.ts';

interface Wants {
  readonly priority?: number;
  readonly preempt?: 'suspend' | 'kill';
  readonly slots?: number;
  readonly memoryMaxBytes?: number;
  readonly cpuMax?: number;
  readonly restart?: string;
}

class Node extends FakeNode {
  #generation = 0;
  readonly #given: Item[] = [];

  begin(slots?: number): this {
    this.options = { room: { slots, cores: 4, memoryBytes: 1_000 } };
    this.boot();
    this.connect();
    return this;
  }

  give(verb: string, run: string, more: Partial<Item> = {}): string {
    this.#generation += 1;
    const n = this.#generation;
    const item = `O${n}/0`;
    const base = { item, order: item, generation: n, entry: 'order', verb, run, at: n * 1_000 };
    const given = { ...base, task: `t${run}`, ...more };
    this.#given.push(given);
    this.assign({ generation: n, base: n - 1, items: [given] });
    return item;
  }

  start(run: string, wants: Wants = {}, more: Partial<Item> = {}): string {
    return this.give('start', run, { spec: { command: ['./x'], ...wants }, ...more });
  }

  end(run: string): void {
    const end = { how: 'code', value: 0, cpuMs: 1, maxMemoryBytes: 1, atUs: this.nowUs } as const;
    this.run(run, { kind: 'ended', end, left: false });
    this.settle();
  }

  again(): void {
    this.crash();
    this.boot();
    this.connect();
    // What had not been stored is told again.
    if (this.#given.length === 0) return;
    this.assign({ generation: this.#generation, base: 0, items: this.#given, reset: true });
  }

  told(run: string): string {
    const { processState = 'none', reason } = this.row(run) ?? {};
    return reason === undefined ? processState : `${processState}: ${reason}`;
  }

  states(...runs: readonly string[]): string {
    return runs.map((run) => this.row(run)?.processState ?? 'none').join(' ');
  }

  answer(order: string) {
    return this.journaled.find((report) => report.answer && report.order === order)?.answer;
  }
}

test('what has no room waits and says for what; the first come goes first', () => {
  const node = new Node().begin(2);
  for (const run of ['R1', 'R2', 'R3', 'R4']) node.start(run);
  node.settle();
  expect(node.states('R1', 'R2')).toBe('running running');
  expect(node.told('R3')).toBe('pending: waits for room: needs 1 slot, 0 of 2 free');
  expect(node.told('R4')).toBe(
    'pending: waits for room: needs 1 slot; before it: task "tR3" (priority 0)',
  );
  node.end('R2');
  expect(node.states('R3', 'R4')).toBe('running pending');
  expect(node.told('R4')).toBe('pending: waits for room: needs 1 slot, 0 of 2 free');
  node.give('stop', 'R4');
  node.settle();
  expect(node.told('R4')).toBe('failed: cancelled');
});

test('the higher priority goes first; without slots of its node nobody waits for one', () => {
  const node = new Node().begin(1);
  node.start('R1');
  node.start('R2');
  node.start('R3', { priority: 5 });
  node.settle();
  expect(node.told('R2')).toContain('before it: task "tR3" (priority 5)');
  node.end('R1');
  expect(node.states('R2', 'R3')).toBe('pending running');
  const open = new Node().begin();
  for (const run of ['R1', 'R2', 'R3']) open.start(run);
  open.settle();
  expect(open.states('R1', 'R2', 'R3')).toBe('running running running');
});

test('what asks for more than the node ever has fails; a service takes no slot', () => {
  const node = new Node().begin(1);
  const order = node.start('R1', { slots: 2 });
  node.start('R2', { restart: 'always' });
  node.start('R3', { slots: 1, memoryMaxBytes: 600 });
  node.start('R4', { slots: 0, memoryMaxBytes: 600, cpuMax: 0.5 });
  node.settle();
  expect(node.told('R1')).toBe(
    'failed: there never is room for it: it asks for 2 slots, and the node has 1',
  );
  expect(node.answer(order)).toMatchObject({ errorCode: errorCodes.unsupported.number });
  expect(node.states('R2', 'R3')).toBe('running running');
  expect(node.told('R4')).toBe('pending: waits for room: needs 600B of memory, 400B of 1000B free');
});

test('a big one is not starved by small ones behind it; what takes nothing of it passes', () => {
  const node = new Node().begin(3);
  node.start('R1', { slots: 2 });
  node.start('R2', { slots: 3 });
  node.start('R3', { slots: 1 });
  node.start('R4', { slots: 0, memoryMaxBytes: 900 });
  node.settle();
  expect(node.states('R1', 'R2', 'R3', 'R4')).toBe('running pending pending running');
  node.end('R1');
  expect(node.states('R2', 'R3')).toBe('running pending');
});

test('--preempt: the lowest and the youngest is suspended, and goes on by itself', () => {
  const node = new Node().begin(3);
  node.start('R1', { priority: 2 });
  node.start('R2', { priority: 1 });
  node.settle();
  node.tick(10);
  node.start('R3', { priority: 1 });
  node.settle();
  node.start('R4', { priority: 9, preempt: 'suspend' });
  node.settle();
  expect(node.states('R1', 'R2', 'R3', 'R4')).toBe('running running suspended running');
  expect(node.row('R3')).toMatchObject({
    ...{ preemptedBy: 'R4', suspendedBy: undefined },
    reason: 'made room for task "tR4" (priority 9); goes on when there is room',
  });
  const events = node.journaled.filter(({ eventKind }) => eventKind === 'process-preempted');
  expect(events).toMatchObject([{ run: 'R3', text: 'suspended for task "tR4" (priority 9)' }]);
  // Equal is not lower.
  node.start('R5', { priority: 1, preempt: 'suspend' });
  node.settle();
  expect(node.states('R5', 'R2')).toBe('pending running');
  node.end('R4');
  expect(node.states('R3', 'R5')).toBe('running pending');
  expect(node.row('R3')).toMatchObject({ preemptedBy: undefined, reason: undefined });
});

test('just enough makes room, and nobody where it would not be enough', () => {
  const node = new Node().begin(4);
  node.start('R1', { slots: 1, priority: 1 });
  node.start('R2', { slots: 3, priority: 2 });
  node.settle();
  node.start('R3', { slots: 3, priority: 9, preempt: 'suspend' });
  node.settle();
  expect(node.states('R1', 'R2', 'R3')).toBe('running suspended running');
  node.start('R4', { slots: 4, priority: 8, preempt: 'suspend' });
  node.settle();
  expect(node.states('R1', 'R3', 'R4')).toBe('running running pending');
  // Memory is not given back by who is suspended.
  const full = new Node().begin(4);
  full.start('R1', { memoryMaxBytes: 900 });
  full.start('R2', { memoryMaxBytes: 900, priority: 9, preempt: 'suspend' });
  full.settle();
  expect(full.states('R1', 'R2')).toBe('running pending');
});

test('--preempt=kill: it is stopped, and begins again when there is room', () => {
  const node = new Node().begin(1);
  node.start('R1', { memoryMaxBytes: 900 });
  node.settle();
  node.start('R2', { memoryMaxBytes: 900, priority: 9, preempt: 'kill' });
  node.settle();
  expect(node.treeActs).toEqual(['terminate R1']);
  expect(node.states('R1', 'R2')).toBe('pending running');
  expect(node.row('R1')).toMatchObject({
    ...{ preemptedBy: 'R2', restarts: 1 },
    reason: 'stopped for task "tR2" (priority 9); starts again when there is room',
  });
  node.again();
  node.settle();
  expect(node.states('R1', 'R2')).toBe('pending running');
  node.end('R2');
  expect(node.states('R1')).toBe('running');
  expect(node.told('R1')).toBe('running: restarted: made room for task "tR2" (priority 9)');
  node.end('R1');
  expect(node.row('R1')).toMatchObject({ processState: 'exited', exitCode: 0 });
});

test('hands and want of room are two reasons: what somebody suspends waits for somebody', () => {
  const node = new Node().begin(1);
  node.start('R1');
  node.settle();
  node.start('R2', { priority: 9, preempt: 'suspend' });
  node.settle();
  const refused = node.give('resume', 'R1', { who: 'ann' });
  node.settle();
  expect(node.answer(refused)).toMatchObject({
    ...{ ok: false, errorCode: errorCodes.preempted.number },
    text: expect.stringContaining('goes on by itself') as string,
  });
  expect(node.answer(node.give('start', 'R9', { task: 'tR1', spec: { command: ['x'] } }))).toBe(
    undefined,
  );
  node.settle();
  const held = node.give('suspend', 'R1', { who: 'ann' });
  node.settle();
  expect(node.answer(held)).toMatchObject({ ok: true });
  expect(node.row('R1')).toMatchObject({ suspendedBy: 'ann', preemptedBy: 'R2' });
  node.end('R2');
  expect(node.states('R1')).toBe('suspended');
  node.again();
  node.settle();
  expect(node.states('R1')).toBe('suspended');
  // Its slot was given back: another has it, so a resume waits for it.
  node.start('R3');
  node.settle();
  const resumed = node.give('resume', 'R1', { who: 'ann' });
  node.settle();
  expect([node.states('R1'), node.answer(resumed)]).toEqual(['suspended', undefined]);
  node.end('R3');
  expect([node.states('R1'), node.answer(resumed)?.ok]).toEqual(['running', true]);
});

test('what somebody suspended keeps its room, and is not preempted', () => {
  const node = new Node().begin(1);
  node.start('R1');
  node.settle();
  node.give('suspend', 'R1', { who: 'ann' });
  node.settle();
  node.start('R2', { priority: 9, preempt: 'suspend' });
  node.settle();
  expect(node.states('R1', 'R2')).toBe('suspended pending');
  node.give('resume', 'R1');
  node.settle();
  expect(node.states('R1', 'R2')).toBe('suspended running');
  expect(node.row('R1')).toMatchObject({ preemptedBy: 'R2' });
});

test('a task that waits lends its priority to what it waits for, along the chain', () => {
  const node = new Node().begin(1);
  const after = (task: string) => ({ afterTasks: [{ task, on: 'success', at: 1 }] });
  node.start('R1', { priority: 5 });
  node.settle();
  node.start('R2', { priority: 3 });
  node.start('R3');
  node.start('R4', {}, after('tR3'));
  node.settle();
  expect(node.told('R3')).toContain('before it: task "tR2"');
  node.start('R5', { priority: 4 }, after('tR4'));
  node.settle();
  expect(node.told('R2')).toContain('before it: task "tR3" (priority 4)');
  node.end('R1');
  expect(node.states('R2', 'R3')).toBe('pending running');
  // What has been lent some is not suspended for the one between.
  node.start('R6', { priority: 3, preempt: 'suspend' });
  node.settle();
  expect(node.states('R3')).toBe('running');
  node.start('R7', { priority: 6, preempt: 'suspend' });
  node.settle();
  expect(node.states('R3', 'R7')).toBe('suspended running');
});

test('a backoff keeps its place, unless somebody higher preempts it', () => {
  const node = new Node().begin(1);
  node.start('R1', { restart: 'on-failure' });
  node.settle();
  const end = { how: 'code', value: 1, cpuMs: 1, maxMemoryBytes: 1, atUs: node.nowUs } as const;
  node.run('R1', { kind: 'ended', end, left: false });
  node.start('R2');
  node.settle();
  expect(node.states('R1', 'R2')).toBe('pending pending');
  node.start('R3', { priority: 1, preempt: 'suspend' });
  node.settle();
  expect(node.states('R1', 'R3')).toBe('pending running');
  node.tick(5_000);
  node.settle();
  expect(node.states('R1')).toBe('pending');
  node.again();
  node.tick(5_000);
  node.settle();
  node.end('R3');
  node.tick(5_000);
  node.settle();
  expect(node.states('R1', 'R2')).toBe('running pending');
});

test.each([
  ['suspend', 'WCWCWCWCWCWC'],
  ['suspend', 'CCCWWWWWWCCC'],
  ['suspend', 'WWWWWWCCCWWW'],
  ['kill', 'WCWCWCWCWCWC'],
  ['kill', 'CCCWWWWWWCCC'],
  ['kill', 'WWWWWWCCCWWW'],
] as const)('the agent may die at any step of a preemption: %s, %s', (how, order) => {
  for (let steps = 0; steps <= order.length; steps += 1) {
    const node = new Node().begin(1);
    node.start('R1');
    node.settle();
    node.start('R2', { priority: 9, preempt: how });
    for (const step of order.slice(0, steps)) {
      if (step === 'C') node.commit();
      else node.work();
    }
    node.again();
    node.settle();
    expect(node.states('R1', 'R2'), `${steps}`).toBe(
      how === 'kill' ? 'pending running' : 'suspended running',
    );
    node.end('R2');
    expect(node.states('R1'), `${steps}`).toBe('running');
  }
});

test('after a reboot what starts again does so in the same order', () => {
  const node = new Node().begin(1);
  node.start('R1', { restart: 'on-failure' });
  node.settle();
  node.start('R2', { restart: 'on-failure', priority: 9, preempt: 'suspend' });
  node.settle();
  expect(node.states('R1', 'R2')).toBe('suspended running');
  for (const directory of node.directories.values()) {
    Object.assign(directory, { shim: 'dead', main: 'none', frozen: false });
  }
  node.again();
  node.settle();
  node.tick(2_000);
  node.settle();
  expect(node.states('R1', 'R2')).toBe('pending running');
  expect(node.row('R1')).toMatchObject({ preemptedBy: 'R2', pid: undefined });
  node.tick(60_000);
  node.settle();
  expect(node.states('R1', 'R2')).toBe('pending running');
  node.end('R2');
  expect(node.states('R1', 'R2')).toBe('running exited');
});

// ---- models ----

const level = (priority: number, preempt: boolean): Level => {
  return { priority, suspendBelow: preempt ? priority : 0, killBelow: 0 };
};
const vector = fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)) as fc.Arbitrary<Vector>;

test('a judgement takes no more than there is, and suspends nobody for nothing', () => {
  const waiting = fc
    .record({ asks: vector, priority: fc.nat(3), preempt: fc.boolean(), cameUs: fc.nat(5) })
    .filter(({ asks }) => asks.some((much) => much > 0));
  const holding = fc.record({ holds: vector, priority: fc.nat(3), sinceUs: fc.nat(5) });
  fc.assert(
    fc.property(vector, fc.array(waiting), fc.array(holding), (free, asking, held) => {
      const queue: Waiting[] = asking
        .map(({ asks, cameUs, priority, preempt }, n) => ({
          ...{ run: `W${n}`, asks, cameUs, level: level(priority, preempt) },
        }))
        .sort((a, b) => b.level.priority - a.level.priority || a.cameUs - b.cameUs);
      const holdings: Holding[] = held.map(({ holds, ...rest }, n) => ({
        ...{ ...rest, run: `H${n}`, suspended: holds },
      }));
      const { go, preempt } = judgeRoom({
        ...{ free, coming: [0, 0, 0], queue, holdings: () => holdings },
      });
      for (const kind of [0, 1, 2]) {
        const taken = go.reduce((sum, { asks }) => sum + (asks[kind] ?? 0), 0);
        expect(taken).toBeLessThanOrEqual(free[kind] ?? 0);
      }
      const first = queue.find((one) => !go.includes(one));
      for (const one of preempt) {
        const victim = holdings.find(({ run }) => run === one.run);
        expect(victim?.priority).toBeLessThan(one.for.level.priority);
        expect(one.for.level.suspendBelow).toBeGreaterThan(0);
      }
      if (!first) return;
      // Who passed it took nothing that it waits for.
      const behind = go.filter((one) => queue.indexOf(one) > queue.indexOf(first));
      const ahead = go.filter((one) => queue.indexOf(one) < queue.indexOf(first));
      const before = free.map((much, kind) =>
        ahead.reduce((left, { asks }) => left - (asks[kind] ?? 0), much),
      );
      for (const [kind, much] of first.asks.entries()) {
        const taken = behind.reduce((sum, { asks }) => sum + (asks[kind] ?? 0), 0);
        if (taken > 0) expect((before[kind] ?? 0) - taken).toBeGreaterThanOrEqual(much);
      }
      const forFirst = preempt.filter((one) => one.for === first);
      const gains = (all: typeof forFirst) =>
        before.every((much, kind) => {
          const asks = first.asks[kind] ?? 0;
          const more = all.reduce(
            (sum, { run }) =>
              sum + (holdings.find((one) => one.run === run)?.suspended?.[kind] ?? 0),
            much,
          );
          return asks === 0 || asks <= more;
        });
      if (forFirst.length > 0) {
        expect(gains(forFirst)).toBe(true);
        for (const one of forFirst) {
          expect(gains(forFirst.filter((other) => other !== one))).toBe(false);
        }
      } else if (first.level.suspendBelow > 0) {
        const able = holdings.filter(({ priority }) => priority < first.level.suspendBelow);
        const all = able.map(({ run }) => ({ run, for: first, how: 'suspend' as const }));
        expect(gains(all)).toBe(false);
      }
    }),
    { numRuns: 2_000 },
  );
});

type Deed =
  | { readonly do: 'start'; readonly wants: Wants }
  | { readonly do: 'end' | 'suspend' | 'resume' | 'stop'; readonly nth: number }
  | { readonly do: 'work' | 'commit' | 'settle' | 'crash' };

const deeds: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('start' as const),
      wants: fc.record({
        priority: fc.nat(3),
        slots: fc.nat(2),
        preempt: fc.constantFrom('no', 'suspend', 'suspend', 'kill') as fc.Arbitrary<'suspend'>,
      }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('end', 'end', 'suspend', 'resume', 'stop'),
      nth: fc.nat(9),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('work', 'commit', 'settle', 'crash') }),
  },
);

const SLOTS = 2;

class Model {
  readonly node = new Node().begin(SLOTS);
  readonly wants = new Map<string, Wants>();
  readonly byHand = new Set<string>();
  #next = 0;

  act(deed: Deed): void {
    const { node } = this;
    switch (deed.do) {
      case 'start':
        this.#next += 1;
        this.wants.set(`R${this.#next}`, deed.wants);
        node.start(`R${this.#next}`, deed.wants);
        break;
      case 'end':
        this.#end(deed.nth);
        break;
      case 'suspend':
      case 'resume':
      case 'stop': {
        node.settle();
        const live = this.live();
        const run = live[deed.nth % Math.max(1, live.length)];
        if (run === undefined) break;
        const order = node.give(deed.do, run, { who: 'ann' });
        node.settle();
        const isDone = node.answer(order)?.ok === true;
        if (deed.do === 'suspend' && isDone) this.byHand.add(run);
        if (deed.do === 'resume' && node.answer(order)?.ok !== false) this.byHand.delete(run);
        break;
      }
      case 'work':
        node.work();
        break;
      case 'commit':
        node.commit();
        break;
      case 'settle':
        node.settle();
        this.atRest();
        break;
      case 'crash':
        node.again();
        break;
    }
    this.always();
  }

  live(): string[] {
    return [...this.wants.keys()].filter((run) =>
      ['running', 'suspended'].includes(this.node.row(run)?.processState ?? ''),
    );
  }

  #end(nth: number): void {
    this.node.settle();
    const running = this.live().filter((run) => !this.node.directories.get(run)?.frozen);
    const run = running[nth % Math.max(1, running.length)];
    if (run !== undefined) this.node.end(run);
  }

  slots(run: string): number {
    return this.wants.get(run)?.slots ?? 0;
  }

  /** No slot is had twice, whatever is under way. */
  always(): void {
    let used = 0;
    for (const [run, { main, frozen }] of this.node.directories) {
      const state = this.node.row(run)?.processState;
      if (main === 'alive' && !frozen && state !== 'stopping') used += this.slots(run);
    }
    expect(used).toBeLessThanOrEqual(SLOTS);
  }

  atRest(): void {
    const { node } = this;
    for (const run of this.byHand) {
      expect(['suspended', 'exited', 'failed']).toContain(node.row(run)?.processState);
    }
    const rows = [...this.wants].flatMap(([run, wants]) => {
      const row = node.row(run);
      return row ? [{ run, wants, row }] : [];
    });
    const waiting = rows.filter(({ row }) => row.processState === 'pending');
    const up = rows.filter(({ run, row }) => {
      const isHeld = row.processState === 'suspended' && row.preemptedBy === undefined;
      return row.processState === 'running' || (isHeld && this.byHand.has(run));
    });
    const used = up.reduce((sum, { run }) => sum + this.slots(run), 0);
    // The highest of those that wait has no room, and none could be made.
    const [first] = waiting.sort(
      (a, b) =>
        (b.wants.priority ?? 0) - (a.wants.priority ?? 0) ||
        Number(a.run.slice(1)) - Number(b.run.slice(1)),
    );
    const suspended = rows.filter(
      ({ run, row }) => row.processState === 'suspended' && !this.byHand.has(run),
    );
    for (const { row } of suspended) expect(row.preemptedBy).toBeDefined();
    const rival = suspended.some(
      ({ wants }) => (wants.priority ?? 0) >= (first?.wants.priority ?? 0),
    );
    if (!first || rival) return;
    const asks = this.slots(first.run);
    expect(used + asks).toBeGreaterThan(SLOTS);
    if ((first.wants.preempt as string) === 'no') return;
    const lower = up.filter(
      ({ row, wants }) =>
        row.processState === 'running' && (wants.priority ?? 0) < (first.wants.priority ?? 0),
    );
    const gained = lower.reduce((sum, { run }) => sum + this.slots(run), 0);
    expect(used - gained + asks).toBeGreaterThan(SLOTS);
  }

  /** When work ends and hands let go, all of it ends. */
  finish(): readonly string[] {
    const { node } = this;
    for (const run of this.byHand) node.give('resume', run, { who: 'ann' });
    this.byHand.clear();
    node.settle();
    for (let n = 0; n < 200; n += 1) {
      const [run] = this.live().filter((one) => !node.directories.get(one)?.frozen);
      if (run === undefined) break;
      node.end(run);
      this.always();
    }
    const over = new Set<string | undefined>(['exited', 'failed', undefined]);
    return [...this.wants.keys()].filter((run) => !over.has(node.row(run)?.processState));
  }
}

test('any work, any hands, any crashes: no slot twice, no need unmet, everything ends', () => {
  fc.assert(
    fc.property(fc.array(deeds, { minLength: 5, maxLength: 40, size: 'max' }), (list) => {
      const model = new Model();
      for (const deed of list) model.act(deed);
      expect(model.finish()).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
