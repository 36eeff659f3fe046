import { expect, test } from 'vitest';
import type { Shape } from '../../../net/layout.ts';
import { apply, type Outcome } from './apply.ts';
import { deltaSince } from './assignment.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { emptyState } from './state.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const state = { value: emptyState() };
let no = 0;
let seq = 0;

function act<K extends CommandKind>(kind: K, body: CommandBody<K>): Outcome {
  no += 1;
  const key = Buffer.from(String(no).padStart(16, '0'));
  const command = { kind, body, key, at: no * 1000, who: 'admin', origin: 'test' };
  return apply(state.value, command as unknown as Command, no);
}

function report(uid: string, more: Omit<Shape<'report'>, 'seq' | 'at' | 'entry'>): Outcome {
  seq += 1;
  return act('report', { uid, reports: [{ seq, at: 1, entry: 'test', ...more }] });
}

function fleet(): string {
  state.value = emptyState();
  [no, seq] = [0, 0];
  act('found', { fleet: 'f', spki: 's', identity: 'admin' });
  const spki = '0123456789';
  act('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
  const body = { spki: 'key', token: spki.slice(0, 8), instance: 'i', build: 'b', node: 'n1' };
  const { reply } = act('enrol', body);
  return (reply.ok ? reply.body['uid'] : '') as string;
}

function operation(outcome: Outcome): unknown {
  const { reply } = outcome;
  return state.value.operations.get((reply.ok ? reply.body['operation'] : '') as string);
}

const load = { bundle: 'b', digest, sizeBytes: 5 };

test('a load that is undone before it was done ends, and so does an unload', () => {
  fleet();
  const loading = act('fileDef', load);
  expect(operation(loading)).toMatchObject({ state: 'accepted' });
  const unloading = act('fileRm', { names: ['b'] });
  expect(operation(loading)).toMatchObject({ state: 'failed', answers: [{ code: 'cancelled' }] });
  expect(operation(unloading)).toMatchObject({ state: 'accepted' });
  const again = act('fileDef', load);
  expect(operation(unloading)).toMatchObject({ state: 'failed', answers: [{ code: 'cancelled' }] });
  expect(operation(again)).toMatchObject({ state: 'accepted' });
});

test('what failed is assigned again when it is loaded again', () => {
  const uid = fleet();
  act('fileDef', load);
  report(uid, { bundle: 'b', digest, bundleState: 'failed', reason: 'bad archive' });
  const before = state.value.assignments.get(uid)?.generation;
  act('fileDef', load);
  expect(state.value.assignments.get(uid)?.generation).toBe((before ?? 0) + 1);
});

test('a full list says also what went, for whoever waits for its going', () => {
  const uid = fleet();
  act('fileDef', load);
  act('fileRm', { names: ['b'] });
  const delta = deltaSince(state.value, uid, undefined);
  expect(delta).toMatchObject({ reset: true, items: [], removed: ['bundle:b'] });
});

test('the going of a bundle is not forgotten over many orders', () => {
  const uid = fleet();
  act('fileDef', load);
  act('fileRm', { names: ['b'] });
  const seen = state.value.assignments.get(uid)?.generation;
  act('taskAdd', { task: 't', spec: { command: ['x'] }, mode: 'create' });
  for (let n = 0; n < 100; n += 1) {
    const start = act('taskRun', { targets: ['t'] });
    act('retCancel', {
      operation: (start.reply.ok ? start.reply.body['operation'] : '') as string,
    });
  }
  expect(state.value.assignments.get(uid)?.removed.size).toBeLessThanOrEqual(66);
  const delta = deltaSince(state.value, uid, seen);
  expect(delta?.reset).toBe(true);
  expect(delta?.removed).toContain('bundle:b');
});

test('the node has the last word on a run whose start was withdrawn', () => {
  const uid = fleet();
  act('taskAdd', { task: 't', spec: { command: ['x'] }, mode: 'create' });
  const start = act('taskRun', { targets: ['t'] });
  const id = (start.reply.ok ? start.reply.body['operation'] : '') as string;
  const [run = ''] = state.value.runs.keys();
  const withdrawn = act('retCancel', { operation: id });
  expect(withdrawn.change.history).toMatchObject([
    { process: { run, processState: 'failed' } },
    {},
  ]);
  const row = { run, task: 't', processState: 'exited', pid: 7, exitCode: 3, operation: id };
  const told = report(uid, { process: row });
  expect(told.change.history).toMatchObject([{ process: { run, node: 'n1', exitCode: 3 } }]);
  act('taskRun', { targets: ['t'] });
  expect(state.value.runs.has(run)).toBe(false);
  const late = report(uid, { process: { ...row, exitCode: 4 } });
  expect(late.change.history).toMatchObject([{ process: { run, node: 'n1', exitCode: 4 } }]);
});
