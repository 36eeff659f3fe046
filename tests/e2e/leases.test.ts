/**
 * A task that may move, on two nodes of which one is lost: its program appends to one file, with
 * the one clock that all namespaces have, so the file says whether two of it ever ran at once.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PlainServer } from '../clock/plain-server.ts';
import { Fleet, type Role, until } from './fleet.ts';

interface Line {
  readonly node: string;
  readonly term: number;
  readonly atMs: number;
}

const LEASE_MS = 4_000;
/** So long that nobody’s start, on a busy machine, takes two thirds of it. */
const CALM_MS = 45_000;
const EVERY_MS = 20;
const stack = new AsyncDisposableStack();
const agents = new Map<string, Role>();
let fleet: Fleet;

const linesOf = (name: string): Line[] => {
  const path = fleet.path(name);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [node = '', term = '', ns = ''] = line.split(' ');
    return { node, term: Number(term), atMs: Number(ns) / 1e6 };
  });
};

const writes = (name: string): string[] => [
  ...['sh', '-c'],
  `while :; do echo $LOTC_NODE \${LOTC_TERM:-0} $(date +%s%N) >> ${fleet.path(name)}; sleep 0.02; done`,
];

const lastOf = (name: string): Line => linesOf(name).at(-1) ?? { node: '', term: 0, atMs: 0 };
const last = (): Line => lastOf('moves');

/** It writes on, as the same run on the same node, until that instant. */
async function goesOn({ node, term }: Line, untilMs: number): Promise<void> {
  await until(
    () => lastOf('calm').atMs > untilMs,
    2 * CALM_MS,
    () => JSON.stringify(lastOf('calm')),
  );
  expect(lastOf('calm')).toMatchObject({ node, term });
}

/** Where it runs next; how long after `sinceMs` it began there. */
async function moved(from: Line, sinceMs: number): Promise<{ readonly to: Line; afterMs: number }> {
  await until(
    () => last().node !== from.node,
    20_000,
    () => `still on ${last().node}`,
  );
  const to = linesOf('moves').find(({ term }) => term === last().term) ?? last();
  return { to, afterMs: to.atMs - sinceMs };
}

/** Whoever begins, nobody of a smaller term writes any more. */
function neverTwice(name = 'moves'): void {
  let before: Line = { node: '', term: 0, atMs: 0 };
  for (const line of linesOf(name)) {
    expect(line.term, JSON.stringify([before, line])).toBeGreaterThanOrEqual(before.term);
    if (line.term === before.term) expect(line.node).toBe(before.node);
    before = line;
  }
}

async function reconciled(node: string): Promise<void> {
  await fleet.online(node);
  const states = async (): Promise<string[]> => {
    const rows = await fleet.json<{ task: string; node: string; state: string }[]>(['ps']);
    return rows.filter(({ task }) => task === 'moves').map(({ state }) => state);
  };
  await until(async () => (await states()).join() === 'running', 10_000);
}

beforeAll(async () => {
  fleet = stack.use(new Fleet());
  const { netns, ipv4 } = fleet.place('t1');
  stack.use(await PlainServer.serve(netns));
  const ntp = ['--ntp', `${ipv4}`];
  await fleet.server('s', [], ntp);
  for (const name of ['n1', 'n2']) {
    agents.set(name, await fleet.agent(name, 'both', ['--heartbeat', '1s', ...ntp]));
  }
  await fleet.online('n1', 'n2');
  const create = ['task', 'create', 'moves', '--instances', '1', '--on-agent-lost', 'move'];
  const words = [...create, '--lease', `${LEASE_MS}ms`, '--', ...writes('moves')];
  // Until the clocks have their bounds it is refused.
  await until(async () => (await fleet.admin(words)).code === 0, 20_000);
  const calm = [...create.with(2, 'calm'), '--lease', `${CALM_MS}ms`, '--', ...writes('calm')];
  await fleet.must(calm);
  await fleet.must(['task', 'create', 'keeps', '--', ...writes('keeps')]);
  await fleet.must(['start', 'moves', 'keeps', 'calm', '--wait']);
  await until(() => last().node !== '' && lastOf('calm').node !== '');
});
afterAll(() => stack.disposeAsync());

test('a cut cable: it ends there before it begins elsewhere; what keeps goes on', async () => {
  const from = last();
  const cutMs = Date.now();
  fleet.cable(fleet.place(from.node), 'down');
  const { to, afterMs } = await moved(from, cutMs);
  neverTwice();
  expect(to.term).toBeGreaterThan(from.term);
  // The last renewal is as old as a third of the lease at most.
  expect(afterMs).toBeGreaterThan(LEASE_MS / 2);
  expect(afterMs).toBeLessThan(LEASE_MS + 1_500);
  const ended = linesOf('moves').findLast(({ term }) => term === from.term);
  expect(to.atMs - (ended?.atMs ?? Infinity)).toBeGreaterThan(0);
  fleet.cable(fleet.place(from.node), 'up');
  await reconciled(from.node);
  neverTwice();
  const kept = linesOf('keeps').filter(({ node }) => node === from.node);
  const gaps = kept.map(({ atMs }, i) => atMs - (kept[i - 1]?.atMs ?? atMs));
  expect(Math.max(...gaps)).toBeLessThan(50 * EVERY_MS);
  expect(kept.at(-1)?.atMs).toBeGreaterThan(to.atMs);
  const kinds = (await fleet.json<{ kind: string }[]>(['events'])).map(({ kind }) => kind);
  expect(kinds).toEqual(
    expect.arrayContaining(['task-moved', 'node-unresponsive', 'lease-lapsed']),
  );
});

test('an agent that is stopped fences nothing: its shim does', async () => {
  const from = last();
  const agent = agents.get(from.node);
  const stoppedMs = Date.now();
  agent?.child.kill('SIGSTOP');
  const { to, afterMs } = await moved(from, stoppedMs);
  expect(afterMs).toBeLessThan(LEASE_MS + 1_500);
  neverTwice();
  agent?.child.kill('SIGCONT');
  await reconciled(from.node);
  neverTwice();
  expect(last().term).toBe(to.term);
});

test('what a schedule began moves too; what fires where it was cut off is never launched', async () => {
  const create = ['task', 'create', 'timed', '--instances', '1', '--on-agent-lost', 'move'];
  await fleet.must([...create, '--lease', `${LEASE_MS}ms`, '--', ...writes('timed')]);
  await fleet.must(['start', 'timed', '--every', '300ms', '--schedule-name', 'ticks']);
  await until(() => lastOf('timed').term > 0, 20_000);
  const from = lastOf('timed');
  fleet.cable(fleet.place(from.node), 'down');
  await until(
    () => lastOf('timed').node !== from.node,
    20_000,
    () => `still on ${from.node}`,
  );
  const to = lastOf('timed');
  expect(to.term).toBeGreaterThan(from.term);
  // The node fires on, alone, after its own run was ended.
  await until(() => lastOf('timed').atMs > to.atMs + 2_000);
  fleet.cable(fleet.place(from.node), 'up');
  await reconciled(from.node);
  const isLeft = async (): Promise<boolean> => {
    const fires = await fleet.json<{ node: string; result: string; reason: string | null }[]>([
      'fires',
      ...['--task', 'timed'],
    ]);
    return fires.some(({ node, result, reason }) => {
      return node === from.node && result === 'failed' && reason?.includes('not on this node');
    });
  };
  await until(isLeft, 20_000);
  expect(lastOf('timed')).toMatchObject({ node: to.node, term: to.term });
  neverTwice('timed');
  await fleet.must(['task', 'rm', 'timed', '--force', '--wait']);
}, 120_000);

test('a cut that is shorter than the lease costs nothing', async () => {
  const from = lastOf('calm');
  const cable = fleet.place(from.node);
  const sinceMs = Date.now();
  fleet.cable(cable, 'down');
  // Longer than three heartbeats: it is given up as a node, and what it holds is not.
  await until(async () => (await fleet.nodeState(from.node)) === 'unresponsive');
  fleet.cable(cable, 'up');
  await fleet.online(from.node);
  await goesOn(from, sinceMs + CALM_MS / 4);
  const lines = linesOf('calm').filter(({ atMs }) => atMs > sinceMs);
  const gaps = lines.map(({ atMs }, i) => atMs - (lines[i - 1]?.atMs ?? atMs));
  expect(Math.max(...gaps)).toBeLessThan(50 * EVERY_MS);
  await reconciled(from.node);
});

test('a server that is killed and comes back: never two, and one in the end', async () => {
  const { node } = last();
  const calm = lastOf('calm');
  const killedMs = Date.now();
  await fleet.roles('server').at(-1)?.stop('SIGKILL');
  await fleet.server('s', [], ['--ntp', `${fleet.place('t1').ipv4}`]);
  const sinceMs = Date.now();
  await until(() => last().atMs > sinceMs + 2 * LEASE_MS, 8 * LEASE_MS);
  await reconciled(node);
  neverTwice();
  expect(last().atMs).toBeGreaterThan(sinceMs);
  // Its lease was longer than the server was away: it is renewed, not begun anew.
  await goesOn(calm, killedMs + CALM_MS);
}, 180_000);

test('a server that has forgotten what it granted waits until that is over', async () => {
  const from = lastOf('calm');
  await fleet.roles('server').at(-1)?.stop('SIGKILL');
  fleet.cable(fleet.place(from.node), 'down');
  await fleet.server('s', [], ['--ntp', `${fleet.place('t1').ipv4}`]);
  const readyMs = Date.now();
  await until(
    () => lastOf('calm').node !== from.node,
    2 * CALM_MS,
    () => `still on ${from.node}`,
  );
  neverTwice('calm');
  const held = linesOf('calm').findLast(({ term }) => term === from.term);
  // The other one went on while this server was there already.
  expect(held?.atMs).toBeGreaterThan(readyMs);
  fleet.cable(fleet.place(from.node), 'up');
  await reconciled(from.node);
  neverTwice('calm');
}, 240_000);
