import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Shape } from '../../../net/layout.ts';
import { apply, type Outcome } from './apply.ts';
import { deltaSince } from './assignment.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { encodeEntries, freeze, loadEntries } from './snapshot.ts';
import { emptyState, type State } from './state.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;

/** A model with a journal: what was done can be replayed. */
class Machine {
  state = emptyState();
  readonly journal: Command[] = [];
  #no = 0;

  do<K extends CommandKind>(kind: K, body: CommandBody<K>, key?: Uint8Array): Outcome {
    this.#no += 1;
    const command = {
      kind,
      body,
      key: key ?? Buffer.from(String(this.#no).padStart(16, '0')),
      at: this.#no * 1000,
      who: 'admin',
      origin: 'test',
    } as unknown as Command;
    this.journal.push(command);
    return apply(this.state, command, this.journal.length);
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

  join(name: string, labels: Record<string, string> = {}): string {
    const spki = Buffer.from(`token-${name}`).toString('hex');
    this.ok('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
    const body = { spki: `key-${name}`, token: spki.slice(0, 8), instance: 'i', build: 'b' };
    // The first eight characters of these test hashes are equal; each token is used at once.
    return this.ok('enrol', { ...body, node: name, labels })['uid'] as string;
  }

  reportSeq = new Map<string, number>();

  report(uid: string, report: Omit<Shape<'report'>, 'seq' | 'at' | 'entry'>): void {
    const seq = (this.reportSeq.get(uid) ?? 0) + 1;
    this.reportSeq.set(uid, seq);
    this.ok('report', { uid, reports: [{ seq, at: 1, entry: 'test', ...report }] });
  }

  /** The node carries out all its orders, and says so. */
  carryOut(uid: string): void {
    for (const item of [...(this.state.assignments.get(uid)?.items.values() ?? [])]) {
      if (item.entry === 'bundle') {
        const { bundle, digest } = item;
        this.report(uid, { bundle, digest, bundleState: 'loaded' });
        continue;
      }
      const { run = '', order = '', verb, signal, previous } = item;
      const ended = verb === 'stop' || (verb === 'kill' && signal === undefined);
      if (previous !== undefined) {
        this.report(uid, { process: { run: previous, processState: 'exited', exitCode: 0 } });
      }
      const processState = ended ? 'exited' : verb === 'suspend' ? 'suspended' : 'running';
      this.report(uid, {
        process: { run, processState, pid: 7 },
        order,
        answer: { ok: true, run },
      });
    }
  }

  stateOf(task: string): string {
    const run = [...this.state.runs.values()].filter((r) => r.task === task).at(-1);
    return run?.row.processState ?? 'none';
  }
}

function fleet(): { machine: Machine; uid: string } {
  const machine = new Machine();
  machine.do('found', { fleet: 'f', spki: 's', identity: 'admin' });
  const uid = machine.join('n1', { zone: 'a' });
  machine.ok('taskAdd', { task: 'web', spec: { command: ['sleep', '9'] }, mode: 'create' });
  return { machine, uid };
}

/** Brings task "web" into a state, by the way an admin would. */
function bring(machine: Machine, uid: string, state: string): void {
  if (state === 'none') return;
  machine.ok('taskRun', { targets: ['web'] });
  if (state === 'pending') return;
  machine.carryOut(uid);
  if (state === 'suspended') {
    machine.ok('taskStop', { targets: ['web'] });
    machine.carryOut(uid);
  }
  if (state === 'stopping') machine.ok('taskKill', { targets: ['web'], mode: 'stop' });
}

const verbs = {
  start: ['taskRun', { mode: 'start' }],
  suspend: ['taskStop', {}],
  resume: ['taskCont', {}],
  stop: ['taskKill', { mode: 'stop' }],
  kill: ['taskKill', { mode: 'kill' }],
  restart: ['taskRun', { mode: 'restart' }],
} as const;

/** For nothing but want of room, or for somebody as well. */
test('what was preempted is suspended by hand, and resumed by nobody but its node', () => {
  const { machine, uid } = fleet();
  bring(machine, uid, 'running');
  const [run = ''] = machine.state.runs.keys();
  const row = { run, processState: 'suspended', preemptedBy: 'R2' };
  machine.report(uid, { process: row });
  const resume = machine.do('taskCont', { targets: ['web'] }).reply;
  expect(resume).toMatchObject({ ok: false, code: 'preempted' });
  expect(machine.code('taskRun', { targets: ['web'], mode: 'start' })).toBe('preempted');
  const { reply } = machine.do('taskStop', { targets: ['web'] });
  expect(reply.ok && reply.body['answers']).toEqual([]);
  machine.report(uid, { process: { ...row, suspendedBy: 'admin' } });
  expect(machine.code('taskCont', { targets: ['web'] })).toBe('ok');
});

/** The table of the CLI contract, cell by cell. `=`: already so. */
const contract: Record<keyof typeof verbs, Record<string, string>> = {
  start: {
    running: '=',
    suspended: 'already-suspended',
    pending: '=',
    stopping: 'is-stopping',
    none: 'ok',
  },
  suspend: {
    running: 'ok',
    suspended: '=',
    pending: 'is-pending',
    stopping: 'is-stopping',
    none: 'not-running',
  },
  resume: {
    running: 'not-suspended',
    suspended: 'ok',
    pending: 'is-pending',
    stopping: 'is-stopping',
    none: 'not-running',
  },
  stop: { running: 'ok', suspended: 'ok', pending: 'ok', stopping: '=', none: '=' },
  kill: { running: 'ok', suspended: 'ok', pending: 'ok', stopping: 'ok', none: 'not-running' },
  restart: { running: 'ok', suspended: 'ok', pending: '=', stopping: 'ok', none: 'ok' },
};

const cells = Object.entries(contract).flatMap(([verb, row]) =>
  Object.entries(row).map(([state, answer]) => [verb, state, answer] as const),
);

test.each(cells)('%s on %s: %s', (verb, state, answer) => {
  const { machine, uid } = fleet();
  bring(machine, uid, state);
  const [kind, extra] = verbs[verb as keyof typeof verbs];
  const { reply } = machine.do(kind, { targets: ['web'], ...extra });
  if (answer !== 'ok' && answer !== '=') {
    expect(reply).toMatchObject({ ok: false, code: answer });
    return;
  }
  expect(reply.ok).toBe(true);
  const unchanged = reply.ok && (reply.body['answers'] as Shape<'answer'>[])[0]?.unchanged;
  expect(unchanged ?? false).toBe(answer === '=');
});

test('an accepted start makes its run at once, and the answer ends the operation', () => {
  const { machine, uid } = fleet();
  const { operation } = machine.ok('taskRun', { targets: ['web'] });
  expect(machine.stateOf('web')).toBe('pending');
  machine.carryOut(uid);
  expect(machine.stateOf('web')).toBe('running');
  expect(machine.state.operations.get(operation as string)?.state).toBe('done');
  expect(machine.state.assignments.get(uid)?.items.size).toBe(0);
});

test('a repeated command id gets the first reply and changes nothing', () => {
  const { machine } = fleet();
  const key = Buffer.alloc(16, 7);
  const first = machine.do('taskRun', { targets: ['web'] }, key);
  const again = machine.do('taskRun', { targets: ['web'] }, key);
  expect(again.repeated).toBe(true);
  expect(again.reply).toEqual(first.reply);
  expect(machine.state.runs.size).toBe(1);
});

test('a repeated report is applied once', () => {
  const { machine, uid } = fleet();
  machine.ok('taskRun', { targets: ['web'] });
  machine.carryOut(uid);
  const [run = ''] = machine.state.runs.keys();
  const stale = { seq: 1, at: 1, entry: 'x', process: { run, processState: 'pending' } };
  machine.ok('report', { uid, reports: [stale] });
  expect(machine.stateOf('web')).toBe('running');
});

test('a report with a time that is none is left out, with a word; what follows it counts', () => {
  const { machine, uid } = fleet();
  machine.ok('taskRun', { targets: ['web'] });
  const [run = ''] = machine.state.runs.keys();
  const bad = { run, processState: 'running', startedAt: Number.MAX_SAFE_INTEGER };
  const fire = { schedule: 's', action: 'start', plannedUs: Number.MAX_SAFE_INTEGER };
  const good = { run, processState: 'running', startedAt: 5 };
  const reports = [{ process: bad }, { fire }, { process: good }].map((report, index) => {
    return { seq: index + 1, at: 1, entry: 'x', ...report };
  });
  const { reply, change } = machine.do('report', { uid, reports });
  expect(reply).toMatchObject({ ok: true, body: { seq: 3 } });
  expect(machine.state.runs.get(run)?.row.startedAt).toBe(5);
  expect(change.history.filter(({ kind }) => kind === 'fire')).toEqual([]);
  const told = change.events.filter(({ kind }) => kind === 'node-warned');
  expect(told.map(({ text }) => text)).toEqual([
    expect.stringMatching(/a report of node n1 is left out: startedAt: \d+ is more than \d+/),
    expect.stringMatching(/a report of node n1 is left out: plannedUs: \d+ is more than \d+/),
  ]);
});

test('suspend and resume without waiting are judged by the orders on their way', () => {
  const { machine, uid } = fleet();
  bring(machine, uid, 'running');
  expect(machine.code('taskStop', { targets: ['web'] })).toBe('ok');
  expect(machine.code('taskCont', { targets: ['web'] })).toBe('ok');
  expect(machine.code('taskCont', { targets: ['web'] })).toBe('not-suspended');
});

test('wrong names and selections', () => {
  const { machine } = fleet();
  expect(machine.code('taskRun', { targets: ['nope'] })).toBe('no-such-task');
  expect(machine.code('taskRun', { targets: ['web@nope'] })).toBe('no-such-node');
  expect(machine.code('taskRun', { targets: ['web'], on: 'zone=b' })).toBe('nothing-matches');
  expect(
    machine.code('taskAdd', {
      task: 'x',
      spec: { command: ['a'], bundle: 'nope' },
      mode: 'create',
    }),
  ).toBe('no-such-bundle');
  expect(
    machine.code('taskAdd', { task: 'x', spec: { command: ['a'], on: 'nope' }, mode: 'create' }),
  ).toBe('no-such-node');
  expect(
    machine.code('taskAdd', { task: 'web', spec: { command: ['other'] }, mode: 'create' }),
  ).toBe('exists');
  expect(
    machine.code('taskAdd', { task: 'web', spec: { command: ['sleep', '9'] }, mode: 'create' }),
  ).toBe('ok');
});

test.each([
  ['an argument', { command: ['x', 'y'.repeat(131_072)] }],
  ['NUL', { command: ['x\0'] }],
  ['an empty command', { command: [''] }],
  ['a variable', { command: ['x'], env: { A: 'y'.repeat(131_072) } }],
  ['a name', { command: ['x'], env: { 'A=B': '1' } }],
])('what Linux would not start is refused: %s', (_, spec) => {
  const { machine } = fleet();
  expect(machine.code('taskAdd', { task: 'x', spec, mode: 'create' })).toBe('usage');
});

test('a disabled task does not start', () => {
  const { machine } = fleet();
  machine.ok('taskNok', { names: ['web'] });
  expect(machine.code('taskRun', { targets: ['web'] })).toBe('disabled');
  machine.ok('taskOk', { names: ['web'] });
  expect(machine.code('taskRun', { targets: ['web'] })).toBe('ok');
});

test('a bundle in use stays, another content needs --replace, unload ends when the node says so', () => {
  const { machine, uid } = fleet();
  machine.ok('fileDef', { bundle: 'code', digest: DIGEST, sizeBytes: 1 });
  expect(machine.code('fileDef', { bundle: 'code', digest: OTHER, sizeBytes: 1 })).toBe('exists');
  machine.ok('taskAdd', {
    task: 'run',
    spec: { command: ['./x'], bundle: 'code' },
    mode: 'create',
  });
  expect(machine.code('fileRm', { names: ['code'] })).toBe('in-use');
  machine.ok('taskRm', { names: ['run'] });
  machine.carryOut(uid);
  const { operation } = machine.ok('fileRm', { names: ['code'] });
  expect(machine.state.operations.get(operation as string)?.state).toBe('accepted');
  machine.report(uid, { bundle: 'code', digest: DIGEST, bundleState: 'removed' });
  expect(machine.state.operations.get(operation as string)?.state).toBe('done');
});

test('task rm --force stops what runs, and the task goes with its last process', () => {
  const { machine, uid } = fleet();
  bring(machine, uid, 'running');
  expect(machine.code('taskRm', { names: ['web'] })).toBe('running');
  machine.ok('taskRm', { names: ['web'], force: true });
  expect(machine.state.tasks.has('web')).toBe(true);
  machine.carryOut(uid);
  expect(machine.state.tasks.has('web')).toBe(false);
});

test('node rm --force of a node that is away loses its runs by name', () => {
  const { machine, uid } = fleet();
  bring(machine, uid, 'running');
  expect(machine.code('hostRm', { names: ['n1'] })).toBe('running');
  const { change } = machine.do('hostRm', { names: ['n1'], force: true, present: [] });
  expect(change.closed).toEqual(['key-n1']);
  expect(machine.stateOf('web')).toBe('lost');
  expect(machine.state.nodes.size).toBe(0);
  machine.join('n1');
});

test('a token is used once; the same key may ask again for the answer it lost', () => {
  const machine = new Machine();
  machine.ok('hostToken', { spki: '12345678ff', role: 'agent', ttlMs: 60_000, usesLeft: 1 });
  const body = { token: '12345678', instance: 'i', build: 'b' };
  const first = machine.ok('enrol', { ...body, spki: 'k1', node: 'n1' });
  expect(machine.ok('enrol', { ...body, spki: 'k1', node: 'n1' })).toEqual(first);
  expect(machine.code('enrol', { ...body, spki: 'k2', node: 'n2' })).toBe('token-used');
  machine.ok('hostToken', { spki: '87654321ff', role: 'agent', ttlMs: 60_000, usesLeft: 1 });
  expect(machine.code('enrol', { ...body, token: '87654321', spki: 'k3', node: 'n1' })).toBe(
    'name-taken',
  );
});

test('an order expires, or is cancelled, when its node stays away', () => {
  const { machine, uid } = fleet();
  bring(machine, uid, 'running');
  const { operation } = machine.ok('taskStop', { targets: ['web'], expiresMs: 1 });
  machine.do('tick', {});
  expect(machine.state.operations.get(operation as string)?.state).toBe('expired');
  const again = machine.ok('taskStop', { targets: ['web'] })['operation'] as string;
  machine.ok('retCancel', { operation: again });
  expect(machine.state.operations.get(again)?.state).toBe('cancelled');
  expect(machine.code('taskCont', { targets: ['web'] })).toBe('not-suspended');
});

test('a node gets exactly what changed since its generation, or the full list', () => {
  const { machine, uid } = fleet();
  machine.ok('fileDef', { bundle: 'code', digest: DIGEST, sizeBytes: 1 });
  const base = machine.state.assignments.get(uid)?.generation ?? 0;
  machine.ok('taskRun', { targets: ['web'] });
  const delta = deltaSince(machine.state, uid, base);
  expect(delta?.items.map((item) => item.verb)).toEqual(['start']);
  expect(deltaSince(machine.state, uid, undefined)?.items).toHaveLength(2);
  expect(deltaSince(machine.state, uid, delta?.generation)).toBeUndefined();
  machine.carryOut(uid);
  expect(deltaSince(machine.state, uid, base)?.removed).toHaveLength(1);
});

// ---- any history: replay and snapshot give the same state ----

const target = fc.constantFrom('web', 'job-a', 'web@n1', 'nope', 'job-a@n2');
const step = fc.oneof(
  fc.record({
    do: fc.constantFrom('start', 'suspend', 'resume', 'stop', 'kill', 'restart'),
    target,
  }),
  fc.record({
    do: fc.constantFrom('carry-out', 'away', 'label', 'cancel', 'tick', 'snapshot'),
    target,
  }),
  fc.record({
    do: fc.constantFrom('load', 'unload', 'task', 'rm', 'force-rm', 'enable', 'disable'),
    target,
  }),
);

function perform(machine: Machine, what: string, aim: string): void {
  const name = aim.split('@')[0] ?? '';
  const uids = [...machine.state.nodes.keys()];
  const verb = verbs[what as keyof typeof verbs];
  if (verb) machine.do(verb[0], { targets: [aim], ...verb[1] });
  else if (what === 'carry-out') for (const uid of uids) machine.carryOut(uid);
  else if (what === 'away' && uids[0]) machine.do('detach', { uid: uids[0], orderly: false });
  else if (what === 'label') machine.do('hostState', { node: 'n1', labels: { zone: name } });
  else if (what === 'cancel')
    machine.do('retCancel', { operation: [...machine.state.operations.keys()].at(-1) ?? '' });
  else if (what === 'tick') machine.do('tick', {});
  else if (what === 'load')
    machine.do('fileDef', {
      bundle: 'code',
      digest: aim === 'web' ? DIGEST : OTHER,
      sizeBytes: 1,
      replace: true,
      on: 'zone=a',
    });
  else if (what === 'unload') machine.do('fileRm', { names: ['code'], force: aim === 'web' });
  else if (what === 'task')
    machine.do('taskAdd', {
      task: name,
      spec: { command: [aim], bundle: aim === 'web' ? 'code' : undefined },
      mode: 'set',
    });
  else if (what === 'rm' || what === 'force-rm')
    machine.do('taskRm', { names: [name], force: what === 'force-rm' });
  else if (what === 'enable' || what === 'disable')
    machine.do(what === 'enable' ? 'taskOk' : 'taskNok', { names: [name] });
  else machine.state = restored(machine.state);
}

function bytesOf(state: State): string {
  return Buffer.concat([...encodeEntries(freeze(state))]).toString('base64');
}

function restored(state: State): State {
  const loaded = loadEntries(Buffer.from(bytesOf(state), 'base64'));
  if (!loaded) throw new Error('not loaded');
  return loaded;
}

test('replaying any journal, with snapshots anywhere, gives the same state', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { machine } = fleet();
      machine.join('n2', { zone: 'b' });
      machine.do('taskAdd', {
        task: 'job-a',
        spec: { command: ['b'], on: 'zone=b' },
        mode: 'create',
      });
      for (const { do: what, target: aim } of steps) perform(machine, what, aim);
      const again = emptyState();
      machine.journal.forEach((command, index) => apply(again, command, index + 1));
      expect(bytesOf(again)).toBe(bytesOf(machine.state));
      for (const order of again.orders.values()) {
        expect(again.operations.get(order.operation)?.waiting.has(order.order)).toBe(true);
        expect(again.assignments.get(order.uid)?.items.has(order.order)).toBe(true);
      }
      for (const { state, waiting } of again.operations.values()) {
        if (state !== 'accepted') expect(waiting.size).toBe(0);
      }
    }),
    { numRuns: 200 },
  );
});
