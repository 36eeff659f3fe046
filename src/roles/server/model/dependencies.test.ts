/** Dependencies in the model: what waits where, what ends it, and which definitions are refused. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeSequence } from '../../../net/codec.ts';
import type { Shape } from '../../../net/layout.ts';
import { type Condition, conditions } from '../../../supervisor/condition.ts';
import { apply } from './apply.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { encodeEntries, freeze, loadEntries } from './snapshot.ts';
import { emptyState, type Reply } from './state.ts';

type Spec = Partial<Shape<'spec'>>;
type After = readonly (readonly [task: string, on?: Condition])[];

const after = (list: After): Spec => ({
  afterTasks: list.map(([task, on = 'success']) => ({ task, on })),
});

/** A server with nodes that do what they are told to do, when they are told. */
class World {
  state = emptyState();
  readonly uids = new Map<string, string>();
  #no = 0;

  constructor(...nodes: readonly string[]) {
    this.do('found', { fleet: 'f', spki: 's', identity: 'admin' });
    for (const node of nodes) {
      const spki = Buffer.from(`token-${node}`).toString('hex');
      this.do('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
      const body = { spki: `key-${node}`, token: spki.slice(0, 8), instance: 'i', build: 'b' };
      this.uids.set(node, this.ok('enrol', { ...body, node })['uid'] as string);
    }
  }

  do<K extends CommandKind>(kind: K, body: CommandBody<K>): Reply {
    this.#no += 1;
    const key = Buffer.from(String(this.#no).padStart(16, '0'));
    const rest = { key, at: this.#no * 1_000, who: 'admin', origin: 'test' };
    return apply(this.state, { kind, body, ...rest } as unknown as Command, this.#no).reply;
  }

  ok<K extends CommandKind>(kind: K, body: CommandBody<K>): Record<string, unknown> {
    const reply = this.do(kind, body);
    if (!reply.ok) throw new Error(`${kind}: ${reply.code}: ${reply.text}`);
    return reply.body;
  }

  /** `ok`, or `code: text`. */
  said<K extends CommandKind>(kind: K, body: CommandBody<K>): string {
    const reply = this.do(kind, body);
    return reply.ok ? 'ok' : `${reply.code}: ${reply.text}`;
  }

  task(task: string, on: string, list: After = [], more: Spec = {}, mode = 'create'): string {
    const spec = { command: ['x'], on, ...after(list), ...more };
    return this.said('taskAdd', { task, spec, mode });
  }

  start(...targets: readonly string[]): Record<string, unknown> {
    return this.ok('taskRun', { targets });
  }

  run(task: string, node: string) {
    const uid = this.uids.get(node) ?? '';
    return [...this.state.runs.values()].filter((r) => r.task === task && r.uid === uid).at(-1);
  }

  /** `state: reason`. */
  row(task: string, node: string): string {
    const { processState, reason } = this.run(task, node)?.row ?? { processState: 'none' };
    return reason === undefined ? processState : `${processState}: ${reason}`;
  }

  /** Orders that a node has been given and has not answered, by task. */
  ordersOf(node: string): Shape<'item'>[] {
    const items = this.state.assignments.get(this.uids.get(node) ?? '')?.items.values() ?? [];
    return [...items].filter((item) => item.entry === 'order');
  }

  isOrdered(task: string, node: string): boolean {
    return this.ordersOf(node).some((item) => item.task === task);
  }

  report(task: string, node: string, facts: Partial<Shape<'process'>>): void {
    const run = this.run(task, node)?.run ?? '';
    const uid = this.uids.get(node) ?? '';
    const seq = (this.state.nodes.get(uid)?.reportSeq ?? 0) + 1;
    const order = this.ordersOf(node).find((item) => item.run === run)?.order;
    const process = { run, processState: 'running', startedAt: this.state.at, ...facts };
    const answer = order === undefined ? {} : { order, answer: { ok: true, run } };
    this.ok('report', { uid, reports: [{ seq, at: 1, entry: 'process', process, ...answer }] });
  }

  end(task: string, node: string, exitCode = 0): void {
    this.report(task, node, { processState: 'exited', exitCode, exitedAt: this.state.at });
  }

  operation(id: unknown) {
    return this.state.operations.get(id as string);
  }

  snapshot(): void {
    const bytes = Buffer.concat([...encodeEntries(freeze(this.state))]);
    const state = loadEntries(bytes);
    if (!state) throw new Error('no state');
    this.state = state;
  }
}

test('on one node the order goes out at once and says what its node is to wait for', () => {
  const world = new World('n1');
  world.task('a', 'n1');
  expect(world.task('b', 'n1', [['a', 'exit']])).toBe('ok');
  world.start('a');
  world.report('a', 'n1', {});
  const lived = world.run('a', 'n1')?.run;
  world.start('b');
  const [order] = world.ordersOf('n1');
  expect(order).toMatchObject({ task: 'b', afterTasks: [{ task: 'a', on: 'exit', run: lived }] });
  expect(world.row('b', 'n1')).toBe('pending: waits for node n1');
});

test('what waits for another node is held back until that has succeeded', () => {
  const world = new World('n1', 'n2', 'n3');
  world.task('a', 'n1,n2');
  world.task('b', 'n3', [['a']]);
  const { operation } = world.start('b', 'a');
  expect(world.row('b', 'n3')).toBe('pending: waits for a (success) on n1, n2');
  world.report('a', 'n1', {});
  world.end('a', 'n1');
  expect(world.row('b', 'n3')).toBe('pending: waits for a (success) on n2');
  world.snapshot();
  expect(world.isOrdered('b', 'n3')).toBe(false);
  world.end('a', 'n2');
  expect(world.isOrdered('b', 'n3')).toBe(true);
  expect(world.row('b', 'n3')).toBe('pending: waits for node n3');
  expect(world.operation(operation)?.state).toBe('accepted');
  world.report('b', 'n3', {});
  expect(world.operation(operation)?.state).toBe('done');
  expect(new Set(world.operation(operation)?.runs).size).toBe(3);
  expect(world.operation(operation)?.runs).toHaveLength(3);
});

test('a predecessor that fails fails what waits for it, and so on, with the root cause', () => {
  const world = new World('n1', 'n2', 'n3');
  world.task('a', 'n1');
  world.task('b', 'n2', [['a']]);
  world.task('c', 'n3', [['b']]);
  world.task('d', 'n2', [['c', 'exit']]);
  world.task('e', 'n1', [['c', 'ready']]);
  const { operation } = world.start('a', 'b', 'c', 'd', 'e');
  world.end('a', 'n1', 3);
  const cause = 'task "a" on n1 exited with code 3';
  expect(world.row('b', 'n2')).toBe(`failed: ${cause}`);
  expect(world.row('c', 'n3')).toBe(`failed: task "b" on n2 failed: ${cause}`);
  expect(world.row('e', 'n1')).toContain(`failed: task "c" on n3 failed: task "b" on n2 failed`);
  expect(world.isOrdered('d', 'n2')).toBe(true);
  const answers = world.operation(operation)?.answers.filter(({ ok }) => !ok);
  expect(answers?.map(({ task, code }) => `${task} ${code}`)).toEqual(
    ['b', 'c', 'e'].map((task) => `${task} wrong-state`),
  );
});

test('an end before the start was asked for counts for nothing, a run that lives then does', () => {
  const world = new World('n1', 'n2');
  world.task('a', 'n1');
  world.task('b', 'n2', [['a']]);
  world.start('a');
  world.report('a', 'n1', {});
  world.start('b');
  world.end('a', 'n1');
  expect(world.isOrdered('b', 'n2')).toBe(true);
  world.report('b', 'n2', {});
  world.end('b', 'n2');
  world.start('b');
  expect(world.row('b', 'n2')).toBe('pending: waits for a (success) on n1');
  // A restart by policy is no end: the row is pending again.
  world.start('a');
  world.report('a', 'n1', { processState: 'pending', restarts: 1 });
  expect(world.isOrdered('b', 'n2')).toBe(false);
  world.end('a', 'n1');
  expect(world.isOrdered('b', 'n2')).toBe(true);
});

test('running and ready', () => {
  const world = new World('n1', 'n2');
  world.task('a', 'n1');
  world.task('r', 'n2', [['a', 'running']]);
  world.task('s', 'n2', [['a', 'ready']]);
  world.start('a', 'r', 's');
  world.report('a', 'n1', { ready: false });
  expect([world.isOrdered('r', 'n2'), world.isOrdered('s', 'n2')]).toEqual([true, false]);
  world.report('a', 'n1', { ready: true });
  expect(world.isOrdered('s', 'n2')).toBe(true);
});

test('--after-all waits for every instance, also where one is on the same node', () => {
  const world = new World('n1', 'n2');
  world.task('a', 'n1,n2');
  world.task('b', 'n1', [['a']], { afterAll: true });
  world.start('a', 'b');
  world.end('a', 'n1');
  expect(world.row('b', 'n1')).toBe('pending: waits for a (success) on n2');
  world.end('a', 'n2');
  expect(world.ordersOf('n1')).toMatchObject([{ task: 'b', afterTasks: [] }]);
});

test.each(['stop', 'kill'])('%s cancels a start that is held back', (mode) => {
  const world = new World('n1', 'n2');
  world.task('a', 'n1');
  world.task('b', 'n2', [['a']]);
  const { operation } = world.start('b');
  const stop = world.ok('taskKill', { targets: ['b'], mode });
  expect(world.row('b', 'n2')).toBe(`failed: cancelled by ${mode}`);
  expect(world.operation(operation)?.answers).toMatchObject([{ ok: false, code: 'cancelled' }]);
  expect(world.operation(stop['operation'])).toMatchObject({ state: 'done' });
  world.start('a');
  world.end('a', 'n1');
  expect(world.isOrdered('b', 'n2')).toBe(false);
});

test('what is held back goes with its operation, its task, its node, its predecessor', () => {
  for (const way of ['operation', 'task', 'node', 'predecessor']) {
    const world = new World('n1', 'n2');
    world.task('a', 'n1');
    world.task('b', 'n2', [['a']]);
    const { operation } = world.start('b');
    if (way === 'operation') world.ok('retCancel', { operation: operation as string });
    if (way === 'task') world.ok('taskRm', { names: ['b'], force: true });
    if (way === 'node') world.ok('hostRm', { names: ['n2'], force: true, present: ['n2'] });
    if (way === 'predecessor') world.ok('taskRm', { names: ['a'], force: true });
    expect([...world.state.runs.values()].filter((run) => !run.ended)).toEqual([]);
    expect([way, [...world.state.index.heldFor.keys()]]).toEqual([way, []]);
    expect(world.operation(operation)?.state).not.toBe('accepted');
  }
});

test('a restart stops at once and waits only for what lives or is restarted with it', () => {
  const world = new World('n1', 'n2');
  world.task('a', 'n1');
  world.task('b', 'n2', [['a']]);
  world.start('a', 'b');
  world.end('a', 'n1');
  world.report('b', 'n2', {});
  const first = world.run('b', 'n2')?.run ?? '';
  world.ok('taskRun', { targets: ['b'], mode: 'restart' });
  expect(world.ordersOf('n2')).toMatchObject([{ task: 'b', verb: 'restart' }]);
  world.report('b', 'n2', { run: first, processState: 'exited', exitCode: 0 });
  world.report('b', 'n2', {});
  const before = world.run('b', 'n2')?.run;
  world.ok('taskRun', { targets: ['b', 'a'], mode: 'restart' });
  expect(world.ordersOf('n2')).toMatchObject([{ verb: 'stop', run: before }]);
  world.end('a', 'n1');
  expect(world.ordersOf('n2').map(({ verb }) => verb)).toEqual(['stop', 'restart']);
});

test('a cycle is refused with its path, and so is what is not there', () => {
  const world = new World('n1');
  world.task('a', 'n1');
  world.task('b', 'n1', [['a']]);
  world.task('c', 'n1', [['b']]);
  expect(world.task('a', 'n1', [['c']], {}, 'set')).toBe(
    'cycle: task "a" would wait for itself: a -> b -> c -> a',
  );
  expect(world.task('a', 'n1', [['a']], {}, 'set')).toBe(
    'cycle: task "a" would wait for itself: a -> a',
  );
  expect(world.task('d', 'n1', [['x']])).toBe('no-such-task: there is no task "x"');
  const twice = { afterTasks: [1, 2].map(() => ({ task: 'a', on: 'exit' })) };
  expect(world.task('d', 'n1', [], twice)).toContain('usage: after a: it stands there twice');
  const odd = { afterTasks: [{ task: 'a', on: 'lunch' }] };
  expect(world.task('d', 'n1', [], odd)).toContain('"lunch" is none of success, exit');
});

test('a task that others start after stays, unless it is forced or goes with them', () => {
  const world = new World('n1');
  world.task('a', 'n1');
  world.task('b', 'n1', [['a']]);
  expect(world.said('taskRm', { names: ['a'] })).toBe('in-use: task "a" is a predecessor of "b"');
  world.start('b');
  expect(world.said('taskRm', { names: ['a'], force: true })).toBe('ok');
  expect(world.ordersOf('n1')).toMatchObject([
    { task: 'b', verb: 'start' },
    { task: 'b', verb: 'stop', text: 'task "a" was removed' },
  ]);
  world.report('b', 'n1', { processState: 'failed', reason: 'task "a" was removed' });
  expect(world.said('taskRun', { targets: ['b'] })).toContain(
    'no-such-task: task "b" starts after',
  );
  world.task('a', 'n1');
  expect(world.said('taskRm', { names: ['a', 'b'] })).toBe('ok');
});

test('manifests bring tasks in any order; a cycle among them changes nothing', () => {
  const world = new World('n1');
  const documents = (...list: readonly (readonly [string, After])[]) => ({
    documents: encodeSequence(
      'document',
      list.map(([task, afters]) => ({
        ...{ entry: 'task', task },
        spec: { command: ['x'], ...after(afters) },
      })),
    ),
  });
  expect(world.said('depApply', documents(['b', [['a']]], ['a', []]))).toBe('ok');
  expect(world.said('depApply', documents(['a', [['c']]], ['c', [['b']]]))).toContain(
    'would wait for itself: a -> b -> c -> a',
  );
  expect(world.state.tasks.has('c')).toBe(false);
  expect(world.said('depApply', documents(['d', [['x']]]))).toContain('there is no task "x"');
  const prune = { ...documents(['b', [['a']]]), prune: true, names: ['*'] };
  expect(world.said('depApply', prune)).toContain('in-use: task "a" is a predecessor of "b"');
});

test('a schedule waits for its own node only; what cannot be honoured is refused', () => {
  const world = new World('n1', 'n2');
  world.task('a', 'n1');
  world.task('b', 'n2', [['a']]);
  world.task('c', 'n1', [['a']]);
  const timing = { everyUs: 60_000_000 };
  expect(world.said('taskRun', { targets: ['b'], timing })).toContain(
    'unsupported: task "b" on n2',
  );
  expect(world.said('taskRun', { targets: ['c'], timing })).toBe('ok');
  expect(world.said('taskKill', { targets: ['b'], mode: 'stop', timing })).toBe('ok');
  expect(world.task('c', 'n1,n2', [['a']], {}, 'set')).toContain('unsupported: task "c" on n2');
});

// ---- any graph ----

const NODES = ['n1', 'n2', 'n3'];
interface Plan {
  readonly places: readonly string[];
  readonly list: readonly (readonly [number, Condition])[];
  readonly afterAll: boolean;
  readonly exitCode: number;
}
const plans = fc.array(
  fc.record({
    places: fc.subarray(NODES, { minLength: 1 }),
    list: fc.uniqueArray(fc.tuple(fc.nat(6), fc.constantFrom(...conditions)), {
      maxLength: 3,
      selector: ([task]) => task,
    }),
    afterAll: fc.boolean(),
    exitCode: fc.constantFrom(0, 0, 0, 1),
  }),
  { minLength: 2, maxLength: 7 },
);
const nameOf = (index: number): string => `t${index}`;

/** Whether it has come true, or never will, by what the test itself has seen happen. */
function verdictOf(on: Condition, state: string, code: number): boolean | undefined {
  if (state === 'none') return undefined;
  if (state === 'failed') return on === 'exit';
  const isOver = state === 'exited';
  if (on === 'exit') return isOver || undefined;
  if (on === 'success') return isOver ? code === 0 : undefined;
  return on === 'running' || !isOver;
}

/** The nodes with a run of `p` that a start of `s` on `node` waits for. */
const relevant = (p: Plan, s: Plan, node: string): readonly string[] =>
  p.places.includes(node) && !s.afterAll ? [node] : p.places;

test('any graph: nothing starts before its conditions, and all ends when all can', () => {
  fc.assert(
    fc.property(plans, fc.array(fc.nat(1_000), { minLength: 60 }), (given, choices) => {
      const world = new World(...NODES);
      // Only tasks that stand before it: no cycles here.
      const all = given.map((one, at) => ({ ...one, list: one.list.filter(([to]) => to < at) }));
      for (const [index, { places, list, afterAll }] of all.entries()) {
        const names = list.map(([to, on]) => [nameOf(to), on] as const);
        expect(world.task(nameOf(index), places.join(','), names, { afterAll })).toBe('ok');
      }
      world.start(...all.map((_, index) => nameOf(all.length - 1 - index)));
      const seen = new Map<string, string>();
      const verdicts = (index: number, node: string): (boolean | undefined)[] => {
        const plan = all[index] as Plan;
        return plan.list.flatMap(([to, on]) => {
          const before = all[to] as Plan;
          return relevant(before, plan, node).map((one) =>
            verdictOf(on, seen.get(`${to} ${one}`) ?? 'none', before.exitCode),
          );
        });
      };
      for (let step = 0; ; step += 1) {
        const todo: (() => void)[] = [];
        for (const [index, { places, exitCode }] of all.entries()) {
          for (const node of places) {
            const key = `${index} ${node}`;
            const state = seen.get(key) ?? 'none';
            const name = nameOf(index);
            if (state === 'running') {
              todo.push(() => {
                seen.set(key, 'exited');
                world.end(name, node, exitCode);
              });
            }
            if (state !== 'none') continue;
            const known = verdicts(index, node);
            if (world.row(name, node).startsWith('failed')) {
              expect([key, known.includes(false)]).toEqual([key, true]);
              seen.set(key, 'failed');
              // The node hears of what it was never to start, where something may wait for it.
              const told = world
                .ordersOf(node)
                .some((item) => item.task === name && item.errorCode !== undefined);
              const isWanted = all.some(({ list }) => list.some(([to]) => to === index));
              expect([key, told]).toEqual([key, isWanted]);
              continue;
            }
            const order = world.ordersOf(node).find((item) => item.task === name);
            if (!order) continue;
            // What the server had to wait for is true now; the rest is for the node to judge.
            const own = new Set(order.afterTasks?.map(({ task }) => task));
            const plan = all[index] as Plan;
            for (const [to, on] of plan.list) {
              if (own.has(nameOf(to))) continue;
              for (const one of relevant(all[to] as Plan, plan, node)) {
                const at = seen.get(`${to} ${one}`) ?? 'none';
                // It was ready once, and has ended since: the order was given in between.
                if (on === 'ready' && at === 'exited') continue;
                const is = verdictOf(on, at, (all[to] as Plan).exitCode);
                expect([key, to, one, is]).toEqual([key, to, one, true]);
              }
            }
            const mine = plan.list
              .filter(([to]) => own.has(nameOf(to)))
              .map(([to, on]) =>
                verdictOf(on, seen.get(`${to} ${node}`) ?? 'none', (all[to] as Plan).exitCode),
              );
            if (mine.includes(false)) {
              todo.push(() => {
                seen.set(key, 'failed');
                world.report(name, node, { processState: 'failed', startedAt: undefined });
              });
            } else if (!mine.includes(undefined)) {
              todo.push(() => {
                seen.set(key, 'running');
                world.report(name, node, { ready: true });
              });
            }
          }
        }
        if (todo.length === 0) break;
        todo[(choices[step % choices.length] ?? 0) % todo.length]?.();
        if (step % 7 === 3) world.snapshot();
      }
      const left = [...world.state.runs.values()].filter((run) => !run.ended);
      expect(left.map((run) => [run.task, run.row.reason])).toEqual([]);
      expect(world.state.index.heldFor.size).toBe(0);
    }),
    { numRuns: 150 },
  );
});

test('any graph: a definition is refused exactly where it closes a cycle, with a true path', () => {
  const edges = fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { maxLength: 20 });
  fc.assert(
    fc.property(edges, (list) => {
      const world = new World('n1');
      for (let i = 0; i <= 5; i += 1) world.task(nameOf(i), 'n1');
      const before = new Map<string, Set<string>>();
      const reaches = (from: string, to: string): boolean =>
        from === to || [...(before.get(from) ?? [])].some((next) => reaches(next, to));
      for (const [s, p] of list) {
        const [task, predecessor] = [nameOf(s), nameOf(p)];
        const own = new Set(before.get(task)).add(predecessor);
        const said = world.task(
          task,
          'n1',
          [...own].map((one) => [one] as const),
          {},
          'set',
        );
        expect(said.startsWith('cycle:')).toBe(reaches(predecessor, task));
        if (said === 'ok') before.set(task, own);
        else {
          const path = said.slice(said.lastIndexOf(': ') + 2).split(' -> ');
          expect([path[0], path.at(-1)]).toEqual([task, task]);
          const later = new Map(before).set(task, own);
          for (const [at, name] of path.slice(1).entries())
            expect(later.get(name)?.has(path[at] ?? '')).toBe(true);
        }
      }
    }),
    { numRuns: 200 },
  );
});
