import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Shape } from '../../../net/layout.ts';
import { dueOf } from '../scheduling.ts';
import { apply, type Outcome } from './apply.ts';
import { neededDigests } from './bundles.ts';
import {
  type Command,
  type CommandBody,
  type CommandKind,
  decodeCommand,
  encodeCommand,
} from './command.ts';
import { latestRun } from './runs.ts';
import { encodeEntries, freeze, loadEntries } from './snapshot.ts';
import { emptyState, type State } from './state.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const S = 1_000_000;
const HOUR = 3_600 * S;

/** A model with a journal: what was done can be replayed, as it was written. */
class Machine {
  state = emptyState();
  readonly journal: Uint8Array[] = [];
  readonly fires: unknown[] = [];
  /** Rows of history that are no firings, and events. */
  told = 0;
  at = 1_000 * S;
  #no = 0;
  readonly #seqs = new Map<string, number>();

  constructor() {
    this.ok('found', { fleet: 'f', spki: 's', identity: 'admin' });
    this.join('n1', { zone: 'a' });
    this.join('n2', { zone: 'b' });
    this.ok('taskAdd', { task: 'web', spec: { command: ['w'] }, mode: 'create' });
    const spec = { command: ['c'], on: 'zone=a' };
    this.ok('taskAdd', { task: 'crawl', spec, mode: 'create' });
  }

  do<K extends CommandKind>(kind: K, body: CommandBody<K>, key?: Uint8Array): Outcome {
    this.#no += 1;
    this.at += S;
    const own = Buffer.from(String(this.#no).padStart(16, '0'));
    const stamp = { key: key ?? own, at: this.at, who: 'admin', origin: 'test' };
    const record = encodeCommand({ kind, body, ...stamp } as unknown as Command);
    this.journal.push(record);
    const outcome = apply(this.state, decodeCommand(record), this.journal.length);
    for (const { fire } of outcome.change.history) if (fire) this.fires.push(fire);
    const { history, events } = outcome.change;
    this.told += history.filter(({ kind: what }) => what !== 'fire').length + events.length;
    return outcome;
  }

  ok<K extends CommandKind>(kind: K, body: CommandBody<K>): Record<string, unknown> {
    const { reply } = this.do(kind, body);
    if (!reply.ok) throw new Error(`${kind}: ${reply.code}: ${reply.text}`);
    return reply.body;
  }

  code<K extends CommandKind>(kind: K, body: CommandBody<K>): string {
    const { reply } = this.do(kind, body);
    return reply.ok ? 'ok' : reply.code;
  }

  join(name: string, labels: Record<string, string> = {}): void {
    const spki = Buffer.from(`token-${name}`).toString('hex');
    this.ok('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
    const token = [...this.state.tokens.values()].find((one) => one.spki === spki)?.token ?? '';
    const body = { spki: `key-${name}`, token, instance: 'i', build: 'b' };
    this.ok('enrol', { ...body, node: name, labels });
  }

  uid(node: string): string {
    return this.state.index.nodeByName.get(node) ?? '';
  }

  start(timing: Shape<'timing'>, targets = ['web'], on?: string): string {
    const { made } = this.ok('taskRun', { targets, timing, on });
    return (made as string[])[0] ?? '';
  }

  /** Items of a node but for bundles, as `schedule:x`, `schedule:x paused`, `task:web`. */
  held(node: string): string[] {
    const items = [...(this.state.assignments.get(this.uid(node))?.items.values() ?? [])];
    return items
      .filter(({ entry }) => entry === 'schedule' || entry === 'task')
      .map(({ item, plan }) => (plan?.paused ? `${item} paused` : item))
      .sort();
  }

  item(node: string, id: string): Shape<'item'> | undefined {
    return this.state.assignments.get(this.uid(node))?.items.get(id);
  }

  report(node: string, report: Omit<Shape<'report'>, 'seq' | 'at' | 'entry'>, seq?: number): void {
    const next = seq ?? (this.#seqs.get(node) ?? 0) + 1;
    this.#seqs.set(node, next);
    const reports = [{ seq: next, at: this.at, entry: 'test', ...report }];
    this.ok('report', { uid: this.uid(node), reports });
  }
}

const daily = { cron: '0 3 * * *', schedule: 'daily' };

test('a verb with a timing makes a schedule on each node its task selects, and no operation', () => {
  const machine = new Machine();
  const outcome = machine.do('taskRun', { targets: ['crawl'], timing: daily, env: { A: '1' } });
  expect(outcome.reply).toMatchObject({ ok: true, body: { made: ['daily'], unchanged: false } });
  expect(machine.state.operations.size).toBe(0);
  expect(machine.held('n1')).toEqual(['schedule:daily', 'task:crawl']);
  expect(machine.held('n2')).toEqual([]);
  expect([...outcome.change.nodes]).toEqual([machine.uid('n1')]);
  const { at, plan } = machine.item('n1', 'schedule:daily') ?? {};
  expect(at).toBe(machine.at);
  expect(plan).toMatchObject({ cron: '0 3 * * *', env: { A: '1' }, sinceUs: machine.at });
  expect(plan).toMatchObject({ missed: 'skip', overlap: 'forbid', revision: 1 });
  expect(machine.item('n1', 'task:crawl')).toMatchObject({ spec: { command: ['c'] }, revision: 1 });
});

test('an id of its own is generated, for each target one, and the same in every replay', () => {
  const machine = new Machine();
  const body = { targets: ['web', 'crawl'], timing: { inUs: 2 * S } };
  const ids = machine.ok('taskRun', body)['made'] as string[];
  expect(new Set(ids).size).toBe(2);
  for (const id of ids) expect(id).toMatch(/^S[0-9A-Z]{11}$/);
  expect(machine.item('n1', `schedule:${ids[0]}`)?.plan?.at).toBe(machine.at + 2 * S);
});

test('the name is taken unless the content is the same, or it has fired for the last time', () => {
  const machine = new Machine();
  const timing = { everyUs: 60 * S, schedule: 'beat' };
  machine.start(timing);
  expect(machine.ok('taskRun', { targets: ['web'], timing })).toMatchObject({ unchanged: true });
  expect(machine.code('taskRun', { targets: ['crawl'], timing })).toBe('exists');
  expect(machine.code('taskKill', { targets: ['web'], timing, mode: 'stop' })).toBe('exists');
  const other = { ...timing, everyUs: 61 * S };
  expect(machine.code('taskRun', { targets: ['web'], timing: other })).toBe('exists');
  const once = { inUs: 2 * S, schedule: 'once' };
  machine.start(once);
  expect(machine.code('taskRun', { targets: ['web'], timing: once })).toBe('exists');
  machine.at += 10 * S;
  machine.start(once);
  expect(machine.item('n1', 'schedule:once')?.plan).toMatchObject({ revision: 2 });
});

test('a repeat of the command gets the first answer, however late', () => {
  const machine = new Machine();
  const key = Buffer.alloc(16, 7);
  const body = { targets: ['web'], timing: { at: machine.at + 5 * S } };
  const first = machine.do('taskRun', body, key);
  machine.at += HOUR;
  expect(machine.do('taskRun', body, key)).toMatchObject({ repeated: true, reply: first.reply });
  expect(machine.state.schedules.size).toBe(1);
});

test.each([
  ['usage', {}],
  ['usage', { at: 1, everyUs: S }],
  ['usage', { everyUs: 99_999 }],
  ['usage', { everyUs: S, count: 0 }],
  ['usage', { everyUs: S, splayUs: S }],
  ['usage', { everyUs: S, tz: 'UTC' }],
  ['usage', { cron: '* * * * *', fromUs: 5 }],
  ['usage', { cron: '* * * * *', missed: 'maybe' }],
  ['usage', { cron: '* * * * *', overlap: 'maybe' }],
  ['usage', { cron: '* * * * *', schedule: 'Not A Name' }],
  ['expired', { at: 1 }],
  ['expired', { at: 1, missed: 'all' }],
  ['ok', { at: 1, missed: 'once' }],
  ['never-comes', { everyUs: S, untilUs: 1 }],
  ['never-comes', { inUs: 5 * S, untilUs: 1_010 * S }],
  ['ok', { everyUs: 100_000 }],
] as const)('%s: %j', (code, timing) => {
  expect(new Machine().code('taskRun', { targets: ['web'], timing })).toBe(code);
});

test.each([
  ['no-such-task', { targets: ['nope'] }],
  ['no-such-node', { targets: ['web@nope'] }],
  ['not-selected', { targets: ['crawl@n2'] }],
  ['not-selected', { targets: ['crawl'], on: 'n1,n2' }],
  ['nothing-matches', { targets: ['web'], on: 'zone=z' }],
  ['nothing-matches', { targets: ['crawl'], on: 'zone=b' }],
  ['usage', { targets: ['R0123456789A'] }],
  ['usage', { targets: ['web', 'crawl'] }],
] as const)('%s: %j', (code, body) => {
  const machine = new Machine();
  expect(machine.code('taskRun', { ...body, timing: daily })).toBe(code);
  expect(machine.state.schedules.size).toBe(0);
});

test('of several targets those that can have a schedule get one', () => {
  const machine = new Machine();
  const reply = machine.ok('taskRun', { targets: ['web', 'nope'], timing: { everyUs: S } });
  expect(reply['made']).toHaveLength(1);
  expect(reply['answers']).toMatchObject([{ ok: true }, { ok: false, task: 'nope' }]);
});

test('a node that joins, or comes to match, has only what is later', () => {
  const machine = new Machine();
  machine.start(daily, ['crawl']);
  machine.join('n3', { zone: 'a' });
  const joined = machine.at;
  expect(machine.held('n3')).toEqual(['schedule:daily', 'task:crawl']);
  expect(machine.item('n3', 'schedule:daily')?.at).toBe(joined);
  expect(machine.item('n1', 'schedule:daily')?.at).toBeLessThan(joined);
  machine.ok('hostState', { node: 'n2', labels: { zone: 'a' } });
  expect(machine.item('n2', 'schedule:daily')?.at).toBe(machine.at);
  machine.ok('hostState', { node: 'n1', labelsRemoved: ['zone'] });
  expect(machine.held('n1')).toEqual([]);
});

test('a task that changes is told to the nodes that start it; one that goes takes all along', () => {
  const machine = new Machine();
  machine.start(daily, ['crawl']);
  machine.start({ everyUs: S }, ['crawl']);
  machine.ok('taskNok', { names: ['crawl'] });
  expect(machine.item('n1', 'task:crawl')?.enabled).toBe(false);
  const spec = { command: ['c', '2'], on: 'zone=b' };
  machine.ok('taskAdd', { task: 'crawl', spec, mode: 'set' });
  expect(machine.held('n1')).toEqual([]);
  expect(machine.item('n2', 'task:crawl')?.spec).toEqual(spec);
  expect(machine.held('n2')).toHaveLength(3);
  machine.ok('taskRm', { names: ['crawl'] });
  expect(machine.held('n2')).toEqual([]);
  expect(machine.state.schedules.size).toBe(0);
  expect(machine.state.index.taskUses.size).toBe(0);
});

test('paused and resumed by name, on some nodes, by task, and by node', () => {
  const machine = new Machine();
  machine.start({ ...daily, schedule: 'one' });
  machine.start({ ...daily, schedule: 'two' });
  const both = ['schedule:one', 'schedule:two', 'task:web'];
  const set = (mode: string, more: object): string =>
    machine.code('depSchedule', { mode, ...more });

  expect(set('pause', { names: ['one'] })).toBe('ok');
  expect(machine.held('n1')).toEqual(['schedule:one paused', 'schedule:two', 'task:web']);
  expect(machine.held('n2')).toEqual(['schedule:one paused', 'schedule:two', 'task:web']);
  expect(set('resume', { names: ['one'], on: 'n1' })).toBe('unsupported');
  const before = machine.at;
  expect(set('resume', { names: ['one'] })).toBe('ok');
  expect(machine.held('n1')).toEqual(both);
  expect(machine.item('n1', 'schedule:one')?.at).toBeGreaterThan(before);
  expect(machine.item('n1', 'schedule:two')?.at).toBeLessThan(before);

  expect(set('pause', { names: ['one'], on: 'zone=b' })).toBe('ok');
  expect(machine.held('n1')).toEqual(both);
  expect(machine.held('n2')).toEqual(['schedule:one paused', 'schedule:two', 'task:web']);
  expect(set('resume', { names: ['one'], on: 'n2' })).toBe('ok');
  expect(machine.held('n2')).toEqual(both);

  expect(set('pause', { task: 'web' })).toBe('ok');
  expect(machine.held('n1').filter((item) => item.endsWith('paused'))).toHaveLength(2);
  expect(set('resume', { task: 'web' })).toBe('ok');

  expect(set('pause', { on: 'zone=a' })).toBe('ok');
  machine.start({ ...daily, schedule: 'three' });
  expect(machine.held('n1').filter((item) => item.endsWith('paused'))).toHaveLength(3);
  expect(machine.held('n2').filter((item) => item.endsWith('paused'))).toHaveLength(0);
  expect(set('resume', { on: '@all' })).toBe('ok');
  expect(machine.held('n1').filter((item) => item.endsWith('paused'))).toHaveLength(0);

  expect(set('pause', { names: ['nope'] })).toBe('no-such-schedule');
  expect(set('pause', { task: 'crawl' })).toBe('nothing-matches');
  expect(set('pause', {})).toBe('usage');
  expect(set('rm', { names: ['one'], on: 'n1' })).toBe('usage');
  expect(set('rm', { names: ['one', 'nope'] })).toBe('ok');
  expect(set('rm', { task: 'web' })).toBe('ok');
  expect(machine.held('n1')).toEqual([]);
  expect(machine.held('n2')).toEqual([]);
});

test('a load at an instant: the content is wanted now, the name changes then', () => {
  const machine = new Machine();
  const bundle = { bundle: 'code', digest: DIGEST, sizeBytes: 3 };
  machine.ok('fileDef', { ...bundle, on: 'n1', timing: { inUs: HOUR, schedule: 'roll' } });
  expect(machine.state.bundles.size).toBe(0);
  expect(machine.held('n1')).toEqual(['schedule:roll']);
  expect(machine.held('n2')).toEqual([]);
  expect(machine.item('n1', 'schedule:roll')?.plan).toMatchObject({ action: 'load', ...bundle });
  expect(neededDigests(machine.state).has(DIGEST)).toBe(true);
  const due = { schedule: 'roll', plannedUs: machine.at + HOUR };
  machine.ok('scheduleDue', due);
  expect(machine.state.bundles.get('code')?.digest).toBe(DIGEST);
  expect(machine.item('n1', 'bundle:code')?.digest).toBe(DIGEST);
  const { size } = machine.state.operations;
  machine.ok('scheduleDue', due);
  expect(machine.state.operations.size).toBe(size);
  machine.ok('fileRm', { names: ['code'], timing: { inUs: HOUR, schedule: 'away' } });
  expect(machine.held('n1')).toEqual(['schedule:away', 'schedule:roll']);
  machine.ok('scheduleDue', { schedule: 'away', plannedUs: machine.at + HOUR });
  expect(machine.state.bundles.size).toBe(0);
  machine.ok('scheduleSpent', { names: ['roll', 'away', 'gone'] });
  expect(machine.state.schedules.size).toBe(0);
  expect(machine.held('n1')).toEqual([]);
});

test('a node may have loaded by its own clock what nobody loads any more: it is told so', () => {
  const machine = new Machine();
  const removedOf = (name: string): readonly string[] => {
    return [...(machine.state.assignments.get(machine.uid(name))?.removed.keys() ?? [])];
  };
  const code = { bundle: 'code', digest: DIGEST, sizeBytes: 3, on: 'n1' };
  machine.ok('fileDef', { ...code, timing: { everyUs: HOUR, schedule: 'roll' } });
  machine.ok('depSchedule', { mode: 'pause', names: ['roll'] });
  expect(removedOf('n1')).toEqual(['bundle:code']);
  machine.ok('depSchedule', { mode: 'resume', names: ['roll'] });
  machine.ok('scheduleDue', { schedule: 'roll', plannedUs: machine.at + HOUR });
  const before = machine.item('n1', 'bundle:code')?.generation ?? 0;
  machine.ok('depSchedule', { mode: 'rm', names: ['roll'] });
  const { digest, generation = 0 } = machine.item('n1', 'bundle:code') ?? {};
  expect(digest).toBe(DIGEST);
  expect(generation).toBeGreaterThan(before);
  expect(removedOf('n2')).toEqual([]);
});

test('a load whose instant came while it rested is not caught up on', () => {
  const machine = new Machine();
  const load = { bundle: 'code', digest: DIGEST, sizeBytes: 3, on: 'n1' };
  machine.ok('fileDef', { ...load, timing: { everyUs: HOUR, schedule: 'roll' } });
  const first = machine.at + HOUR;
  machine.ok('depSchedule', { mode: 'pause', names: ['roll'] });
  machine.at = first + S;
  expect(dueOf(machine.state, machine.at)).toEqual([]);
  machine.ok('depSchedule', { mode: 'resume', names: ['roll'] });
  expect(dueOf(machine.state, machine.at)).toEqual([]);
  const next = { schedule: 'roll', plannedUs: first + HOUR };
  expect(dueOf(machine.state, first + HOUR)).toEqual([next]);
  machine.ok('depSchedule', { mode: 'pause', names: ['roll'], on: 'n1' });
  machine.ok('depSchedule', { mode: 'resume', names: ['roll'], on: 'n1' });
  expect(dueOf(machine.state, first + HOUR)).toEqual([next]);
});

test('a firing is in the ledger once a report, with the name its node has here', () => {
  const machine = new Machine();
  const fire = { schedule: 'daily', action: 'start', task: 'web', plannedUs: 7 * S };
  machine.report('n1', { fire });
  machine.report('n1', { fire: { ...fire, node: 'forged', result: 'ok', lateUs: -3 } });
  machine.report('n1', { fire: { ...fire, result: 'lost' } }, 2);
  const uid = machine.uid('n1');
  expect(machine.fires).toEqual([
    { ...fire, node: 'n1', uid },
    { ...fire, node: 'n1', uid, result: 'ok', lateUs: -3 },
  ]);
});

test('a node that is removed leaves nothing of its schedules behind', () => {
  const machine = new Machine();
  machine.start(daily);
  machine.ok('depSchedule', { mode: 'pause', names: ['daily'], on: 'n2' });
  machine.ok('hostRm', { names: ['n2'] });
  expect(machine.state.schedules.get('daily')?.pausedOn).toEqual([]);
  expect([...machine.state.index.taskUses.keys()]).toEqual([`web ${machine.uid('n1')}`]);
});

test('verbs mean every run of a task whose runs overlap; a restart leaves one', () => {
  const machine = new Machine();
  const row = (run: string): Shape<'process'> => ({ run, task: 'crawl', processState: 'running' });
  machine.report('n1', { process: row('R00000000001') });
  machine.report('n1', { process: row('R00000000002') });
  machine.ok('taskStop', { targets: ['crawl'] });
  const orders = (): string[] =>
    [...machine.state.orders.values()].map(({ run, verb }) => `${verb} ${run}`).sort();
  expect(orders()).toEqual(['suspend R00000000001', 'suspend R00000000002']);
  machine.ok('taskRun', { targets: ['crawl'], mode: 'restart' });
  expect(orders().filter((order) => order.startsWith('stop'))).toEqual(['stop R00000000001']);
  expect(orders().filter((order) => order.startsWith('restart'))).toHaveLength(1);
});

test('what is armed has not begun: it hides nothing, holds nothing up, and may never have been', () => {
  const machine = new Machine();
  const row = (run: string, processState: string): Shape<'process'> => {
    return {
      run,
      task: 'crawl',
      processState,
      exitCode: processState === 'exited' ? 3 : undefined,
    };
  };
  const [first, second] = ['R00000000001', 'R00000000002'] as const;
  const uid = machine.uid('n1');
  machine.report('n1', { process: row(first, 'running') });
  machine.report('n1', { process: row(second, 'armed') });
  machine.ok('taskStop', { targets: ['crawl'] });
  const [order, ...others] = [...machine.state.orders.values()];
  expect([order?.run, others]).toEqual([first, []]);
  machine.report('n1', { process: row(first, 'exited') });
  expect(latestRun(machine.state, 'crawl', uid)?.run).toBe(first);
  // Taken back: as if it had never been, in no history and no event.
  const { told } = machine;
  machine.report('n1', { process: row(second, 'disarmed') });
  expect(machine.state.runs.has(second)).toBe(false);
  expect(machine.told).toBe(told);
  // Once more, and it begins.
  machine.report('n1', { process: row(second, 'armed') });
  machine.report('n1', { process: row(second, 'running') });
  expect(latestRun(machine.state, 'crawl', uid)?.run).toBe(second);
  expect(machine.state.runs.has(first)).toBe(false);
  machine.report('n1', { process: row(second, 'exited') });
  machine.report('n1', { process: row('R00000000003', 'armed') });
  machine.ok('taskRm', { names: ['crawl'] });
  expect([...machine.state.runs.values()].filter(({ task }) => task === 'crawl')).toEqual([]);
});

const node = fc.constantFrom('n1', 'n2', 'n3');
const task = fc.constantFrom('web', 'crawl');
const name = fc.constantFrom('a', 'b', 'c');
const timing = fc.oneof(
  fc.record({ everyUs: fc.constantFrom(S, 60 * S), schedule: name }),
  fc.record({ inUs: fc.constantFrom(S, HOUR), schedule: name }),
  fc.record({ cron: fc.constant('0 3 * * *'), schedule: name }),
);
const on = fc.constantFrom(undefined, 'zone=a', 'zone=b', 'n1', '@all');
type Step = readonly [kind: CommandKind, body: object];
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ targets: task.map((t) => [t]), timing, on }).map((b): Step => ['taskRun', b]),
  fc.record({ targets: task.map((t) => [t]), timing, on }).map((b): Step => ['taskStop', b]),
  fc
    .record({ mode: fc.constantFrom('pause', 'resume', 'rm'), names: name.map((n) => [n]), on })
    .map((b): Step => ['depSchedule', b]),
  fc.record({ mode: fc.constantFrom('pause', 'resume'), on }).map((b): Step => ['depSchedule', b]),
  fc
    .record({ node, labels: fc.constantFrom({ zone: 'a' }, { zone: 'b' }) })
    .map((b): Step => ['hostState', b]),
  fc.record({ names: node.map((n) => [n]) }).map((b): Step => ['hostRm', b]),
  fc.record({ names: task.map((t) => [t]) }).map((b): Step => ['taskRm', b]),
  fc.record({ names: task.map((t) => [t]) }).map((b): Step => ['taskNok', b]),
  task.map(
    (t): Step => ['taskAdd', { task: t, spec: { command: ['x'], on: 'zone=b' }, mode: 'set' }],
  ),
  fc
    .record({ bundle: fc.constant('code'), digest: fc.constant(DIGEST), on, timing })
    .map((b): Step => ['fileDef', { ...b, sizeBytes: 1 }]),
  name.map((schedule): Step => ['scheduleDue', { schedule, plannedUs: HOUR * 9 }]),
  name.map((schedule): Step => ['scheduleSpent', { names: [schedule] }]),
);

function bytesOf(state: State): string {
  return Buffer.concat([...encodeEntries(freeze(state))]).toString('base64');
}

function indexOf({ index }: State): unknown {
  const { schedulesOf, taskUses, bundleSchedules } = index;
  return {
    schedulesOf: Object.fromEntries([...schedulesOf].map(([key, ids]) => [key, ids])),
    ...{ taskUses: new Map(taskUses), bundleSchedules: new Set(bundleSchedules) },
  };
}

test('replay and snapshots give the same state, and nodes hold what their labels say', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const machine = new Machine();
      machine.join('n3', { zone: 'b' });
      for (const [kind, body] of steps) machine.do(kind, body);
      const again = emptyState();
      for (const [i, rec] of machine.journal.entries()) apply(again, decodeCommand(rec), i + 1);
      expect(bytesOf(again)).toBe(bytesOf(machine.state));
      const loaded = loadEntries(Buffer.from(bytesOf(again), 'base64'));
      if (!loaded) throw new Error('not loaded');
      expect(loaded.assignments).toEqual(again.assignments);
      expect(indexOf(loaded)).toEqual(indexOf(machine.state));
      for (const [uid, { items }] of again.assignments) {
        const held = [...items.values()].filter(({ entry }) => entry === 'schedule');
        const starts = new Set(held.map(({ plan }) => plan?.task).filter(Boolean));
        const tasks = [...items.values()].filter(({ entry }) => entry === 'task');
        expect(new Set(tasks.map((item) => item.task))).toEqual(starts);
        for (const { plan } of held) {
          const record = again.schedules.get(plan?.schedule ?? '');
          expect(record?.plan.revision).toBe(plan?.revision);
          const rests = record?.paused || record?.pausedOn.includes(uid);
          expect(plan?.paused ?? false).toBe(rests || again.nodes.get(uid)?.paused === true);
        }
      }
    }),
    { numRuns: 300 },
  );
});
