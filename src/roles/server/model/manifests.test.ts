/** Manifests in the model: all or nothing, idempotent, and a dry run that tells the truth. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeSequence } from '../../../net/codec.ts';
import type { Shape } from '../../../net/layout.ts';
import { apply } from './apply.ts';
import { Change, Refusal } from './change.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { tryManifests } from './manifests.ts';
import { encodeEntries, freeze } from './snapshot.ts';
import { emptyState, type Reply } from './state.ts';

const MAX = Number.MAX_SAFE_INTEGER;

type Document = Shape<'document'>;
type Options = Partial<CommandBody<'depApply'>>;

class Machine {
  readonly state = emptyState();
  #no = 0;

  command<K extends CommandKind>(kind: K, body: CommandBody<K>): Command {
    this.#no += 1;
    const key = Buffer.from(String(this.#no).padStart(16, '0'));
    const at = this.#no * 1_000_000;
    return { kind, body, key, at, who: 'admin', origin: 'test' } as unknown as Command;
  }

  do<K extends CommandKind>(kind: K, body: CommandBody<K>): Reply {
    const command = this.command(kind, body);
    return apply(this.state, command, this.#no).reply;
  }

  join(name: string, labels: Record<string, string> = {}): string {
    const spki = Buffer.from(`token-${name}`).toString('hex');
    this.do('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
    const body = { spki: `key-${name}`, token: spki.slice(0, 8), instance: 'i', build: 'b' };
    const reply = this.do('enrol', { ...body, node: name, labels });
    return reply.ok ? (reply.body['uid'] as string) : reply.text;
  }

  apply(documents: readonly Document[], options: Options = {}): readonly string[] | string {
    const body = { documents: encodeSequence('document', documents), ...options };
    return told(this.do('depApply', body));
  }

  try(documents: readonly Document[], options: Options = {}): readonly string[] | string {
    const body = { documents: encodeSequence('document', documents), ...options };
    const change = new Change(this.state, this.command('depApply', body));
    try {
      return told(tryManifests(change, body));
    } catch (error) {
      if (error instanceof Refusal) return told(error.reply);
      throw error;
    }
  }

  /** All that a snapshot would hold, but for the memory of replies and the time. */
  text(): string {
    const entries = freeze(this.state).filter(([table]) => table !== 'replies' && table !== 'head');
    return Buffer.concat([...encodeEntries(entries)]).toString('hex');
  }
}

/** `task a create`, or why not. */
function told(reply: Reply): readonly string[] | string {
  if (!reply.ok) return `${reply.code}: ${reply.text}`;
  return (reply.body['changes'] as readonly Shape<'change'>[]).map((row) => {
    const { entry, mode, task, schedule, node, names } = row;
    const name = entry === 'task' ? task : entry === 'schedule' ? schedule : node;
    return `${entry} ${name} ${mode}${names?.length ? ` ${names.join(',')}` : ''}`;
  });
}

const task = (name: string, more: Partial<Shape<'spec'>> = {}): Document => ({
  ...{ entry: 'task', task: name },
  spec: { command: ['./x'], ...more },
});
const schedule = (
  name: string,
  of: string,
  timing: Shape<'timing'> = { everyUs: 1e6 },
): Document => ({
  ...{ entry: 'schedule', task: of, action: 'start' },
  timing: { ...timing, schedule: name },
});
const node = (name: string, labels: Record<string, string>): Document => ({
  ...{ entry: 'node', node: name, labels },
});

test('creates, then changes nothing, then what differs', () => {
  const machine = new Machine();
  machine.join('n1');
  const all = [schedule('s1', 'a'), task('a'), node('n1', { zone: 'a' })];
  const created = ['node n1 change zone', 'task a create', 'schedule s1 create'];
  expect(machine.try(all)).toEqual(created);
  expect(machine.apply(all)).toEqual(created);
  const text = machine.text();
  expect(machine.try(all)).toEqual([]);
  expect(machine.apply(all)).toEqual([]);
  expect(machine.text()).toBe(text);
  const changed = [
    ...[node('n1', {}), task('a', { restart: 'always', env: { A: '1' } })],
    schedule('s1', 'a', { everyUs: 2e6 }),
  ];
  const rows = [
    'node n1 change zone',
    'task a change env,restart',
    'schedule s1 change everyUs,fromUs',
  ];
  expect(machine.try(changed)).toEqual(rows);
  expect(machine.apply(changed)).toEqual(rows);
  expect(machine.state.nodes.values().next().value?.labels).toEqual({});
  expect(machine.state.tasks.get('a')?.revision).toBe(2);
});

test('one refusal, and nothing has happened', () => {
  const machine = new Machine();
  machine.join('n1');
  machine.apply([task('a'), schedule('s1', 'a')]);
  const text = machine.text();
  const changing = [node('n1', { zone: 'b' }), task('a', { user: 'u' }), task('b')];
  for (const [bad, why] of [
    [task('c', { bundle: 'none' }), 'no-such-bundle'],
    [task('c', { on: 'n9' }), 'no-such-node'],
    [task('c', { restart: 'perhaps' }), 'usage'],
    [schedule('s2', 'nobody'), 'no-such-task'],
    [schedule('s2', 'a', { at: 1 }), 'expired'],
    [{ ...schedule('s2', 'a'), action: 'load' }, 'usage'],
    [node('n9', {}), 'no-such-node'],
    [task('a'), 'usage: task "a" stands there twice'],
    [{ entry: 'fleet' }, 'usage'],
    [{ entry: 'task' }, 'usage'],
    [task('c', { keepForMs: MAX }), `usage: keepForMs: ${MAX} is more than`],
    [schedule('s2', 'a', { splayUs: MAX }), `usage: splayUs: ${MAX} is more than`],
  ] as const) {
    const documents = [...changing, bad as Document];
    expect(machine.try(documents)).toContain(why);
    expect(machine.apply(documents)).toContain(why);
    expect(machine.text()).toBe(text);
  }
  expect(machine.do('depApply', { documents: Buffer.from('nonsense') })).toMatchObject({
    ...{ ok: false, code: 'usage' },
  });
});

test('--if-revision speaks of tasks that change', () => {
  const machine = new Machine();
  machine.join('n1');
  expect(machine.apply([task('a')], { ifRevision: 1 })).toContain('stale');
  expect(machine.apply([task('a')], { ifRevision: 0 })).toEqual(['task a create']);
  expect(machine.apply([task('a')], { ifRevision: 7 })).toEqual([]);
  expect(machine.apply([task('a', { user: 'u' })], { ifRevision: 2 })).toContain('stale');
  expect(machine.apply([task('a', { user: 'u' })], { ifRevision: 1 })).toHaveLength(1);
});

test('a bundle that is pinned must be that content', () => {
  const machine = new Machine();
  machine.join('n1');
  const digest = `sha256:${'a'.repeat(64)}`;
  machine.do('fileDef', { bundle: 'code', digest, sizeBytes: 1 });
  const pinned = { ...task('a', { bundle: 'code' }), digest };
  expect(machine.apply([pinned])).toEqual(['task a create']);
  expect(machine.apply([{ ...pinned, digest: `sha256:${'b'.repeat(64)}` }])).toContain('stale');
});

test('secrets stay as they are, are told to nobody, and stand in no manifest', () => {
  const machine = new Machine();
  machine.join('n1');
  const spec = { command: ['./x'], secretEnv: { KEY: 's:sealed' } };
  machine.do('taskAdd', { task: 'a', spec, mode: 'create' });
  expect(machine.apply([task('a')])).toEqual([]);
  const document = encodeSequence('document', [task('a', { user: 'u' })]);
  const command = machine.command('depApply', { documents: document });
  const reply = tryManifests(new Change(machine.state, command), { documents: document });
  expect(JSON.stringify(reply)).not.toContain('sealed');
  expect(machine.apply([task('a', { user: 'u' })])).toEqual(['task a change user']);
  expect(machine.state.tasks.get('a')?.spec.secretEnv).toEqual(spec.secretEnv);
  expect(machine.apply([task('a', { secretEnv: { KEY: 'v:open' } })])).toContain('usage');
});

test('prune: what nobody names, of those that are meant', () => {
  const machine = new Machine();
  machine.join('n1');
  const all = [
    task('a'),
    task('b'),
    task('c1'),
    task('c2'),
    schedule('s1', 'a'),
    schedule('s2', 'b'),
  ];
  machine.apply(all);
  const keep = [task('a')];
  expect(machine.try(keep, { prune: true, names: ['c*'] })).toEqual([
    'task c1 remove',
    'task c2 remove',
  ]);
  expect(machine.try(keep, { prune: true })).toEqual([
    ...['schedule s1 remove', 'schedule s2 remove'],
    ...['task b remove', 'task c1 remove', 'task c2 remove'],
  ]);
  machine.do('taskRun', { targets: ['b'] });
  const text = machine.text();
  expect(machine.apply(keep, { prune: true })).toContain('running: task "b" is in use');
  expect(machine.text()).toBe(text);
  expect(machine.apply(keep, { prune: true, names: ['c1', 's1'] })).toHaveLength(2);
  expect([...machine.state.tasks.keys()]).toEqual(['a', 'b', 'c2']);
  expect([...machine.state.schedules.keys()]).toEqual(['s2']);
});

test('prune: names that nothing has take nothing, and are no mistake the next time either', () => {
  const machine = new Machine();
  machine.apply([task('a'), task('b'), schedule('s1', 'a')]);
  const text = machine.text();
  const options = { prune: true, names: ['nobody', 'x-*'] };
  expect(machine.try([task('a')], options)).toEqual([]);
  expect(machine.apply([task('a')], options)).toEqual([]);
  expect(machine.text()).toBe(text);
});

test('a running process goes on, and is named; rest and enabling stay as they are', () => {
  const machine = new Machine();
  machine.join('n1');
  machine.apply([task('a'), schedule('s1', 'a')]);
  machine.do('taskRun', { targets: ['a'] });
  machine.do('taskNok', { names: ['a'] });
  machine.do('depSchedule', { mode: 'pause', names: ['s1'] });
  expect(machine.apply([task('a'), schedule('s1', 'a')])).toEqual([]);
  const reply = machine.do('depApply', {
    documents: encodeSequence('document', [
      task('a', { user: 'u' }),
      schedule('s1', 'a', { everyUs: 5e6 }),
    ]),
  });
  expect(reply).toMatchObject({ body: { changes: [{ affected: ['a@n1'], running: 1 }, {}] } });
  expect(machine.state.tasks.get('a')?.enabled).toBe(false);
  expect(machine.state.schedules.get('s1')?.paused).toBe(true);
  const on = [
    { ...task('a', { user: 'u' }), enabled: true },
    { ...schedule('s1', 'a', { everyUs: 5e6 }), paused: false },
  ];
  expect(machine.apply(on)).toEqual(['task a change enabled', 'schedule s1 change paused']);
});

test('an every without from keeps the instants it has', () => {
  const machine = new Machine();
  machine.join('n1');
  machine.apply([task('a'), schedule('s1', 'a')]);
  const plan = machine.state.schedules.get('s1')?.plan;
  machine.apply([schedule('s1', 'a', { everyUs: 1e6, fromUs: plan?.fromUs, tz: undefined })]);
  expect(machine.state.schedules.get('s1')?.plan).toBe(plan);
});

test('labels of several nodes start what is wished up there, in one operation', () => {
  const machine = new Machine();
  const uids = ['n1', 'n2', 'n3'].map((name) =>
    machine.join(name, name === 'n3' ? { zone: 'a' } : {}),
  );
  machine.apply([task('a', { restart: 'always', on: 'zone=a' })]);
  machine.do('taskRun', { targets: ['a'] });
  machine.apply([node('n1', { zone: 'a' }), node('n2', { zone: 'a' })]);
  const runs = [...machine.state.runs.values()];
  expect(runs.map(({ uid }) => uid).sort()).toEqual([...uids].sort());
  const last = [...machine.state.operations.values()].at(-1);
  expect(last?.targets).toEqual(['a@n1', 'a@n2']);
  expect(last?.waiting.size).toBe(2);
});

test('whatever is applied: the dry run said so, twice changes nothing, refused is untouched', () => {
  const names = fc.constantFrom('a', 'b', 'c');
  const document: fc.Arbitrary<Document> = fc.oneof(
    fc
      .tuple(names, fc.constantFrom(undefined, 'n1', 'zone=a', 'n9'))
      .map(([name, on]) => task(name, { on })),
    fc.tuple(fc.constantFrom('s', 't'), names).map(([name, of]) => schedule(name, of)),
    fc
      .tuple(
        fc.constantFrom('n1', 'n2', 'n9'),
        fc.constantFrom<Record<string, string>>({}, { zone: 'a' }),
      )
      .map(([name, labels]) => node(name, labels)),
  );
  const request = fc.record({
    documents: fc.array(document, { maxLength: 5 }),
    prune: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 6 }), (requests) => {
      const machine = new Machine();
      machine.join('n1');
      machine.join('n2');
      for (const { documents, prune } of requests) {
        const before = machine.text();
        const said = machine.try(documents, { prune });
        expect(machine.text()).toBe(before);
        const done = machine.apply(documents, { prune });
        expect(done).toEqual(said);
        if (typeof done === 'string') expect(machine.text()).toBe(before);
        else expect(machine.apply(documents, { prune })).toEqual([]);
      }
    }),
    { numRuns: 200 },
  );
});
