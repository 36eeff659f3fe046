import { expect, test } from 'vitest';
import type { AnyBody, Failure, MessageKind, Req, Shape } from '../../net/layout.ts';
import type { Entry } from './controller.ts';
import { ServerCore } from './core.ts';
import type { PeerRole } from './may.ts';
import type { AskHandlers, HistoryRow, Replier, ServerPorts, SessionPort } from './ports.ts';

/** A world of one thread: the journal is durable when `flush` says so. */
class World implements ServerPorts {
  us = 1_000_000;
  waiting: { rec: Uint8Array; failed: (error: Error) => void }[] = [];
  readonly journal: Entry[] = [];
  readonly rows: HistoryRow[] = [];
  core!: ServerCore;
  #keys = 0;

  now(): { atUs: number } {
    this.us += 1;
    return { atUs: this.us };
  }
  monotonicMs(): number {
    return this.us / 1000;
  }
  key(): Uint8Array {
    this.#keys += 1;
    return Buffer.from(`key ${this.#keys}`.padEnd(16, '.'));
  }
  append(rec: Uint8Array, failed: (error: Error) => void): void {
    this.waiting.push({ rec, failed });
  }
  project(rows: readonly HistoryRow[]): void {
    this.rows.push(...rows);
  }
  history(
    query: { kind: string; run?: string | undefined },
    then: (rows: HistoryRow[]) => void,
  ): void {
    then(
      this.rows.filter((row) => row.kind === query.kind && (!query.run || row.run === query.run)),
    );
  }
  blobsUnneeded(): void {}
  log(): void {}

  /** Everything appended becomes durable and comes back, until nothing more is. */
  flush(): void {
    while (this.waiting.length > 0) {
      const entries = this.waiting.map(({ rec }, i) => ({ seq: this.journal.length + i + 1, rec }));
      this.waiting = [];
      this.journal.push(...entries);
      this.core.controller.entries(entries);
    }
  }
}

interface Asked {
  readonly kind: MessageKind;
  readonly body: AnyBody;
  readonly handlers: AskHandlers;
  credit: number;
  dropped: boolean;
}

class Session implements SessionPort {
  readonly peer;
  readonly asked: Asked[] = [];
  closedBecause: string | undefined;

  constructor(role: PeerRole, name: string, spki: string, uid?: string, token?: string) {
    this.peer = { role, name, spki, uid, token, address: '[fd00::9]:5000' };
  }
  ask(
    kind: MessageKind,
    body: AnyBody,
    handlers: AskHandlers,
  ): { drop(): void; credit(n: number): void } {
    const asked: Asked = { kind, body, handlers, credit: body.credit ?? 0, dropped: false };
    this.asked.push(asked);
    return {
      drop: () => {
        asked.dropped = true;
      },
      credit: (bytes) => {
        asked.credit = bytes;
      },
    };
  }
  close(reason: string): void {
    this.closedBecause = reason;
  }
  rttUs(): undefined {
    return undefined;
  }
  last(kind: MessageKind): Asked {
    const found = this.asked.findLast((one) => one.kind === kind);
    if (!found) throw new Error(`never asked ${kind}`);
    return found;
  }
}

class Answer implements Replier {
  acked: AnyBody | undefined;
  readonly mores: AnyBody[] = [];
  done: AnyBody | undefined;
  failed: Failure | undefined;
  drop: () => void = () => undefined;
  raise: (credit: number) => void = () => undefined;
  ack(body: AnyBody): void {
    this.acked = body;
  }
  more(body: AnyBody): void {
    this.mores.push(body);
  }
  ok(body: AnyBody): void {
    this.done = body;
  }
  fail(failure: Failure): void {
    this.failed = failure;
  }
  onDrop(dropped: () => void): void {
    this.drop = dropped;
  }
  onCredit(raised: (credit: number) => void): void {
    this.raise = raised;
  }
}

const facts = { journal: 'j1', epoch: 1 };

function make(): { world: World; core: ServerCore; admin: Session } {
  const world = new World();
  const core = new ServerCore(world, { build: 'test', facts });
  world.core = core;
  const asker = { who: 'server', origin: '' };
  core.controller.submit(
    'found',
    { fleet: 'f', spki: 'a0', identity: 'admin' },
    asker,
    () => undefined,
  );
  world.flush();
  return { world, core, admin: new Session('admin', 'admin', 'a0') };
}

function ask(core: ServerCore, from: Session, kind: MessageKind, body: AnyBody): Answer {
  const answer = new Answer();
  core.request(from, kind, body, answer);
  return answer;
}

let count = 0;
const key = (): Uint8Array => Buffer.from(`command ${(count += 1)}`.padEnd(16, '.'));

function join(world: World, core: ServerCore, admin: Session, name: string): Session {
  const spki = `${name}000000`.slice(0, 8).padEnd(64, '0');
  ask(core, admin, 'hostToken', { key: key(), spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
  world.flush();
  const enrol = new Session('enrol', 'token', spki, undefined, spki.slice(0, 8));
  const body = {
    csr: new Uint8Array(),
    instance: name,
    build: 'b',
    node: name,
    spki: `key-${name}`,
  };
  const answer = ask(core, enrol, 'hostAdd', body);
  world.flush();
  expect(answer.failed).toBeUndefined();
  return new Session('agent', name, `key-${name}`, answer.done?.uid);
}

function hello(
  world: World,
  core: ServerCore,
  agent: Session,
  more: Partial<Req<'hostHello'>> = {},
): unknown {
  const { name } = agent.peer;
  const body = { build: 'b', features: [], role: 'agent', instance: name, generation: 0, ...more };
  const welcome = core.hello(agent, body);
  world.flush();
  return welcome;
}

/** The agent takes its assignment, and runs or ends what it is told to. */
let reported = 0;
function obey(world: World, core: ServerCore, agent: Session, state: string): void {
  const assigned = agent.last('synAssign');
  const { body, handlers } = assigned;
  handlers.ok({ generation: body.generation });
  const reports = (body.items ?? [])
    .filter((item) => item.entry === 'order')
    .map((item): Shape<'report'> => {
      reported += 1;
      const process = {
        run: item.run ?? '',
        processState: state,
        pid: 9,
        exitCode: state === 'exited' ? 3 : undefined,
      };
      return {
        seq: reported,
        at: 1,
        entry: 'order',
        process,
        order: item.order,
        answer: { ok: true },
      };
    });
  if (reports.length > 0) ask(core, agent, 'synReport', { reports });
  world.flush();
  if (agent.last('synAssign') !== assigned) obey(world, core, agent, state);
}

test('nothing is answered before it is durable', () => {
  const { world, core, admin } = make();
  const answer = ask(core, admin, 'taskAdd', {
    key: key(),
    task: 't',
    spec: { command: ['x'] },
    mode: 'create',
  });
  expect(answer.done).toBeUndefined();
  expect(core.state.tasks.size).toBe(0);
  world.flush();
  expect(answer.done).toMatchObject({ revision: 1 });
});

test('what the journal refuses is answered with its reason and changes nothing', async () => {
  const { LotcError } = await import('../../base/errors.ts');
  const { world, core, admin } = make();
  const answer = ask(core, admin, 'taskAdd', {
    key: key(),
    task: 't',
    spec: { command: ['x'] },
    mode: 'create',
  });
  world.waiting.pop()?.failed(new LotcError('disk-full', 'no space'));
  expect(answer.failed).toMatchObject({ text: 'no space' });
  expect(core.state.tasks.size).toBe(0);
});

test('start with wait: ACK when durable, OK when the node has answered', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent);
  ask(core, admin, 'taskAdd', { key: key(), task: 't', spec: { command: ['x'] }, mode: 'create' });
  const answer = ask(core, admin, 'taskRun', { key: key(), targets: ['t'], wait: true });
  world.flush();
  expect(answer.acked).toHaveProperty('operation');
  expect(answer.done).toBeUndefined();
  obey(world, core, agent, 'running');
  expect(answer.done?.answers).toMatchObject([{ node: 'n1', ok: true }]);
  const rows = ask(core, admin, 'retQuery', { query: 'processes' });
  expect(rows.done?.processes).toMatchObject([{ task: 't', node: 'n1', processState: 'running' }]);
});

test('an answered order is taken away with what the node is told next, or at the next tick', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent);
  ask(core, admin, 'taskAdd', { key: key(), task: 't', spec: { command: ['x'] }, mode: 'create' });
  obey(world, core, agent, 'exited');
  const start = (): string[] => {
    ask(core, admin, 'taskRun', { key: key(), targets: ['t'] });
    world.flush();
    const { items = [] } = agent.last('synAssign').body;
    obey(world, core, agent, 'exited');
    return items.map(({ item }) => item);
  };
  const first = start();
  expect(first).toHaveLength(1);
  const told = agent.asked.length;
  const second = start();
  expect(agent.asked).toHaveLength(told + 1);
  expect(agent.last('synAssign').body.removed).toEqual(first);
  core.tick();
  expect(agent.last('synAssign').body).toMatchObject({ items: [], removed: second });
});

test('a node that only answers is told of it before the server forgets what it withdrew', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent);
  obey(world, core, agent, 'exited');
  const names = Array.from({ length: 150 }, (_, n) => `t${n}`);
  const spec = { command: ['x'] };
  for (const task of names) ask(core, admin, 'taskAdd', { key: key(), task, spec, mode: 'create' });
  ask(core, admin, 'taskRun', { key: key(), targets: names });
  world.flush();
  const { items = [] } = agent.last('synAssign').body;
  const removed: string[] = [];
  const take = (): void => {
    const { body, handlers } = agent.last('synAssign');
    expect(body.reset).toBeUndefined();
    removed.push(...(body.removed ?? []));
    handlers.ok({ generation: body.generation });
  };
  take();
  for (const [n, { order }] of items.entries()) {
    const told = agent.asked.length;
    const report = { seq: n + 1, at: 1, entry: 'order', order, answer: { ok: true } };
    ask(core, agent, 'synReport', { reports: [report] });
    world.flush();
    if (agent.asked.length > told) take();
  }
  core.tick();
  take();
  expect(new Set(removed)).toEqual(new Set(items.map(({ item }) => item)));
});

test('a node that does not come back after a start of the server is away, as long as it was', () => {
  const { world, core, admin } = make();
  for (const name of ['n1', 'n2']) hello(world, core, join(world, core, admin, name));
  const [first, second] = [...core.state.nodes.values()];
  const next = new ServerCore(world, { build: 'test', facts, state: core.state });
  world.core = next;
  hello(world, next, new Session('agent', 'n1', first?.spki ?? '', first?.uid));
  for (let tick = 0; tick < 20; tick += 1) next.tick();
  world.flush();
  const nodes = [...next.state.nodes.values()];
  expect(nodes.map(({ here }) => here)).toEqual([true, undefined]);
  expect(nodes[1]?.lastSeen).toBe(second?.lastSeen);
});

test('what an agent says of times that are none is refused at the door', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent);
  const clock = { synchronized: true, offsetUs: -Number.MAX_SAFE_INTEGER, errorUs: 1 };
  const told = ask(core, agent, 'hostSample', { samples: [], clock });
  expect(told.failed?.text).toMatch(/^offsetUs: -\d+ is more than/);
  expect(core.agents.clockOf(agent.peer.uid ?? '')).toBeUndefined();
});

test('a server that ends says nothing of the nodes whose lines it closes', () => {
  const { world, core, admin } = make();
  const session = join(world, core, admin, 'n1');
  hello(world, core, session);
  core.agents.leave();
  const before = world.journal.length;
  core.closed(session, 'the server stops');
  world.flush();
  expect(world.journal).toHaveLength(before);
  expect([...core.state.nodes.values()][0]?.here).toBe(true);
});

test('an agent that was away gets exactly what it missed', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent);
  core.closed(agent, 'cable');
  world.flush();
  ask(core, admin, 'taskAdd', { key: key(), task: 't', spec: { command: ['x'] }, mode: 'create' });
  const away = ask(core, admin, 'taskRun', { key: key(), targets: ['t'] });
  world.flush();
  expect(away.done).toHaveProperty('operation');
  const back = new Session('agent', 'n1', agent.peer.spki, agent.peer.uid);
  hello(world, core, back, { generation: 0, journal: 'j1' });
  expect(back.last('synAssign').body.items).toMatchObject([{ verb: 'start', task: 't' }]);
});

test('an instance that is not the living one is a copy and is refused', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent);
  const copy = new Session('agent', 'n1', agent.peer.spki, agent.peer.uid);
  expect(hello(world, core, copy, { instance: 'other' })).toHaveProperty('fail');
  expect(agent.closedBecause).toBeUndefined();
  const again = new Session('agent', 'n1', agent.peer.spki, agent.peer.uid);
  expect(hello(world, core, again)).toHaveProperty('ok');
  expect(agent.closedBecause).toContain('newer session');
});

test('a node that beats faster is judged by its own beat, within bounds', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  const beat = (heartbeatMs?: number): unknown => hello(world, core, agent, { heartbeatMs });
  expect(beat()).toMatchObject({ ok: { heartbeatMs: 5_000 } });
  expect(beat(1_000)).toMatchObject({ ok: { heartbeatMs: 1_000 } });
  expect(beat(0)).toMatchObject({ ok: { heartbeatMs: 100 } });
  expect(beat(2 ** 40)).toMatchObject({ ok: { heartbeatMs: 3_600_000 } });
});

test('a journal that went back commands nothing', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent, { journal: 'j1', seenSeq: 9_999 });
  const answer = ask(core, admin, 'taskAdd', {
    key: key(),
    task: 't',
    spec: { command: ['x'] },
    mode: 'create',
  });
  world.flush();
  expect(answer.failed?.text).toContain('went back');
  expect(ask(core, admin, 'retQuery', { query: 'nodes' }).done?.nodes).toHaveLength(1);
});

test('a role may send only what the table says', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  expect(ask(core, admin, 'synReport', { reports: [] }).failed?.text).toContain('may not');
  expect(ask(core, agent, 'ping', {}).done).toEqual({});
  expect([admin.closedBecause, agent.closedBecause]).toEqual([undefined, undefined]);
  // No person's slip: a node that asks this is none of ours.
  const said = ask(core, agent, 'taskRun', { key: key(), targets: ['t'] }).failed?.text;
  expect(said).toContain('may not');
  expect(agent.closedBecause).toBe(said);
  world.flush();
  expect(hello(world, core, admin)).toHaveProperty('fail');
});

test('wait is decided by the run, also one that has ended', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent);
  ask(core, admin, 'taskAdd', { key: key(), task: 't', spec: { command: ['x'] }, mode: 'create' });
  world.flush();
  const early = ask(core, admin, 'retWait', { targets: ['t'] });
  expect(early.done).toBeUndefined();
  ask(core, admin, 'taskRun', { key: key(), targets: ['t'] });
  world.flush();
  obey(world, core, agent, 'exited');
  expect(early.done?.processes).toMatchObject([{ exitCode: 3 }]);
  expect(ask(core, admin, 'retWait', { targets: ['t'] }).done?.processes).toHaveLength(1);
  expect(ask(core, admin, 'retWait', { targets: ['t'], waitFor: 'gone' }).done).toBeDefined();
});

const exec = { spec: { command: ['x'] }, on: '@all', credit: 100_000 };

/** A command that n1 has been told to run, and has said nothing about. */
function executing() {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent);
  const answer = ask(core, admin, 'retExec', { key: key(), ...exec });
  world.flush();
  return { world, core, admin, agent, answer };
}

test('run: output is relayed within the credit, the end follows it, a lost console stops it', () => {
  const { world, core, admin, agent, answer } = executing();
  const log = agent.last('retLog');
  expect(log.credit).toBeLessThanOrEqual(100_000);
  log.handlers.more?.({ stream: 'stdout', data: Buffer.from('hi'), offset: 0 });
  expect(answer.mores).toMatchObject([{ node: 'n1', stream: 'stdout' }]);
  obey(world, core, agent, 'exited');
  expect(answer.done).toBeUndefined();
  log.handlers.ok({});
  expect(answer.mores.at(-1)?.process).toMatchObject({ exitCode: 3, node: 'n1' });
  expect(answer.done).toEqual({ answers: [] });

  const lost = ask(core, admin, 'retExec', { key: key(), ...exec });
  world.flush();
  agent.last('synAssign').handlers.ok({});
  lost.drop();
  world.flush();
  expect(agent.last('synAssign').body.items).toMatchObject([{ verb: 'stop' }]);
  expect(agent.last('retLog').dropped).toBe(true);
});

test('run: a signal given before the node has said that the program runs is passed on then', () => {
  const { world, core, admin, agent, answer } = executing();
  const input = { operation: answer.acked?.operation, signal: 'SIGINT' };
  const early = [ask(core, admin, 'retInput', input), ask(core, admin, 'retInput', input)];
  world.flush();
  expect(early.map(({ done }) => done)).toEqual([{}, {}]);
  expect(answer.done).toBeUndefined();
  obey(world, core, agent, 'running');
  const signals = (): unknown[] =>
    agent.asked
      .filter(({ kind }) => kind === 'synAssign')
      .flatMap(({ body }) => body.items ?? [])
      .filter(({ entry, signal }) => entry === 'order' && signal === 'SIGINT');
  expect(signals()).toHaveLength(2);
  const late = ask(core, admin, 'retInput', input);
  world.flush();
  expect(late.done).toEqual({});
  expect(signals()).toHaveLength(3);
});

test('replaying the journal makes the same server', () => {
  const { world, core, admin } = make();
  const agent = join(world, core, admin, 'n1');
  hello(world, core, agent);
  ask(core, admin, 'taskAdd', { key: key(), task: 't', spec: { command: ['x'] }, mode: 'create' });
  ask(core, admin, 'taskRun', { key: key(), targets: ['t'] });
  world.flush();
  const other = new World();
  other.core = new ServerCore(other, { build: 'test', facts });
  other.core.controller.entries(world.journal);
  expect(other.core.state).toEqual(core.state);
  expect(other.rows).toEqual(world.rows);
});
