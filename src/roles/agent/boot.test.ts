import { expect, test } from 'vitest';
import { FakeNode } from '../../../tests/agent/fake-node.ts';
import { newProcess } from '../../supervisor/process.ts';
import type { Item } from './events.ts';

const end = { how: 'code', value: 3, cpuMs: 7, maxMemoryBytes: 4096, atUs: 9_000_000 } as const;

function order(n: number, verb: string, run: string, more: Partial<Item> = {}): Item {
  const item = `O${n}/0`;
  const base = { item, order: item, generation: n, entry: 'order', verb, run, task: 'web', at: 1 };
  return { ...base, ...more };
}

const spec = { command: ['./x'], keepRuns: 1 };

function bundle(generation: number): Item {
  const code = { bundle: 'b', digest: 'sha256:1', sizeBytes: 5 };
  return { item: 'bundle:b', generation, entry: 'bundle', ...code };
}

function started(): FakeNode {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.settle();
  return node;
}

function told(node: FakeNode): string[] {
  return node.journaled.flatMap(({ bundleState }) => (bundleState ? [bundleState] : []));
}

test('what was to be killed before it was claimed is cancelled, not lost', () => {
  const node = started();
  const items = [order(1, 'start', 'R1', { spec }), order(2, 'kill', 'R1')];
  node.assign({ generation: 2, base: 0, items });
  node.commit();
  node.crash();
  node.boot([]);
  node.connect();
  node.settle();
  expect(node.row('R1')).toMatchObject({ processState: 'failed', reason: 'cancelled' });
});

test.each([
  ['a later one of the same wait', { at: 9, previous: 'R1' }, ['failed', 'cancelled']],
  ['an earlier one', { at: 3, previous: 'R1' }, ['running', undefined]],
  ['one that waited for nobody', { at: 9 }, ['running', undefined]],
])('a start that waited, and %s is there after a crash', (_, more, expected) => {
  const node = new FakeNode();
  const [one, two] = [order(1, 'start', 'R1'), order(2, 'start', 'R2', { at: 5, previous: 'R1' })];
  const process = newProcess('R2', 5, {});
  node.tables.runs.set('R2', { process, order: two });
  node.boot([
    { run: 'R1', order: one, found: { kind: 'recorded', end } },
    { run: 'R3', order: order(3, 'start', 'R3', more), found: { kind: 'alive', frozen: false } },
  ]);
  node.connect();
  node.settle();
  const { processState, reason } = node.row('R2') ?? {};
  expect([processState, reason]).toEqual(expected);
});

test('a start that waited, was launched before a crash and is followed by a later one', () => {
  const node = new FakeNode();
  const two = order(2, 'start', 'R2', { at: 5, previous: 'R1' });
  node.tables.runs.set('R2', { process: newProcess('R2', 5, {}), order: two });
  const three = order(3, 'start', 'R3', { at: 9, previous: 'R1' });
  node.boot([
    { run: 'R2', order: two, found: { kind: 'recorded', end } },
    { run: 'R3', order: three, found: { kind: 'alive', frozen: false } },
  ]);
  node.connect();
  node.settle();
  expect(node.row('R2')).toMatchObject({ processState: 'exited', exitCode: 3 });
});

test('a run directory is removed only when its end is stored', () => {
  const node = started();
  node.assign({ generation: 1, base: 0, items: [order(1, 'start', 'R1', { spec })] });
  node.settle();
  node.run('R1', { kind: 'ended', end, left: false });
  node.settle();
  node.tick(10);
  node.assign({ generation: 2, base: 1, items: [order(2, 'start', 'R2', { spec })] });
  node.settle();
  node.diskFull = true;
  node.run('R2', { kind: 'ended', end, left: false });
  node.commit();
  expect(node.removals).toEqual([]);
  node.diskFull = false;
  node.tick(1_000);
  node.settle();
  expect(node.removals).toEqual(['R1']);
});

test('content that came just before a crash is told of after it, once', () => {
  const node = started();
  node.contentComes = false;
  node.assign({ generation: 1, base: 0, items: [bundle(1)] });
  node.settle();
  expect(told(node)).toEqual(['loading']);
  for (let life = 0; life < 2; life += 1) {
    node.crash();
    node.content.add('sha256:1');
    node.boot();
    node.connect();
    node.settle();
    expect(told(node)).toEqual(['loading', 'loaded']);
  }
});

test('a bundle that came and went while the node was away is said to be gone', () => {
  const node = started();
  node.assign({ generation: 2, base: 0, items: [], removed: ['bundle:b', 'O9/0'] });
  node.settle();
  expect(node.journaled).toMatchObject([{ bundle: 'b', bundleState: 'removed' }]);
  expect(node.journaled).toHaveLength(1);
});
