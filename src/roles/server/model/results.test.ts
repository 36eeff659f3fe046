/** Result files by their retention: number of runs, age, bytes; in the order the runs ended. */
import { expect, test } from 'vitest';
import { limits } from '../../../base/limits.ts';
import type { Shape } from '../../../net/layout.ts';
import { neededDigests } from './bundles.ts';
import { Change } from './change.ts';
import type { Command } from './command.ts';
import { expireResults, keepResult, resultsOf } from './results.ts';
import { emptyState, type NodeRecord } from './state.ts';

const node = (name: string): NodeRecord => ({ uid: `N${name}`, name }) as NodeRecord;

class Machine {
  readonly state = emptyState();
  hasFreed = false;

  constructor(spec: Partial<Shape<'spec'>> = {}) {
    const record = { task: 't', spec: { command: ['x'], ...spec }, enabled: true, revision: 1 };
    this.state.tasks.set('t', { ...record, createdAt: 0, at: 0, who: '' });
  }

  keep(run: string, endedAt: number, sizeBytes = 10, name = 'n1', now = endedAt): void {
    const change = new Change(this.state, { at: now } as Command);
    const kept = { run, task: 't', at: endedAt, digest: `sha256:${run}`, sizeBytes, files: 1 };
    keepResult(change, node(name), kept);
    this.hasFreed ||= change.hasFreed;
  }

  get runs(): readonly string[] {
    return resultsOf(this.state, 't').map(({ kept }) => kept.run);
  }
}

test('so many runs of each node', () => {
  const machine = new Machine({ keepRuns: 2 });
  for (const [run, name] of [
    ['a', 'n1'],
    ['b', 'n1'],
    ['c', 'n2'],
    ['d', 'n1'],
  ] as const)
    machine.keep(run, run.charCodeAt(0), 10, name);
  expect([machine.runs, machine.hasFreed]).toEqual([['b', 'c', 'd'], true]);
  expect([...neededDigests(machine.state)].sort()).toEqual(['sha256:b', 'sha256:c', 'sha256:d']);
});

test('what comes late takes its own place', () => {
  const machine = new Machine({ keepRuns: 1 });
  machine.keep('new', 100);
  machine.keep('old', 50, 10, 'n1', 200);
  expect(machine.runs).toEqual(['new']);
});

test('so many bytes of the task, but the newest whatever it has', () => {
  const machine = new Machine({ keepBytes: 25 });
  for (const run of ['a', 'b', 'c']) machine.keep(run, run.charCodeAt(0));
  expect(machine.runs).toEqual(['b', 'c']);
  machine.keep('d', 200, 100);
  expect(machine.runs).toEqual(['d']);
});

test('for so long, also where nothing comes any more', () => {
  const machine = new Machine({ keepForMs: 1 });
  machine.keep('a', 5);
  expect(machine.runs).toEqual(['a']);
  const change = new Change(machine.state, { at: 5 + 1_000 } as Command);
  expireResults(change);
  expect([machine.runs, change.hasFreed]).toEqual([[], true]);
});

test('a node speaks of its own runs alone, and may correct itself', () => {
  const machine = new Machine();
  machine.keep('a', 5);
  machine.keep('a', 5, 99, 'n2');
  expect(resultsOf(machine.state, 't')[0]?.uid).toBe('Nn1');
  machine.keep('a', 5, 77);
  expect(resultsOf(machine.state, 't')).toMatchObject([{ sizeBytes: 77 }]);
});

test('whatever tasks a node names, so many of its results and no more', () => {
  const machine = new Machine();
  const { state } = machine;
  const kept = (task: string) => ({
    run: `R${task}`,
    task,
    at: 1,
    digest: 'sha256:x',
    sizeBytes: 1,
  });
  for (let no = 0; no < limits.resultsPerNode; no += 1) {
    const record = { kept: kept(`t${no}`), uid: 'Nn1', sizeBytes: 1, expiresAt: 1e9 };
    state.results.set(record.kept.run, record);
  }
  machine.keep('other', 2, 1, 'n2');
  expect(state.results.size).toBe(limits.resultsPerNode + 1);
  keepResult(new Change(state, { at: 2 } as Command), node('n1'), kept('more'));
  expect(state.results.size).toBe(limits.resultsPerNode + 1);
  expect([state.results.has('Rt0'), state.results.has('Rmore')]).toEqual([false, true]);
});
