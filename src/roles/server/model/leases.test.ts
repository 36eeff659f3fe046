import { expect, test } from 'vitest';
import { errorCodes } from '../../../base/errors.ts';
import { apply, type Outcome } from './apply.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { emptyState, type RunRecord, type State } from './state.ts';

class Fleet {
  readonly state: State = emptyState();
  #no = 0;
  #seq = 0;
  errorUs: number | undefined = 1_000;

  constructor() {
    this.act('found', { fleet: 'f', spki: 's', identity: 'admin' });
    for (const name of ['n1', 'n2']) {
      const spki = Buffer.from(`token-${name}`).toString('hex');
      this.act('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
      const body = { spki: `key-${name}`, token: spki.slice(0, 8), instance: 'i', build: 'b' };
      this.act('enrol', { ...body, node: name, labels: {} });
      const holds = { lease: 'shim' };
      const uid = this.uid(name);
      this.act('attach', { uid, instance: 'i', build: 'b', addresses: [], holds });
    }
  }

  act<K extends CommandKind>(kind: K, body: CommandBody<K>): Outcome {
    this.#no += 1;
    const key = Buffer.from(String(this.#no).padStart(16, '0'));
    const { errorUs } = this;
    const stamp = { key, at: this.#no * 1000, errorUs, who: 'admin', origin: 'test' };
    return apply(this.state, { kind, body, ...stamp } as unknown as Command, this.#no);
  }

  uid(name: string): string {
    return this.state.index.nodeByName.get(name) ?? '';
  }

  create(more: Record<string, unknown> = {}): Outcome['reply'] {
    const spec = { command: ['x'], instances: 1, onAgentLost: 'move', leaseMs: 10_000, ...more };
    return this.act('taskAdd', { task: 'web', mode: 'create', spec }).reply;
  }

  start(): Outcome['reply'] {
    return this.act('taskRun', { targets: ['web'] }).reply;
  }

  get live(): readonly RunRecord[] {
    return [...this.state.runs.values()].filter(({ ended }) => !ended);
  }

  get where(): readonly string[] {
    return this.live.map(({ uid }) => this.state.nodes.get(uid)?.name ?? '');
  }

  report(record: RunRecord, row: Record<string, unknown>): Outcome {
    this.#seq += 1;
    const process = { run: record.run, task: 'web', ...row } as never;
    const reports = [{ seq: this.#seq, at: 0, entry: 'process', process }];
    return this.act('report', { uid: record.uid, reports });
  }
}

function running(): { readonly fleet: Fleet; readonly first: RunRecord } {
  const fleet = new Fleet();
  expect(fleet.create()).toMatchObject({ ok: true });
  expect(fleet.start()).toMatchObject({ ok: true });
  const [first] = fleet.live;
  if (!first) throw new Error('nothing was started');
  fleet.report(first, { processState: 'running', startedAt: 1, pid: 7, wish: 'up' });
  return { fleet, first };
}

test('refused: without a number, by a clock without a bound, or one too bad for the lease', () => {
  const fleet = new Fleet();
  expect(fleet.create({ instances: undefined })).toMatchObject({ ok: false, code: 'unsupported' });
  expect(fleet.create({ leaseMs: 10 })).toMatchObject({ ok: false, code: 'usage' });
  fleet.errorUs = undefined;
  expect(fleet.create()).toMatchObject({
    ...{ ok: false, code: 'unsupported' },
    text: 'task "web": the clock of the server has no bound, and a lease ends by it',
    hint: 'give it servers of time (--ntp HOST), and look at it with lotc admin sync',
  });
  fleet.errorUs = 700_000;
  expect(fleet.create()).toMatchObject({ text: expect.stringContaining('bears 625 ms') as string });
  expect(fleet.create({ leaseMs: 60_000 })).toMatchObject({ ok: true });
  fleet.errorUs = undefined;
  expect(fleet.start()).toMatchObject({ ok: false, code: 'unsupported' });
});

test('nodes whose clock has no bound get none; with a bound they do', () => {
  const fleet = new Fleet();
  for (const name of ['n1', 'n2']) fleet.act('nodeClock', { uid: fleet.uid(name) });
  const hint = expect.stringMatching(/--ntp HOST.* or choose other nodes with --on$/) as string;
  expect(fleet.create()).toMatchObject({ ok: false, code: 'unsupported', hint });
  fleet.act('nodeClock', { uid: fleet.uid('n2'), clockErrorUs: 5_000 });
  expect(fleet.create()).toMatchObject({ ok: true });
  fleet.start();
  expect(fleet.where).toEqual(['n2']);
});

test('a schedule starts what may move, but adds nothing that would not go along', () => {
  const fleet = new Fleet();
  fleet.create();
  const timing = { everyUs: 1_000_000 };
  expect(fleet.act('taskRun', { targets: ['web'], timing }).reply).toMatchObject({ ok: true });
  const more = { targets: ['web'], timing, env: { A: '1' } };
  expect(fleet.act('taskRun', more).reply).toMatchObject({
    ...{ ok: false, code: 'unsupported' },
    text: 'task "web" may move, and what a schedule adds to a start would not go along',
    hint: 'give the variables and arguments to the task: lotc admin task set web',
  });
});

/** A run that a schedule began on that node, as that tells of it first. */
function fired(fleet: Fleet, name: string, run: string): RunRecord | undefined {
  fleet.report({ run, uid: fleet.uid(name) } as RunRecord, { processState: 'pending', wish: 'up' });
  return fleet.state.runs.get(run);
}

test('what a schedule began has a lease where its instance is, a larger one each time, and moves', () => {
  const fleet = new Fleet();
  fleet.create();
  expect(fleet.start()).toMatchObject({ ok: true });
  const [before] = fleet.live;
  const home = fleet.where[0] ?? '';
  if (!before) throw new Error('nothing was started');
  fleet.report(before, { processState: 'exited', exitCode: 0, startedAt: 1, exitedAt: 2 });
  const first = fired(fleet, home, 'RF1RST00000A');
  expect(first?.lease).toMatchObject({ leaseMs: 10_000 });
  expect(first?.lease?.term).toBeGreaterThan(before.lease?.term ?? 0);
  if (!first) throw new Error('it is not known');
  fleet.report(first, { processState: 'running', startedAt: 3, pid: 7, wish: 'up' });
  fleet.act('detach', { uid: first.uid, orderly: false });
  fleet.act('leaseOver', { run: first.run });
  const [second] = fleet.live;
  expect(second?.uid).not.toBe(first.uid);
  expect(second?.lease?.term).toBeGreaterThan(first.lease?.term ?? 0);
  // It was cut off and fired on: its run is known, and never has a lease.
  fleet.act('attach', { uid: first.uid, instance: 'i', build: 'b', addresses: [] });
  const late = fired(fleet, home, 'R1ATE000000A');
  expect([late?.ended, late?.lease]).toEqual([false, undefined]);
  expect(fleet.live.filter(({ lease }) => lease).map(({ run }) => run)).toEqual([second?.run]);
});

test('a run and the one that replaces it: the instance moves when both leases are over', () => {
  const { fleet, first } = running();
  expect(fleet.act('taskRun', { targets: ['web'], mode: 'restart' }).reply.ok).toBe(true);
  const next = fleet.live.find(({ run }) => run !== first.run);
  expect(next?.uid).toBe(first.uid);
  fleet.act('detach', { uid: first.uid, orderly: false });
  fleet.act('leaseOver', { run: first.run });
  // The other may have begun there, under a lease that lasts longer.
  expect(fleet.live.map(({ run }) => run)).toEqual([next?.run]);
  fleet.act('leaseOver', { run: next?.run ?? '' });
  expect(fleet.live.map(({ uid }) => uid)).toEqual([
    fleet.uid(fleet.state.nodes.get(first.uid)?.name === 'n1' ? 'n2' : 'n1'),
  ]);
});

test('a lease that is over: given up there, begun elsewhere under a larger term', () => {
  const { fleet, first } = running();
  fleet.act('detach', { uid: first.uid, orderly: false });
  const { change } = fleet.act('leaseOver', { run: first.run });
  const [second] = fleet.live;
  expect(fleet.live).toHaveLength(1);
  expect(second?.uid).not.toBe(first.uid);
  expect(second?.lease?.term).toBeGreaterThan(first.lease?.term ?? 0);
  expect(fleet.state.runs.get(first.run)?.row.processState).toBe('lost');
  const told = change.events.map(({ kind, run }) => [kind, run]);
  expect(told).toContainEqual(['lease-lapsed', first.run]);
  expect(told).toContainEqual(['task-moved', second?.run]);
  const order = [...(fleet.state.assignments.get(second?.uid ?? '')?.items.values() ?? [])];
  expect(order).toMatchObject([{ verb: 'start', term: second?.lease?.term }]);
});

test('the node that returns changes nothing but how its run ended', () => {
  const { fleet, first } = running();
  fleet.act('detach', { uid: first.uid, orderly: false });
  fleet.act('leaseOver', { run: first.run });
  fleet.act('attach', { uid: first.uid, instance: 'i', build: 'b', addresses: [] });
  fleet.report(first, { processState: 'running', startedAt: 1, pid: 7, wish: 'up' });
  expect(fleet.live).toHaveLength(1);
  const errorCode = errorCodes['lease-ended'].number;
  const row = { processState: 'exited', exitedAt: 9, signal: 'SIGKILL', errorCode };
  fleet.report(first, row);
  expect(fleet.live).toHaveLength(1);
  expect(fleet.state.runs.get(first.run)?.row).toMatchObject({ signal: 'SIGKILL' });
});

test('its node ended it with its lease: it begins again; what was told to stop does not', () => {
  for (const stops of [false, true]) {
    const { fleet, first } = running();
    if (stops) fleet.act('taskKill', { targets: ['web'], mode: 'stop' });
    fleet.report(first, { processState: 'stopping', startedAt: 1, pid: 7, wish: 'down' });
    const errorCode = errorCodes['lease-ended'].number;
    const row = { processState: 'exited', exitedAt: 9, signal: 'SIGKILL', errorCode };
    const { change } = fleet.report(first, row);
    expect(fleet.live).toHaveLength(stops ? 0 : 1);
    const moves = change.events.filter(({ kind }) => kind === 'task-moved');
    const [node] = fleet.where;
    // The node is well, so it is where it was.
    const text = `task "web" begins anew on ${node}: its lease ended, and the node ended it`;
    expect(moves.map((event) => event.text)).toEqual(stops ? [] : [text]);
  }
});

test('a lease is over once: of a run that has ended nothing moves', () => {
  const { fleet, first } = running();
  fleet.report(first, { processState: 'exited', exitedAt: 2, exitCode: 0 });
  fleet.act('leaseOver', { run: first.run });
  expect(fleet.live).toEqual([]);
});
