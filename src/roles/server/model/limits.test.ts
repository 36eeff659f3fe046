import { expect, test } from 'vitest';
import type { Shape } from '../../../net/layout.ts';
import { apply, type Outcome } from './apply.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { encodeEntries, freeze, loadEntries } from './snapshot.ts';
import { emptyState } from './state.ts';

const state = { value: emptyState() };
let no = 0;

function act<K extends CommandKind>(kind: K, body: CommandBody<K>): Outcome {
  no += 1;
  const key = Buffer.from(String(no).padStart(16, '0'));
  const command = { kind, body, key, at: no * 1000, who: 'admin', origin: 'test' };
  return apply(state.value, command as unknown as Command, no);
}

/** A fleet of one node, which says what it holds; without that it has never been here. */
function fleet(holds?: Readonly<Record<string, string>>): void {
  state.value = emptyState();
  no = 0;
  act('found', { fleet: 'f', spki: 's', identity: 'admin' });
  const spki = '0123456789';
  act('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
  const node = { spki: 'key', token: spki.slice(0, 8), instance: 'i', build: 'b', node: 'n1' };
  const { reply } = act('enrol', node);
  const uid = (reply.ok ? reply.body['uid'] : '') as string;
  if (holds) act('attach', { uid, instance: 'i', build: 'b', addresses: [], holds });
}

const bare = { memory: 'rlimit', pids: 'rlimit', nofile: 'rlimit', uid: '0' };

const create = (spec: Partial<Shape<'spec'>>, mode = 'create') =>
  act('taskAdd', { task: 'web', spec: { command: ['x'], ...spec }, mode }).reply;

test('a limit that a selected node cannot hold is refused with node, limit and why', () => {
  fleet(bare);
  expect(create({ cpuMax: 1 })).toMatchObject({
    ...{ ok: false, code: 'unsupported' },
    text: 'task "web" cannot run on node n1: this node cannot limit CPU: it has no cgroup controller for it',
    hint: 'leave the limit out, or choose other nodes with --on',
  });
  expect(create({ pidsMax: 9 })).toMatchObject({ ok: false, code: 'unsupported' });
  expect(create({ pidsMax: 9, user: 'root:root' })).toMatchObject({ ok: false });
  expect(create({ pidsMax: 9, user: 'www' })).toMatchObject({ ok: true });
  expect(create({ cpuMax: 1 }, 'set')).toMatchObject({ ok: false, code: 'unsupported' });
  expect(create({ memoryMaxBytes: 1 << 20, nofileMax: 64 }, 'set')).toMatchObject({ ok: true });
});

test('a node that is not selected, or has not said what it holds, refuses nothing', () => {
  fleet(bare);
  expect(create({ cpuMax: 1, on: 'zone=a' })).toMatchObject({ ok: true });
  fleet();
  expect(create({ cpuMax: 1 })).toMatchObject({ ok: true });
});

test('it is refused again at the start, where the node has changed', () => {
  fleet({ ...bare, cpu: 'cgroup2' });
  expect(create({ cpuMax: 1 })).toMatchObject({ ok: true });
  const [node] = state.value.nodes.values();
  act('attach', { uid: node?.uid ?? '', instance: 'i', build: 'b', addresses: [], holds: bare });
  expect(act('taskRun', { targets: ['web'] }).reply).toMatchObject({
    ...{ ok: false, code: 'unsupported' },
    text: 'task "web" cannot run on node n1: this node cannot limit CPU: it has no cgroup controller for it',
  });
});

test('values that no node could mean are usage errors', () => {
  fleet(bare);
  for (const [spec, text] of [
    [{ memoryMaxBytes: 4096 }, 'memory: 4.0KiB is not between 1.0MiB and 1024TiB'],
    [{ memoryMaxBytes: 2 ** 52 }, /^memory: /],
    [{ memoryWarnBytes: 9 }, /^memory-warn: /],
    [{ cpuMax: 0 }, 'cpu: 0 is not between 0.01 and 4096'],
    [{ cpuMax: 1e9 }, /^cpu: /],
    [{ pidsMax: 0 }, /^pids: /],
    [{ nofileMax: 3 }, /^nofile: /],
    [{ nofileMax: 2e9 }, /^nofile: /],
    [{ logMaxBytes: 1 }, /^log-max: /],
    [{ slots: 1e9 }, /^slots: /],
    [{ priority: 65_536 }, /^priority: /],
    [{ preempt: 'often' }, /^preempt: /],
  ] as const) {
    const reply = create(spec);
    expect(reply).toMatchObject({ ok: false, code: 'usage' });
    expect(reply.ok ? '' : reply.text).toMatch(text);
  }
});

test('what a node holds is in the snapshot', () => {
  fleet(bare);
  const bytes = Buffer.concat([...encodeEntries(freeze(state.value))]);
  const [node] = loadEntries(bytes)?.nodes.values() ?? [];
  expect(node?.holds).toEqual(bare);
});

test('a warning of a node is an event; what else it may say of its runs is not its to name', () => {
  fleet(bare);
  const [node] = state.value.nodes.values();
  const report = {
    seq: 1,
    at: 1,
    entry: 'event',
    run: 'R11111111111',
    task: 'web',
    text: 'uses much',
  };
  const told = (eventKind: string, seq: number) =>
    act('report', { uid: node?.uid ?? '', reports: [{ ...report, eventKind, seq }] }).change.events;
  expect(told('process-warned', 1)).toMatchObject([
    { kind: 'process-warned', text: 'task "web" on n1: uses much', node: 'n1', task: 'web' },
  ]);
  expect(told('node-removed', 2)).toEqual([]);
});

test('what never fits into a node is refused, at its making and at the start', () => {
  fleet(bare);
  const [node] = state.value.nodes.values();
  const attach = (room: Shape<'room'>) => {
    const seen = { instance: 'i', build: 'b', addresses: [], holds: { ...bare, cpu: 'cgroup2' } };
    act('attach', { uid: node?.uid ?? '', ...seen, room });
  };
  const room = { slots: 4, cores: 2, memoryBytes: 1 << 30 };
  attach(room);
  expect(create({ slots: 5 })).toMatchObject({
    ...{ ok: false, code: 'unsupported' },
    text: 'task "web" cannot run on node n1: it asks for 5 slots, and the node has 4',
    hint: 'ask for less (--slots, --cpu, --memory), or choose other nodes with --on',
  });
  expect(create({ cpuMax: 3 })).toMatchObject({ ok: false, code: 'unsupported' });
  expect(create({ memoryMaxBytes: 2 ** 31 })).toMatchObject({ ok: false });
  expect(create({ slots: 4, cpuMax: 2, memoryMaxBytes: 1 << 30 })).toMatchObject({ ok: true });
  attach({ ...room, slots: 1 });
  expect(act('taskRun', { targets: ['web'] }).reply).toMatchObject({
    ...{ ok: false, code: 'unsupported' },
    text: 'task "web" cannot run on node n1: it asks for 4 slots, and the node has 1',
    hint: 'ask for less (--slots, --cpu, --memory), or choose other nodes with --on',
  });
  const bytes = Buffer.concat([...encodeEntries(freeze(state.value))]);
  const [kept] = loadEntries(bytes)?.nodes.values() ?? [];
  expect(kept?.room).toEqual({ ...room, slots: 1 });
});
