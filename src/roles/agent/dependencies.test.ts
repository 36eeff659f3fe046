/** Dependencies on one node: judged by the agent alone, over restarts of it, without the server. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeNode } from '../../../tests/agent/fake-node.ts';
import { errorCodes } from '../../base/errors.ts';
import { type Condition, conditions } from '../../supervisor/condition.ts';
import type { Item } from './events.ts';

type After = readonly (readonly [task: string, on: Condition])[];

const startOf = (n: number, task: string, list: After, more: Partial<Item> = {}): Item => ({
  ...{ item: `O${n}/0`, order: `O${n}/0`, generation: n, entry: 'order', verb: 'start' },
  ...{ run: `R${n}`, task, at: 1, spec: { command: ['./x'] } },
  afterTasks: list.map(([other, on]) => ({ task: other, on, at: more.at ?? 1 })),
  ...more,
});

const codeOf = (value: number) =>
  ({ how: 'code', value, cpuMs: 1, maxMemoryBytes: 1, atUs: 9_000_000 }) as const;

class Node extends FakeNode {
  #generation = 0;

  begin(): this {
    this.boot();
    this.connect();
    return this;
  }

  give(...items: readonly Item[]): void {
    const base = this.#generation;
    this.#generation = items.at(-1)?.generation ?? base;
    this.assign({ generation: this.#generation, base, items });
  }

  end(run: string, code: number): void {
    this.run(run, { kind: 'ended', end: codeOf(code), left: false });
    this.settle();
  }

  told(run: string): string {
    const { processState = 'none', reason } = this.row(run) ?? {};
    return reason === undefined ? processState : `${processState}: ${reason}`;
  }
}

test('a chain goes on link by link, with nobody connected, in another life of the agent', () => {
  const node = new Node().begin();
  const chain = [startOf(1, 'c', [['b', 'success']]), startOf(2, 'b', [['a', 'success']])];
  node.give(...chain, startOf(3, 'a', []));
  node.settle();
  expect([node.told('R1'), node.told('R2'), node.told('R3')]).toEqual([
    'pending: waits for b (success)',
    'pending: waits for a (success)',
    'running',
  ]);
  node.disconnect();
  node.crash();
  node.boot();
  node.settle();
  expect(node.launches).toEqual(['R3']);
  node.end('R3', 0);
  expect(node.launches).toEqual(['R3', 'R2']);
  node.crash();
  node.boot();
  node.settle();
  node.end('R2', 0);
  expect(node.launches).toEqual(['R3', 'R2', 'R1']);
});

test('what it waits for is removed: it fails; one that has begun meanwhile is left alone', () => {
  const node = new Node().begin();
  const gone = {
    item: 'O9/0',
    order: 'O9/0',
    verb: 'stop',
    errorCode: errorCodes['wrong-state'].number,
  };
  const text = 'task "a" was removed';
  const stop = (n: number, generation: number): Item => ({
    ...{
      ...gone,
      item: `O9/${n}`,
      order: `O9/${n}`,
      entry: 'order',
      generation,
      run: `R${n}`,
      text,
    },
  });
  node.give(startOf(1, 'b', [['a', 'success']]), startOf(2, 'c', []));
  node.settle();
  node.give(stop(1, 3), stop(2, 4));
  node.settle();
  expect(node.told('R1')).toBe(`failed: ${text}`);
  expect(node.told('R2')).toBe('running');
  const answerOf = (order: string) =>
    node.journaled.find((report) => report.order === order && report.answer)?.answer;
  expect(answerOf('O9/1')).toMatchObject({ ok: true });
  expect(answerOf('O9/2')).toMatchObject({ ok: true, unchanged: true });
});

test('a failure goes along the chain; exit does not mind it', () => {
  const node = new Node().begin();
  node.give(
    startOf(1, 'a', []),
    startOf(2, 'b', [['a', 'success']]),
    startOf(3, 'c', [['b', 'running']]),
    startOf(4, 'd', [['c', 'exit']]),
  );
  node.settle();
  node.end('R1', 3);
  expect(node.told('R2')).toBe('failed: task "a" exited with code 3');
  expect(node.told('R3')).toBe('failed: task "b" failed: task "a" exited with code 3');
  expect(node.told('R4')).toBe('running');
  const answers = node.journaled.flatMap(({ answer, order }) =>
    answer ? [`${order} ${answer.ok}`] : [],
  );
  expect(answers.sort()).toEqual(['O1/0 true', 'O2/0 false', 'O3/0 false', 'O4/0 true']);
});

test('what the server let fail before the node heard of it fails what waits for it here', () => {
  const node = new Node().begin();
  node.give(startOf(1, 'b', [['a', 'ready']]), startOf(2, 'c', [['a', 'exit']]));
  node.settle();
  const text = 'task "x" on n2 exited with code 3';
  node.give(startOf(3, 'a', [], { text, errorCode: errorCodes['wrong-state'].number }));
  node.settle();
  expect(node.told('R3')).toBe(`failed: ${text}`);
  expect(node.told('R1')).toContain(`failed: task "a" failed: ${text}`);
  expect(node.launches).toEqual(['R2']);
});

test('a restart by policy is no end', () => {
  const node = new Node().begin();
  const spec = { command: ['./x'], restart: 'on-failure', backoffMinMs: 1_000 };
  node.give(startOf(1, 'a', [], { spec }), startOf(2, 'b', [['a', 'success']]));
  node.settle();
  node.end('R1', 1);
  expect(node.told('R2')).toBe('pending: waits for a (success)');
  node.directories.delete('R1');
  node.programs.length = 0;
  node.tick(2_000);
  node.settle();
  expect(node.told('R1')).toBe('running');
  node.end('R1', 0);
  expect(node.told('R2')).toBe('running');
});

test('what ended before the start was asked for does not count, what lived then does', () => {
  const node = new Node().begin();
  node.give(startOf(1, 'a', []));
  node.settle();
  node.run('R1', { kind: 'ended', end: { ...codeOf(0), atUs: 5 }, left: false });
  node.settle();
  const later = { at: 20_000_000_000 };
  node.give(startOf(2, 'b', [['a', 'success']], later));
  node.settle();
  expect(node.told('R2')).toBe('pending: waits for a (success)');
  // The server had seen it running when it gave this order.
  const afterTasks = [{ task: 'a', on: 'success', at: later.at, run: 'R1' }];
  node.give(startOf(3, 'c', [], { ...later, afterTasks }));
  node.settle();
  expect(node.told('R3')).toBe('running');
  node.give(startOf(4, 'a', [], later));
  node.settle();
  node.end('R4', 0);
  expect(node.told('R2')).toBe('running');
});

test('a restart of a schedule waits only for what lives then', () => {
  const node = new Node().begin();
  const spec = { command: ['./x'], afterTasks: [{ task: 'a', on: 'success' }] };
  node.give(startOf(1, 'b', []));
  node.settle();
  const again = { verb: 'restart', spec, afterTasks: undefined, at: 20_000_000_000 };
  node.give(startOf(2, 'b', [], { ...again, previous: 'R1' }));
  node.settle();
  expect([node.told('R1'), node.told('R2')]).toEqual([expect.stringMatching(/^exited/), 'running']);
  node.give(startOf(3, 'a', []), startOf(4, 'b', [], { ...again, previous: 'R2' }));
  node.settle();
  expect(node.told('R4')).toBe('pending: waits for a (success)');
  node.end('R3', 0);
  expect(node.told('R4')).toBe('running');
});

test('ready waits for READY=1, and an end before that is a failure', () => {
  const node = new Node().begin();
  const spec = { command: ['./x'], startTimeoutMs: 60_000 };
  node.give(startOf(1, 'a', [], { spec }), startOf(2, 'b', [['a', 'ready']]));
  node.settle();
  expect(node.told('R2')).toBe('pending: waits for a (ready)');
  node.run('R1', { kind: 'sign', name: 'READY', value: '1', atUs: 1, ageMs: 0 });
  node.settle();
  expect(node.told('R2')).toBe('running');
  node.give(startOf(3, 'c', [], { spec }), startOf(4, 'd', [['c', 'ready']]));
  node.settle();
  node.end('R3', 0);
  expect(node.told('R4')).toContain('failed: task "c" exited with code 0');
});

test.each(['stop', 'kill'])('%s cancels what waits', (verb) => {
  const node = new Node().begin();
  node.give(startOf(1, 'b', [['a', 'success']]));
  node.settle();
  node.give({
    ...{ item: 'O2/0', order: 'O2/0', generation: 2, entry: 'order', at: 2 },
    ...{ verb, run: 'R1', task: 'b' },
  });
  node.settle();
  expect(node.told('R1')).toBe('failed: cancelled');
  node.give(startOf(3, 'a', []));
  node.settle();
  node.end('R3', 0);
  expect(node.launches).toEqual(['R3']);
});

test('two thousand that wait for one another fail one after the other, not one inside the other', () => {
  const node = new Node().begin();
  const many = 2_000;
  const items = Array.from({ length: many }, (_, at) =>
    startOf(at + 1, `t${at}`, at === 0 ? [] : [[`t${at - 1}`, 'success']]),
  );
  node.give(...items);
  node.settle();
  node.run('R1', { kind: 'ended', end: codeOf(3), left: false });
  node.settle();
  const last = node.row(`R${many}`);
  expect(last?.processState).toBe('failed');
  expect(last?.reason).toContain('task "t0" exited with code 3');
  expect(last?.reason?.length).toBeLessThan(500);
});

test('any graph, crashes anywhere: none is launched before its conditions, none waits for ever', () => {
  const tasks = fc.array(
    fc.record({
      list: fc.uniqueArray(fc.tuple(fc.nat(5), fc.constantFrom(...conditions)), {
        maxLength: 3,
        selector: ([task]) => task,
      }),
      code: fc.constantFrom(0, 0, 1),
    }),
    { minLength: 2, maxLength: 6 },
  );
  const acts = fc.array(fc.tuple(fc.nat(100), fc.boolean()), { minLength: 20 });
  fc.assert(
    fc.property(tasks, acts, (given, choices) => {
      const node = new Node().begin();
      // The last is ordered first, so that it waits for what is not there yet.
      const order = given.map((_, at) => given.length - 1 - at);
      const items = order.map((task, at) => {
        const list = given[task]?.list.filter(([to]) => to < task) ?? [];
        const names = list.map(([to, on]) => [`t${to}`, on] as const);
        return startOf(at + 1, `t${task}`, names);
      });
      const runOf = (task: number): string => `R${given.length - task}`;
      node.give(...items);
      node.settle();
      const ended = new Map<number, number>();
      const check = (): void => {
        for (const [task, { list }] of given.entries()) {
          if (!node.launches.includes(runOf(task))) continue;
          for (const [to, on] of list) {
            if (to >= task) continue;
            const key = [task, on, to];
            if (on === 'success') expect([...key, ended.get(to)]).toEqual([...key, 0]);
            const isFailed = node.row(runOf(to))?.processState === 'failed';
            if (on === 'exit') expect([...key, ended.has(to) || isFailed]).toEqual([...key, true]);
            if (on === 'running') expect(node.launches).toContain(runOf(to));
            if (on === 'ready') expect(node.launches).toContain(runOf(to));
          }
        }
      };
      for (let step = 0; ; step += 1) {
        check();
        const running = given.flatMap((_, task) =>
          node.row(runOf(task))?.processState === 'running' ? [task] : [],
        );
        if (running.length === 0) break;
        const [choice, crashes] = choices[step % choices.length] ?? [0, false];
        const task = running[choice % running.length] ?? 0;
        const code = given[task]?.code ?? 0;
        ended.set(task, code);
        node.run(runOf(task), { kind: 'ended', end: codeOf(code), left: false });
        if (crashes) {
          node.crash();
          node.boot();
          node.connect();
        }
        node.settle();
      }
      for (const { run = '' } of items)
        expect(['exited', 'failed']).toContain(node.row(run)?.processState);
    }),
    { numRuns: 150 },
  );
});
