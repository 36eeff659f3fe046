import { expect, test } from 'vitest';
import type { Shape } from '../../net/layout.ts';
import { dotText, graphOf, mermaidText, treeText } from './graph.ts';

type Edge = readonly [task: string, on: string];
const task = (name: string, ...after: readonly Edge[]): Shape<'task'> => ({
  ...{ task: name, enabled: true, revision: 1 },
  spec: { command: ['x'], afterTasks: after.map(([other, on]) => ({ task: other, on })) },
});

const tasks = [
  ...[task('db'), task('seed', ['db', 'ready']), task('idle'), task('old', ['gone', 'exit'])],
  ...[task('api', ['db', 'ready'], ['seed', 'success']), task('web', ['api', 'ready'])],
];
const processes: Shape<'process'>[] = [
  { run: 'R1', task: 'db', node: 'n1', processState: 'running' },
  { run: 'R2', task: 'seed', node: 'n1', processState: 'exited', exitCode: 3 },
  { run: 'R3', task: 'seed', node: 'n2', processState: 'exited', signal: 'SIGKILL' },
  { run: 'R4', task: 'api', node: 'n1', processState: 'failed' },
];

test('a tree tells each task once in full, below every one that it starts after', () => {
  expect(treeText(graphOf(tasks, processes))).toBe(
    `db: running on n1
├─ api (ready): failed on n1
│  └─ web (ready): not started
└─ seed (ready): exited (3) on n1; exited (SIGKILL) on n2
   └─ api (success): failed on n1 …
gone: not there
└─ old (exit): not started
`,
  );
});

test('with a name: what it needs and what needs it, nothing beside', () => {
  expect([...graphOf(tasks, processes, 'seed').keys()]).toEqual(['api', 'db', 'seed', 'web']);
  expect([...graphOf(tasks, processes, 'idle').keys()]).toEqual(['idle']);
  expect([...graphOf(tasks, processes, 'web').keys()]).toEqual(['api', 'db', 'seed', 'web']);
  expect([...graphOf(tasks, processes, 'db').keys()]).toEqual(['api', 'db', 'seed', 'web']);
});

test('drawn for Graphviz and as Mermaid', () => {
  const graph = graphOf([task('a'), task('b', ['a', 'exit'])], processes);
  expect(dotText(graph)).toBe(`digraph tasks {
  rankdir=LR;
  node [shape=box];
  "a" [label="a\\nnot started"];
  "b" [label="b\\nnot started"];
  "a" -> "b" [label="exit"];
}
`);
  expect(mermaidText(graph)).toBe(`flowchart LR
  t0["a<br/>not started"]
  t1["b<br/>not started"]
  t0 -->|"exit"| t1
`);
});
