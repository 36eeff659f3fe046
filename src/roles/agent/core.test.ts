import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeNode } from '../../../tests/agent/fake-node.ts';
import { errorCodes } from '../../base/errors.ts';
import type { Req, Shape } from '../../net/bodies.ts';
import { hasEnded } from '../../supervisor/states.ts';
import { AgentCore } from './core.ts';
import type { AgentAction, AgentEvent, FoundRun, Item, Report, RunEvent } from './events.ts';

const end = { how: 'code', value: 3, cpuMs: 7, maxMemoryBytes: 4096, atUs: 9_000_000 } as const;

function order(n: number, verb: string, run: string, more: Partial<Item> = {}): Item {
  const item = `O${n}/0`;
  const spec = verb === 'start' || verb === 'restart' ? { command: ['./x'] } : undefined;
  const base = { item, order: item, generation: n, entry: 'order', verb, run, task: 'web', spec };
  return { ...base, at: 1, ...more };
}

function assign(generation: number, items: readonly Item[], more: Partial<Req<'synAssign'>> = {}) {
  return { generation, base: generation - 1, items, ...more };
}

const answers = (reports: readonly Report[]) =>
  reports.flatMap((report) => (report.answer ? [{ order: report.order, ...report.answer }] : []));
const rows = (reports: readonly Report[]): Shape<'process'>[] =>
  reports.flatMap((report) => (report.process ? [report.process] : []));

test('a start is launched before its order is durable, answered when its exec was seen', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.settle();
  const actions = node.step({
    type: 'assign',
    request: 7,
    body: assign(1, [order(1, 'start', 'R1')]),
  });
  const kinds = actions.map((action) => action.type);
  expect(kinds.indexOf('launch')).toBeLessThan(kinds.indexOf('commit'));
  expect(node.replies).toEqual([]);
  node.commit();
  expect(node.replies).toMatchObject([{ request: 7, body: { generation: 1 } }]);
  node.settle();
  expect(rows(node.journaled).at(-1)).toMatchObject({
    run: 'R1',
    processState: 'running',
    pid: 100,
  });
  expect(answers(node.journaled)).toEqual([{ order: 'O1/0', ok: true, run: 'R1', task: 'web' }]);
});

test('exits are reported with their code, in dense order, and acknowledged reports go', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  node.run('R1', { kind: 'ended', end, left: false });
  node.settle();
  expect(rows(node.journaled).at(-1)).toMatchObject({ processState: 'exited', exitCode: 3 });
  expect(node.journaled.map((report) => report.seq)).toEqual(node.journaled.map((_, i) => i + 1));
  node.tick(2_000);
  node.settle();
  expect(node.tables.reports.size).toBe(0);
  expect(node.core.unreported).toBe(0);
});

test('a message that comes twice is taken once; one that does not fit is refused', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  const body = assign(1, [order(1, 'start', 'R1')]);
  node.assign(body);
  node.assign(body);
  node.settle();
  expect(node.launches).toEqual(['R1']);
  expect(node.replies).toHaveLength(2);
  node.assign(assign(5, []));
  expect(node.refusals.at(-1)?.failure.errorCode).toBe(errorCodes['wrong-state'].number);
  node.assign({ generation: 5, base: 0, items: [order(1, 'start', 'R1')], reset: true });
  node.settle();
  expect(node.launches).toEqual(['R1']);
  expect(node.core.standing.generation).toBe(5);
});

test('suspend, resume, stop: answered when seen; each cell of "Words" by the truth', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  const ask = (n: number, verb: string, more: Partial<Item> = {}) => {
    node.assign(assign(n, [order(n, verb, 'R1', more)]));
    node.settle();
    return answers(node.journaled).find((answer) => answer.order === `O${n}/0`);
  };
  expect(ask(2, 'resume')).toMatchObject({
    ok: false,
    errorCode: errorCodes['not-suspended'].number,
  });
  expect(ask(3, 'suspend')).toMatchObject({ ok: true });
  expect(node.row('R1')).toMatchObject({ processState: 'suspended' });
  expect(ask(4, 'suspend')).toMatchObject({ ok: true, unchanged: true });
  expect(ask(5, 'resume')).toMatchObject({ ok: true });
  expect(ask(6, 'kill', { signal: 'SIGUSR1' })).toMatchObject({ ok: true });
  expect(node.signals).toEqual(['R1 SIGUSR1']);
  node.obeysTerm = false;
  expect(ask(7, 'stop', { stopGraceMs: 400 })).toBeUndefined();
  expect(node.row('R1')).toMatchObject({ processState: 'stopping', wish: 'down' });
  node.tick(401);
  node.settle();
  expect(answers(node.journaled).at(-1)).toMatchObject({ order: 'O7/0', ok: true });
  expect(node.row('R1')).toMatchObject({ processState: 'exited', signal: 'SIGKILL' });
  expect(ask(8, 'stop')).toMatchObject({ ok: true, unchanged: true });
  expect(ask(9, 'kill', { at: 1e15 })).toMatchObject({
    ok: false,
    errorCode: errorCodes['not-running'].number,
  });
});

test('what cannot be repeated waits until its order is durable; a kill does not', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  node.assign(
    assign(2, [order(2, 'kill', 'R1', { signal: 'SIGUSR1' }), order(2, 'suspend', 'R1')]),
  );
  expect([node.signals, node.treeActs]).toEqual([[], []]);
  node.settle();
  expect(node.signals).toEqual(['R1 SIGUSR1']);
  node.assign(assign(3, [order(3, 'kill', 'R1')]));
  expect(node.treeActs.at(-1)).toBe('kill-tree R1');
});

test('a suspend behind a resume waits for it', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  node.assign(assign(2, [order(2, 'suspend', 'R1')]));
  node.settle();
  const both = [order(3, 'resume', 'R1'), { ...order(4, 'suspend', 'R1'), generation: 3 }];
  node.assign(assign(3, both));
  node.settle();
  expect(node.row('R1')).toMatchObject({ processState: 'suspended' });
  expect(node.treeActs).toEqual(['freeze R1', 'thaw R1', 'freeze R1']);
});

test('restart stops the old run first; a stop of a run that waits cancels it', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  node.obeysTerm = false;
  node.assign(assign(2, [order(2, 'restart', 'R2', { previous: 'R1' })]));
  node.settle();
  expect(node.row('R2')).toMatchObject({
    processState: 'pending',
    reason: 'waits for the end of R1',
  });
  expect(node.launches).toEqual(['R1']);
  node.run('R1', { kind: 'ended', end, left: false });
  node.settle();
  expect(node.launches).toEqual(['R1', 'R2']);
  expect(answers(node.journaled).at(-1)).toMatchObject({ order: 'O2/0', ok: true, run: 'R2' });
  node.assign(assign(3, [order(3, 'restart', 'R3', { previous: 'R2' })]));
  node.assign(assign(4, [order(4, 'stop', 'R3')]));
  node.settle();
  const last = answers(node.journaled).slice(-2);
  expect(last).toMatchObject([
    { order: 'O3/0', ok: false, errorCode: errorCodes.cancelled.number },
    { order: 'O4/0', ok: true },
  ]);
  expect(node.row('R3')).toMatchObject({ processState: 'failed', reason: 'cancelled' });
});

test('an order withdrawn before it was carried out is cancelled, an expired one refused', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  const bundle = {
    item: 'bundle:b',
    generation: 1,
    entry: 'bundle',
    bundle: 'b',
    digest: 'sha256:1',
  };
  node.contentComes = false;
  node.assign(assign(1, [bundle, order(1, 'start', 'R1', { bundle: 'b', digest: 'sha256:1' })]));
  node.settle();
  expect(node.row('R1')).toMatchObject({
    processState: 'pending',
    reason: 'bundle "b" is loading',
  });
  node.assign(assign(2, [], { removed: ['O1/0'] }));
  node.settle();
  expect(node.row('R1')).toMatchObject({ processState: 'failed', reason: 'cancelled' });
  expect(node.launches).toEqual([]);
  node.assign(assign(3, [order(3, 'suspend', 'R1', { expiresAt: 1 })]));
  node.settle();
  expect(answers(node.journaled).at(-1)).toMatchObject({ errorCode: errorCodes.expired.number });
});

test('a bundle: fetched once for two names, kept while a run stands on it, then removed', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  const named = (bundle: string): Item => {
    const item = `bundle:${bundle}`;
    return { item, generation: 1, entry: 'bundle', bundle, digest: 'sha256:1', sizeBytes: 5 };
  };
  node.assign(assign(1, [named('a'), named('b')]));
  node.settle();
  expect(node.fetches).toEqual(['sha256:1']);
  node.assign(assign(2, [order(2, 'start', 'R1', { bundle: 'a', digest: 'sha256:1' })]));
  node.settle();
  node.assign(assign(3, [], { removed: ['bundle:a', 'bundle:b'] }));
  node.settle();
  const states = () =>
    node.journaled.flatMap((one) => (one.bundleState ? [`${one.bundle} ${one.bundleState}`] : []));
  expect(states()).toEqual(['a loading', 'b loading', 'a loaded', 'b loaded']);
  expect(node.content).toEqual(new Set(['sha256:1']));
  node.run('R1', { kind: 'ended', end, left: false });
  node.settle();
  expect(states().slice(4)).toEqual(['a removed', 'b removed']);
  expect(node.content.size).toBe(0);
});

test('a bad bundle fails the run that needs it; a full disk is tried again', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.contentComes = false;
  const start = order(1, 'start', 'R1', { bundle: 'b', digest: 'sha256:1' });
  node.assign(assign(1, [start]));
  node.step({ type: 'bundle-failed', digest: 'sha256:1', reason: 'no space', passing: true });
  node.settle();
  expect(node.row('R1')).toMatchObject({
    processState: 'pending',
    reason: 'bundle "b" is loading (no space)',
  });
  node.tick(31_000);
  expect(node.fetches).toEqual(['sha256:1', 'sha256:1']);
  node.step({ type: 'bundle-failed', digest: 'sha256:1', reason: 'bad archive', passing: false });
  node.settle();
  expect(node.row('R1')).toMatchObject({
    processState: 'failed',
    reason: 'bundle "b": bad archive',
  });
  expect(answers(node.journaled).at(-1)).toMatchObject({
    errorCode: errorCodes['bundle-failed'].number,
  });
});

test('what was not acknowledged is sent again; a row not yet sent takes the newest state', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  const before = node.journaled.length;
  node.disconnect();
  node.assignOffline();
  node.run('R1', { kind: 'ended', end, left: true });
  node.settle();
  node.run('R1', { kind: 'gone' });
  node.settle();
  expect(node.tables.reports.size).toBe(1);
  node.loseReplies = true;
  node.connect();
  node.settle();
  node.disconnect();
  node.loseReplies = false;
  node.connect();
  node.settle();
  const late = node.journaled.slice(before);
  expect(rows(late)).toMatchObject([{ processState: 'exited', exitCode: 3 }]);
});

test('a full disk refuses the assignment and keeps what is to be reported', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  node.diskFull = true;
  node.run('R1', { kind: 'ended', end, left: false });
  node.assign(assign(2, [order(2, 'stop', 'R1')]));
  node.settle();
  node.tick(1_001);
  node.settle();
  expect(node.refusals.at(-1)?.failure.errorCode).toBe(errorCodes['disk-full'].number);
  expect(rows(node.journaled).at(-1)).toMatchObject({ processState: 'running' });
  node.diskFull = false;
  node.tick(1_001);
  node.settle();
  expect(rows(node.journaled).at(-1)).toMatchObject({ processState: 'exited' });
  expect(answers(node.journaled).at(-1)).toMatchObject({ order: 'O2/0', ok: true });
});

test('another journal makes the node ask for the full list and drop what is not in it', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  node.disconnect();
  node.server = { journal: 'other', seq: 3, after: 0 };
  node.connect();
  expect(node.core.standing).toMatchObject({ reset: true, journal: 'other', seenSeq: 3 });
  node.assign({ generation: 1, base: 0, items: [], reset: true, names: [] });
  node.settle();
  expect(node.core.standing).toMatchObject({ reset: undefined, generation: 1 });
  expect(node.tables.items.size).toBe(0);
  expect(node.row('R1')).toMatchObject({ processState: 'running' });
});

test('a directory that went back numbers its reports above those the server has', () => {
  const node = new FakeNode();
  node.boot();
  node.server = { ...node.server, after: 40 };
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  expect(Math.min(...node.journaled.map((report) => report.seq))).toBe(41);
});

test('retention keeps the newest runs of a task', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  for (let n = 1; n <= 4; n += 1) {
    const spec = { command: ['./x'], keepRuns: 2 };
    node.assign(assign(n, [order(n, 'start', `R${n}`, { spec })]));
    node.settle();
    node.run(`R${n}`, { kind: 'ended', end, left: false });
    node.settle();
    node.tick(10);
  }
  expect([...node.directories.keys()].sort()).toEqual(['R3', 'R4']);
});

// ---- after a restart ----

function restarted(found: FoundRun['found'], before: (node: FakeNode) => void): FakeNode {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.assign(assign(1, [order(1, 'start', 'R1')]));
  node.settle();
  before(node);
  node.crash();
  node.boot([{ run: 'R1', found }]);
  node.connect();
  node.settle();
  return node;
}

test('adoption: alive goes on, a record tells the code, nothing left is lost', () => {
  const nothing = (): void => undefined;
  const alive = restarted({ kind: 'alive', frozen: false }, nothing);
  expect(alive.row('R1')).toMatchObject({ processState: 'running', pid: 100 });
  const frozen = restarted({ kind: 'alive', frozen: true }, (node) => {
    node.assign(assign(2, [order(2, 'suspend', 'R1')]));
    node.settle();
  });
  expect(frozen.row('R1')).toMatchObject({ processState: 'suspended' });
  const recorded = restarted({ kind: 'recorded', end }, nothing);
  expect(recorded.row('R1')).toMatchObject({ processState: 'exited', exitCode: 3 });
  const dead = restarted({ kind: 'dead', reason: 'node rebooted' }, nothing);
  expect(dead.row('R1')).toMatchObject({ processState: 'lost', reason: 'node rebooted' });
  expect(dead.row('R1')?.exitCode).toBeUndefined();
  expect(alive.launches).toEqual(['R1']);
});

test('a stop under way goes on after a restart, and is answered', () => {
  const node = restarted({ kind: 'alive', frozen: false }, (before) => {
    before.obeysTerm = false;
    before.assign(assign(2, [order(2, 'stop', 'R1')]));
    before.commit();
  });
  expect(node.row('R1')).toMatchObject({ processState: 'stopping' });
  node.tick(10_001);
  node.settle();
  expect(answers(node.journaled).at(-1)).toMatchObject({ order: 'O2/0', ok: true });
});

test('a claim without a row is adopted by the order in its directory', () => {
  const node = new FakeNode();
  node.boot([
    { run: 'R1', found: { kind: 'recorded', end }, order: order(1, 'start', 'R1') },
    { run: 'R2', found: { kind: 'unlaunched' }, order: order(2, 'start', 'R2') },
  ]);
  node.connect();
  node.settle();
  const last = rows(node.journaled).at(-1);
  expect(last).toMatchObject({ run: 'R1', processState: 'exited', exitCode: 3 });
  node.assign(assign(1, [order(1, 'start', 'R1'), { ...order(2, 'start', 'R2'), generation: 1 }]));
  node.settle();
  expect(node.launches).toEqual(['R2']);
  expect(node.removals).toContain('R2');
});

test('a signal begun before a crash is not sent again', () => {
  const node = restarted({ kind: 'alive', frozen: false }, (before) => {
    before.answersSignals = false;
    before.assign(assign(2, [order(2, 'kill', 'R1', { signal: 'SIGHUP' })]));
    before.settle();
  });
  expect(node.signals).toEqual(['R1 SIGHUP']);
  expect(answers(node.journaled).at(-1)).toMatchObject({ errorCode: errorCodes.lost.number });
});

/** The run that R2 replaces ends while the agent takes up what it finds, before it looks at R2. */
const endOfThePredecessorAtBoot = [
  { type: 'order', verb: 'start' },
  ...[{ type: 'commit' }, { type: 'commit' }],
  { type: 'order', verb: 'restart' },
  ...[{ type: 'commit' }, { type: 'crash' }],
] as const;

/**
 * Random histories with crashes between any two steps: whatever happens, no run is launched
 * twice, every order is answered once the world is quiet, and what is reported is what is true.
 */
test('random crashes: each order once, every answer given, every end true', () => {
  const verbs = ['start', 'stop', 'kill', 'suspend', 'resume', 'restart', 'signal'] as const;
  const act = fc.oneof(
    fc.record({ type: fc.constant('order' as const), verb: fc.constantFrom(...verbs) }),
    fc.constant({ type: 'crash' as const }),
    fc.constant({ type: 'commit' as const }),
    fc.constant({ type: 'work' as const }),
    fc.constant({ type: 'end' as const }),
    fc.constant({ type: 'kill-shim' as const }),
    fc.constant({ type: 'reconnect' as const }),
    fc.constant({ type: 'lose' as const }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      const node = new FakeNode();
      node.boot();
      node.connect();
      const server = new FakeServer(node);
      for (const one of acts) {
        if (one.type === 'order') server.order(one.verb);
        else if (one.type === 'crash') {
          node.crash();
          node.boot();
          node.connect();
          server.sync();
        } else if (one.type === 'commit') node.commit();
        else if (one.type === 'work') node.work();
        else if (one.type === 'end') node.endSome();
        else if (one.type === 'kill-shim') node.killShim();
        else if (one.type === 'lose') node.loseReplies = !node.loseReplies;
        else {
          node.disconnect();
          node.connect();
          server.sync();
        }
      }
      node.loseReplies = false;
      node.disconnect();
      node.connect();
      server.sync();
      for (let round = 0; round < 12; round += 1) {
        node.settle();
        node.tick(11_000);
      }
      expect(new Set(node.programs).size).toBe(node.programs.length);
      expect(server.unanswered()).toEqual([]);
      node.checkTruth();
    }),
    { numRuns: 400, examples: [[[...endOfThePredecessorAtBoot]]] },
  );
});

/** The server as the core sees it: orders with growing generations, sent from where the node is. */
class FakeServer {
  readonly #node: FakeNode;
  readonly #items: Item[] = [];
  #latest = 'R0';

  constructor(node: FakeNode) {
    this.#node = node;
  }

  order(verb: string): void {
    const n = this.#items.length + 1;
    const makes = verb === 'start' || verb === 'restart';
    const previous = verb === 'restart' ? this.#latest : undefined;
    if (makes) this.#latest = `R${n}`;
    const signal = verb === 'signal' ? 'SIGHUP' : undefined;
    const named = verb === 'signal' ? 'kill' : verb;
    this.#items.push(order(n, named, this.#latest, { previous, signal, stopGraceMs: 100 }));
    this.sync();
  }

  sync(): void {
    const { generation } = this.#node.core.standing;
    const items = this.#items.filter((item) => item.generation > generation);
    if (items.length === 0) return;
    this.#node.assign({ generation: this.#items.length, base: generation, items });
  }

  unanswered(): string[] {
    const told = new Set(answers(this.#node.journaled).map((answer) => answer.order));
    return this.#items.map((item) => item.item).filter((item) => !told.has(item));
  }
}

test('the harness itself would notice a run that is launched twice', () => {
  const node = new FakeNode();
  node.boot();
  node.launch('R1');
  expect(() => node.launch('R1')).toThrow(/twice/);
  const core = new AgentCore();
  const event: AgentEvent = { type: 'tick', time: { nowMs: 1, atUs: 1 } };
  const actions: readonly AgentAction[] = core.step(event);
  expect(actions).toEqual([]);
  const kind: RunEvent['kind'] = 'gone';
  expect(hasEnded('exited') && kind === 'gone').toBe(true);
});

test('the start of a command without a task is stored and told with its end, if that comes soon', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.settle();
  node.assign(assign(1, [order(1, 'start', 'R1', { task: undefined })]));
  node.commit();
  const stored = node.tables.runs.get('R1');
  node.settle();
  expect(node.row('R1')).toMatchObject({ processState: 'running' });
  expect(node.tables.runs.get('R1')).toEqual(stored);
  expect(node.journaled).toEqual([]);
  node.run('R1', { kind: 'ended', end, left: false });
  node.commit();
  node.settle();
  expect(rows(node.journaled).map(({ processState }) => processState)).toEqual(['exited']);
  expect(answers(node.journaled)).toMatchObject([{ order: 'O1/0', ok: true }]);
});

test('the start of one that goes on is stored and told in a moment', () => {
  const node = new FakeNode();
  node.boot();
  node.connect();
  node.settle();
  node.assign(assign(1, [order(1, 'start', 'R1', { task: undefined })]));
  node.settle();
  expect(node.journaled).toEqual([]);
  node.tick(50);
  node.settle();
  expect(rows(node.journaled)).toMatchObject([{ run: 'R1', processState: 'running' }]);
  expect(answers(node.journaled)).toMatchObject([{ order: 'O1/0', ok: true }]);
});
