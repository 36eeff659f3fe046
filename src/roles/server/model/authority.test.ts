import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeSequence } from '../../../net/codec.ts';
import type { AnyBody, MessageKind, Shape } from '../../../net/layout.ts';
import { rightOf, toServer } from '../may.ts';
import { apply, type Outcome } from './apply.ts';
import { authorityOf, judge } from './authority.ts';
import { Refusal } from './change.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { reachOf } from './reach.ts';
import { isWithin, resolveTarget } from './resolve.ts';
import { emptyState, type IdentityRecord, type State } from './state.ts';

/** Six nodes, three in zone a, and one of each sort of what can be acted on. */
class Fleet {
  readonly state = emptyState();
  no = 0;

  constructor() {
    this.ok('found', { fleet: 'f', spki: 'root', identity: 'root' });
    for (const [name, zone] of Object.entries({ a1: 'a', a2: 'a', a3: 'a', b1: 'b', b2: 'b' })) {
      this.join(name, { zone });
    }
    this.ok('fileDef', { bundle: 'code', digest: 'sha256:1', sizeBytes: 1, on: '@all' });
    this.ok('fileDef', { bundle: 'acode', digest: 'sha256:2', sizeBytes: 1, on: 'zone=a' });
    const tasks = { everywhere: '@all', ina: 'zone=a', inb: 'zone=b', one: 'a1', mixed: 'a1,b1' };
    for (const [task, on] of Object.entries(tasks)) {
      this.ok('taskAdd', { task, mode: 'create', spec: { command: ['x'], on } });
      this.ok('taskRun', { targets: [task] });
      const timing = { everyUs: 1_000_000, schedule: `of-${task}` };
      this.ok('taskRun', { targets: [task], timing });
    }
    // It still runs where it does not belong any more.
    const moved = { task: 'moved', spec: { command: ['x'], on: '@all' } };
    this.ok('taskAdd', { ...moved, mode: 'create' });
    this.ok('taskRun', { targets: ['moved'] });
    this.ok('taskAdd', { ...moved, mode: 'set', spec: { command: ['x'], on: 'zone=a' } });
    this.ok('taskAdd', {
      task: 'bundled',
      mode: 'create',
      spec: { command: ['x'], bundle: 'code' },
    });
  }

  do<K extends CommandKind>(kind: K, body: CommandBody<K>, by?: string): Outcome {
    this.no += 1;
    const key = Buffer.from(String(this.no).padStart(16, '0'));
    const stamp = { key, at: this.no * 1000, who: by ?? 'server', origin: 'test', by };
    return apply(this.state, { kind, body, ...stamp } as unknown as Command, this.no);
  }

  ok<K extends CommandKind>(kind: K, body: CommandBody<K>, by?: string): Record<string, unknown> {
    const { reply } = this.do(kind, body, by);
    if (!reply.ok) throw new Error(`${kind}: ${reply.code}: ${reply.text}`);
    return reply.body;
  }

  join(name: string, labels: Record<string, string>): void {
    const spki = Buffer.from(`${name}-token`).toString('hex');
    this.ok('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
    const body = { spki: `key-${name}`, token: spki.slice(0, 8), instance: 'i', build: 'b' };
    this.ok('enrol', { ...body, node: name, labels });
  }

  /** Somebody who has logged in with a token. */
  login(name: string, role: string, more: { scope?: string; grants?: string[] } = {}): string {
    const spki = Buffer.from(`${name}-token`).toString('hex');
    this.ok('hostToken', { spki, role, ttlMs: 60_000, usesLeft: 1, ...more }, 'root');
    const body = { spki: `key-${name}`, token: spki.slice(0, 8), instance: 'i', build: 'b' };
    this.ok('enrol', { ...body, role: 'console', identity: name });
    return `key-${name}`;
  }
}

const code = ({ reply }: Outcome): string => (reply.ok ? 'ok' : reply.code);

test('a selection that leaves the scope is refused whole and names what is outside', () => {
  const fleet = new Fleet();
  const ann = fleet.login('ann', 'operator', { scope: 'zone=a' });
  const { reply, change } = fleet.do('taskKill', { targets: ['ina', 'everywhere'] }, ann);
  expect(reply).toMatchObject({ ok: false, code: 'not-allowed' });
  expect(reply.ok ? '' : reply.text).toContain('this is also about b1, b2');
  expect([change.nodes.size, change.runs.size]).toEqual([0, 0]);
  expect(code(fleet.do('taskKill', { targets: ['everywhere'], on: 'zone=a' }, ann))).toBe('ok');
  expect(code(fleet.do('taskKill', { targets: ['ina'] }, ann))).toBe('ok');
  expect(code(fleet.do('taskKill', { targets: ['inb'] }, ann))).toBe('not-allowed');
  expect(code(fleet.do('taskKill', { targets: ['nothing'] }, ann))).toBe('no-such-task');
});

test('defining, running and users need their grants', () => {
  const fleet = new Fleet();
  const bob = fleet.login('bob', 'operator', { scope: 'zone=a' });
  const eve = fleet.login('eve', 'operator', {
    ...{ scope: 'zone=a', grants: ['define', 'run', 'user=app'] },
  });
  const spec = { command: ['x'], on: 'zone=a' };
  const app = { ...spec, user: 'app' };
  const root = { ...spec, user: 'root' };
  const add = (who: string, of: typeof spec & { user?: string }): string =>
    code(fleet.do('taskAdd', { task: 'mine', mode: 'set', spec: of }, who));
  expect(add(bob, spec)).toBe('not-allowed');
  expect(add(eve, spec)).toBe('not-allowed');
  expect(add(eve, root)).toBe('not-allowed');
  expect(add(eve, { ...app, on: '@all' })).toBe('not-allowed');
  expect(code(fleet.do('taskAdd', { task: 'mine', mode: 'create', spec: app }, eve))).toBe('ok');
  const run = { spec: { command: ['id'], user: 'app' }, on: 'zone=a', credit: 0, present: [] };
  expect(code(fleet.do('retExec', run, bob))).toBe('not-allowed');
  expect(code(fleet.do('retExec', run, eve))).toBe('ok');
  expect(code(fleet.do('retExec', { ...run, on: '@all' }, eve))).toBe('not-allowed');
  const start = { targets: ['ina'], env: { LD_PRELOAD: '/tmp/x.so' } };
  expect(code(fleet.do('taskRun', start, bob))).toBe('not-allowed');
  expect(code(fleet.do('taskRun', start, eve))).toBe('ok');
});

test('what somebody with a scope sets up never reaches a node outside that joins later', () => {
  const fleet = new Fleet();
  fleet.state.nodes.forEach(({ name }) => {
    if (name.startsWith('b')) fleet.ok('hostRm', { names: [name], force: true, present: [] });
  });
  const ann = fleet.login('ann', 'operator', { scope: 'zone=a', grants: ['define'] });
  const timing = { everyUs: 1_000_000, schedule: 'hers' };
  const spec = { command: ['x'], restart: 'always' };
  fleet.ok('taskAdd', { task: 'hers', mode: 'create', spec }, ann);
  fleet.ok('taskRun', { targets: ['hers'] }, ann);
  fleet.ok('taskRun', { targets: ['everywhere'], timing }, ann);
  fleet.ok('fileDef', { bundle: 'hers', digest: 'sha256:3', sizeBytes: 1 }, ann);
  fleet.join('b9', { zone: 'b' });
  fleet.join('a9', { zone: 'a' });
  const items = (name: string): string[] => {
    const uid = fleet.state.index.nodeByName.get(name) ?? '';
    const all = [...(fleet.state.assignments.get(uid)?.items.values() ?? [])];
    return all.flatMap(({ task, bundle, plan }) => task ?? bundle ?? plan?.schedule ?? []);
  };
  expect(items('b9').filter((name) => name === 'hers')).toEqual([]);
  expect(items('a9')).toEqual(expect.arrayContaining(['hers', 'hers', 'hers']));
});

test('labels: inside the scope, but not those it tests', () => {
  const fleet = new Fleet();
  const ann = fleet.login('ann', 'operator', { scope: 'zone=a,tier!=x' });
  const label = (node: string, more: CommandBody<'hostState'> | object): string =>
    code(fleet.do('hostState', { node, ...more }, ann));
  expect(label('a1', { labels: { rack: '7' } })).toBe('ok');
  expect(label('b1', { labels: { zone: 'a' } })).toBe('not-allowed');
  expect(label('a1', { labels: { zone: 'b' } })).toBe('not-allowed');
  expect(label('a1', { labelsRemoved: ['tier'] })).toBe('not-allowed');
});

test('viewers change nothing; a revoked key commands nothing', () => {
  const fleet = new Fleet();
  const vic = fleet.login('vic', 'viewer');
  const ann = fleet.login('ann', 'operator');
  expect(code(fleet.do('taskRun', { targets: ['ina'] }, vic))).toBe('not-allowed');
  expect(code(fleet.do('taskRun', { targets: ['ina'] }, ann))).toBe('ok');
  const { change } = fleet.do('depIdentity', { mode: 'revoke', names: ['ann'] }, 'root');
  expect(change.closed).toEqual([ann]);
  expect(code(fleet.do('taskRun', { targets: ['ina'] }, ann))).toBe('unauthenticated');
  expect(code(fleet.do('taskRun', { targets: ['ina'] }, 'nobody'))).toBe('unauthenticated');
});

test('the last admin is not revoked without force', () => {
  const fleet = new Fleet();
  const revoke = (names: string[], force?: boolean): string =>
    code(fleet.do('depIdentity', { mode: 'revoke', names, force }, 'root'));
  expect(revoke(['root'])).toBe('in-use');
  fleet.login('ann', 'admin');
  expect(revoke(['root', 'ann'])).toBe('ok');
  const living = [...fleet.state.identities.values()].filter(
    ({ role, revokedAt }) => role === 'admin' && revokedAt === undefined,
  );
  expect(living.map(({ name }) => name)).toEqual(['ann']);
});

test('an identity lapses in true time, once that is certain', () => {
  const fleet = new Fleet();
  const ann = fleet.login('ann', 'operator');
  const { expiresAt = 0 } = fleet.state.identities.get(ann) ?? ({} as IdentityRecord);
  const at = (atUs: number, errorUs: number) => () =>
    authorityOf(fleet.state, ann, { at: atUs, errorUs });
  expect(at(expiresAt + 1000, 2000)).not.toThrow();
  expect(at(expiresAt + 2000, 1000)).toThrow('lapsed');
});

test('a message of which nobody has said what it is about is about the whole fleet', () => {
  const fleet = new Fleet();
  expect(reachOf(fleet.state, 'taskEverything' as MessageKind, {}).size).toBe(5);
  for (const kind of Object.keys(toServer) as MessageKind[]) {
    const right = rightOf('operator', kind, { query: 'nodes' });
    const isJudged = right !== 'yes' && right !== 'no' && kind !== 'fileChunk';
    // About nothing, where it names nothing: it has a row of its own.
    if (isJudged && kind !== 'retExec' && kind !== 'fileDef' && kind !== 'filePut') {
      expect([kind, reachOf(fleet.state, kind, {}).size]).toEqual([kind, 0]);
    }
  }
});

test('a start is about the nodes that it is carried out on', () => {
  const { state } = new Fleet();
  const tasks = ['everywhere', 'moved', 'ina', 'inb', 'one', 'mixed', 'bundled', 'nothing'];
  for (const target of tasks) {
    for (const on of ['@all', 'zone=a', 'zone!=a', 'a1', 'a1,b1', 'b*', 'z9', 'zone=z']) {
      const reached = [...reachOf(state, 'taskRun', { targets: [target], on })];
      let aimed: readonly string[] = [];
      try {
        aimed = resolveTarget(state, target, { on, starting: true }).map((aim) => aim.node.name);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
      }
      expect([target, on, reached.map(({ name }) => name)]).toEqual([target, on, aimed]);
    }
  }
});

// ---- nothing outside the scope reaches the model ----

const names = ['everywhere', 'moved', 'ina', 'inb', 'one', 'mixed', 'bundled', 'nothing'];
const task = fc.constantFrom(...names);
const node = fc.constantFrom('a1', 'a2', 'b1', 'b2', 'z9');
const target = fc.oneof(
  task,
  fc.tuple(task, node).map(([t, n]) => `${t}@${n}`),
);
const selector = fc.constantFrom(
  ...['@all', 'zone=a', 'zone=b', 'a1', 'b1', 'a*', 'zone!=b', 'zone in (a,b)', 'a1,b1', 'x=y'],
);
const on = fc.option(selector, { nil: undefined });
const timing = fc.option(fc.constant({ everyUs: 1_000_000 }), { nil: undefined });
const targets = fc.uniqueArray(target, { minLength: 1, maxLength: 3 });
const spec = fc.record({
  ...{ command: fc.constant(['x']), on },
  bundle: fc.constantFrom(undefined, 'code', 'acode'),
});
const list = fc.uniqueArray(task, { minLength: 1, maxLength: 2 });
const bundle = fc.constantFrom('code', 'acode', 'new');
const schedules = fc.uniqueArray(
  task.map((name) => `of-${name}`),
  { minLength: 1, maxLength: 2 },
);

const document: fc.Arbitrary<Shape<'document'>> = fc.oneof(
  fc.record({ task, spec }).map((one) => ({ entry: 'task', ...one })),
  fc
    .record({
      task,
      schedule: task.map((name) => `of-${name}`),
      on,
      action: fc.constantFrom('start', 'stop'),
    })
    .map(({ schedule, ...one }) => {
      return { entry: 'schedule', ...one, timing: { everyUs: 2_000_000, schedule } };
    }),
  fc
    .record({ node, labels: fc.constantFrom({ zone: 'a' }, { zone: 'b', rack: '1' }) })
    .map((one) => ({ entry: 'node', ...one })),
);

const asks: fc.Arbitrary<readonly [MessageKind, AnyBody]> = fc.oneof(
  ...(['taskRun', 'taskStop', 'taskCont', 'taskKill'] as const).map((kind) =>
    fc.record({ targets, on, timing }).map((body) => [kind, body] as const),
  ),
  fc
    .record({ targets, mode: fc.constantFrom('stop', 'kill') })
    .map((b) => ['taskKill', b] as const),
  fc
    .record({ task, spec, mode: fc.constantFrom('create', 'set') })
    .map((body) => ['taskAdd', body] as const),
  ...(['taskRm', 'taskOk', 'taskNok'] as const).map((kind) =>
    fc.record({ names: list, force: fc.boolean() }).map((body) => [kind, body] as const),
  ),
  fc
    .record({ bundle, on, replace: fc.boolean(), timing })
    .map((b) => ['fileDef', { ...b, digest: 'sha256:9', sizeBytes: 1 }] as const),
  fc
    .record({ names: bundle.map((name) => [name]), on, force: fc.boolean() })
    .map((body) => ['fileRm', body] as const),
  fc
    .record({ spec, on: selector })
    .map((b) => ['retExec', { ...b, present: ['a1', 'b1'] }] as const),
  fc
    .record({ node, labels: fc.constantFrom({ zone: 'a' }, { zone: 'b' }, { rack: '1' }) })
    .map((body) => ['hostState', body] as const),
  fc
    .record({ mode: fc.constantFrom('rm', 'pause', 'resume'), names: schedules, on })
    .map((body) => ['depSchedule', body] as const),
  fc
    .record({ mode: fc.constantFrom('pause', 'resume'), on: selector })
    .map((body) => ['depSchedule', body] as const),
  fc
    .record({ documents: fc.array(document, { maxLength: 3 }), prune: fc.boolean() })
    .map(({ documents, prune }) => {
      const distinct = new Map(documents.map((one) => [JSON.stringify(one), one]));
      const bytes = encodeSequence('document', [...distinct.values()]);
      return ['depApply', { documents: bytes, prune }] as const;
    }),
);

/**
 * What nodes are told, by name. A schedule that rests on one node has a new revision on all, with
 * which the others do what they did: numbers and order say nothing.
 */
function told(state: State): Map<string, string> {
  const all = new Map<string, string>();
  for (const { uid, name } of state.nodes.values()) {
    const items = [...(state.assignments.get(uid)?.items.values() ?? [])]
      .map((one) => {
        const { generation: _, plan, ...item } = one;
        return { ...item, plan: plan && { ...plan, revision: 0 } };
      })
      .sort((x, y) => (x.item < y.item ? -1 : 1));
    all.set(name, JSON.stringify([items, state.nodes.get(uid)?.labels]));
  }
  return all;
}

test('whatever an operator asks, nodes outside its scope are told nothing new', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('zone=a', 'a1', 'a*', 'zone in (a)', 'zone=b'),
      fc.array(asks, { minLength: 1, maxLength: 6 }),
      (scope, requests) => {
        const fleet = new Fleet();
        const op = fleet.login('op', 'operator', { scope, grants: ['define', 'run', 'user=*'] });
        const outside = [...fleet.state.nodes.values()].filter((one) => !isWithin(scope, one));
        const before = told(fleet.state);
        for (const [kind, body] of requests) {
          const authority = authorityOf(fleet.state, op, { at: fleet.no });
          const refused = judge(fleet.state, authority, kind, body);
          const reply = fleet.do(kind as 'taskRun', body as never, op);
          // The door and the record say the same.
          if (refused) expect(code(reply)).toBe('not-allowed');
          else expect(code(reply)).not.toBe('not-allowed');
        }
        const after = told(fleet.state);
        for (const { name } of outside) expect(after.get(name)).toBe(before.get(name));
      },
    ),
    { numRuns: 400 },
  );
});

test('a viewer, an agent and a token change nothing at all', () => {
  fc.assert(
    fc.property(asks, fc.constantFrom('viewer', 'agent', 'enrol'), ([kind, body], role) => {
      const fleet = new Fleet();
      const refused = judge(fleet.state, { role, name: 'x' }, kind, body);
      expect(refused?.code).toBe('not-allowed');
    }),
    { numRuns: 60 },
  );
});
