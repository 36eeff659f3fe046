import { expect, test } from 'vitest';
import { apply, type Outcome } from './apply.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { emptyState } from './state.ts';

function fleet() {
  const state = emptyState();
  let no = 0;
  function act<K extends CommandKind>(kind: K, body: CommandBody<K>): Outcome {
    no += 1;
    const key = Buffer.from(String(no).padStart(16, '0'));
    const command = { kind, body, key, at: no * 1000, who: 'admin', origin: 'test' };
    return apply(state, command as unknown as Command, no);
  }
  function join(name: string, labels: Record<string, string> = {}): void {
    const spki = Buffer.from(`token-${name}`).toString('hex');
    act('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
    const body = { spki: `key-${name}`, token: spki.slice(0, 8), instance: 'i', build: 'b' };
    act('enrol', { ...body, node: name, labels });
  }
  const runs = (): string[] =>
    [...state.runs.values()].map(({ task, uid }) => `${task}@${state.nodes.get(uid)?.name}`);
  act('found', { fleet: 'f', spki: 's', identity: 'admin' });
  join('n1', { zone: 'a' });
  const command = ['x'];
  act('taskAdd', { task: 'web', spec: { command, restart: 'always' }, mode: 'create' });
  act('taskAdd', { task: 'once', spec: { command }, mode: 'create' });
  return { act, join, runs };
}

test('a node that joins starts what is wished up with restart always, no past one-off start', () => {
  const { act, join, runs } = fleet();
  act('taskRun', { targets: ['web', 'once'] });
  expect(runs()).toEqual(['web@n1', 'once@n1']);
  join('n2');
  expect(runs()).toEqual(['web@n1', 'once@n1', 'web@n2']);
});

test('a start narrowed by --on is meant for nodes that match it; a stop ends the wish', () => {
  const { act, join, runs } = fleet();
  act('taskRun', { targets: ['web'], on: 'zone=a' });
  join('n2', { zone: 'b' });
  join('n3', { zone: 'a' });
  expect(runs()).toEqual(['web@n1', 'web@n3']);
  act('hostState', { node: 'n2', labels: { zone: 'a' } });
  expect(runs()).toEqual(['web@n1', 'web@n3', 'web@n2']);
  act('taskKill', { targets: ['web'], mode: 'stop' });
  join('n4', { zone: 'a' });
  expect(runs()).toHaveLength(3);
});

test('a start on one node, a disabled task and a missing bundle bring nothing to other nodes', () => {
  const { act, join, runs } = fleet();
  act('taskRun', { targets: ['web@n1'] });
  join('n2');
  expect(runs()).toEqual(['web@n1']);
  act('taskRun', { targets: ['web'] });
  expect(runs()).toEqual(['web@n1', 'web@n2']);
  act('taskNok', { names: ['web'] });
  join('n3');
  expect(runs()).toHaveLength(2);
});

test('a changed definition keeps the wish', () => {
  const { act, join, runs } = fleet();
  act('taskRun', { targets: ['web'] });
  act('taskAdd', { task: 'web', spec: { command: ['y'], restart: 'always' }, mode: 'set' });
  join('n2');
  expect(runs()).toContain('web@n2');
});
