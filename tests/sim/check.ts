/** What must be true of a fleet that was healed and left alone, whatever had happened to it. */
import { expect } from 'vitest';
import { signalName } from '../../src/base/signals.ts';
import { decodeShape } from '../../src/net/codec.ts';
import type { Shape } from '../../src/net/layout.ts';
import { ServerCore } from '../../src/roles/server/core.ts';
import { decodeCommand } from '../../src/roles/server/model/command.ts';
import { bundleSelects } from '../../src/roles/server/model/resolve.ts';
import { encodeEntries, freeze, loadEntries } from '../../src/roles/server/model/snapshot.ts';
import type { State } from '../../src/roles/server/model/state.ts';
import type { HistoryRow } from '../../src/roles/server/ports.ts';
import { hasEnded, visible } from '../../src/supervisor/states.ts';
import type { SimAgent } from './agent.ts';
import type { Fleet } from './fleet.ts';
import { facts } from './server.ts';

export function check(fleet: Fleet): void {
  const { core } = fleet.server;
  if (!core) throw new Error('the server is not there');
  const { state } = core;
  durable(fleet);
  sameState(fleet, state);
  live(fleet, core);
  for (const agent of fleet.agents) {
    settled(agent, state);
    noOrphanNoGhost(agent, state);
    bundlesThere(agent, state);
    resultsThere(agent, state);
  }
  trueEnds(fleet);
}

/** What was acknowledged is in the journal; whatever is there did what it does once. */
function durable({ server, admin, witness }: Fleet): void {
  const keys = new Set<string>();
  for (const { rec } of server.durable) {
    keys.add(Buffer.from(decodeCommand(rec).key).toString('hex'));
  }
  for (const { no, kind, key, ok } of admin.commands) {
    if (ok) expect(keys.has(Buffer.from(key).toString('hex')), `${no} ${kind} kept`).toBe(true);
  }
  expect(admin.unanswered, 'unanswered commands').toBe(0);
  for (const [key, times] of server.applied) expect(times, `${key} applied`).toBe(1);
  for (const [run, times] of witness.starts) expect(times, `${run} started`).toBe(1);
  for (const [order, times] of witness.signals) expect(times, `${order} signalled`).toBe(1);
}

/** Replaying the journal, or a snapshot of the state, gives the state. */
function sameState({ server }: Fleet, state: State): void {
  const rows: HistoryRow[] = [];
  const ports = {
    now: () => ({ atUs: 0 }),
    monotonicMs: () => 0,
    key: () => new Uint8Array(16),
    append: () => undefined,
    project: (more: readonly HistoryRow[]) => void rows.push(...more),
    history: () => undefined,
    blobsUnneeded: () => undefined,
    log: () => undefined,
  };
  const other = new ServerCore(ports, { build: 'sim', facts });
  other.controller.entries(server.durable);
  expect(other.state, 'replay').toEqual(state);
  expect(rows.length, 'history rows').toBe(server.rows.length);
  const snapshot = Buffer.concat([...encodeEntries(freeze(state))]);
  expect(loadEntries(snapshot), 'snapshot').toEqual(state);
}

/** Nothing waits for anything that will not come. */
function live({ agents }: Fleet, { state, agents: present }: ServerCore): void {
  for (const { name, uid } of agents) {
    expect(present.isPresent(uid), `${name} is online`).toBe(true);
    const left = state.assignments.get(uid)?.removed.size ?? 0;
    expect(left, `${name} removals`).toBeLessThanOrEqual(64);
  }
  const orders = [...state.orders.values()].map(
    ({ order, verb, run }) => `${order} ${verb} ${run}`,
  );
  expect(orders.join('; '), 'open orders').toBe('');
  const open = [...state.operations.values()].filter((one) => one.state === 'accepted');
  const waits = open.map(
    ({ verb, targets, waiting }) => `${verb} ${targets.join(' ')} ${[...waiting].join(' ')}`,
  );
  expect(waits.join('; '), 'open operations').toBe('');
  const pending = [...state.runs.values()].filter((run) => run.row.processState === 'pending');
  expect(pending, 'pending runs').toEqual([]);
}

/** The agent knows its assignment, durably, and has told everything. */
function settled({ core, tables, name, uid }: SimAgent, state: State): void {
  if (!core) throw new Error(`${name} is not there`);
  const assignment = state.assignments.get(uid);
  expect(core.standing.generation, `${name} generation`).toBe(assignment?.generation);
  expect(core.unreported, `${name} unreported`).toBe(0);
  expect(tables.reports.size, `${name} stored reports`).toBe(0);
  const items = [...tables.items].flatMap(([key, json]) =>
    (JSON.parse(json) as { leaving?: boolean }).leaving ? [] : [key],
  );
  expect(items.sort(), `${name} items`).toEqual([...(assignment?.items.keys() ?? [])].sort());
  const node = state.nodes.get(uid);
  expect(node?.reportSeq, `${name} reports`).toBe(core.standing.seq);
}

/** What lives in the process table = what the agent holds = what the server says. */
function noOrphanNoGhost({ core, machine, name, uid }: SimAgent, state: State): void {
  if (!core) return;
  const living = [...machine.directories.values()]
    .filter((directory) => machine.isLiving(directory))
    .map(({ run, frozen }) => `${run} ${frozen ? 'suspended' : 'running'}`);
  const held = core.liveRuns().map(({ process }) => `${process.run} ${visible[process.state]}`);
  const rows = [...state.runs.values()]
    .filter((run) => run.uid === uid && !run.ended)
    .map(({ run, row }) => `${run} ${row.processState}`);
  expect(held.sort(), `${name} agent and processes`).toEqual(living.sort());
  expect(rows.sort(), `${name} server and processes`).toEqual(living);
  const known = new Set(core.runs().map(({ process }) => process.run));
  for (const run of machine.directories.keys()) {
    expect(known.has(run), `${name}: directory of ${run} is known`).toBe(true);
  }
  for (const run of state.runs.values()) {
    if (run.uid !== uid || run.ended) continue;
    const own = core.row(run.run);
    expect(run.row, `row of ${run.run}`).toMatchObject(JSON.parse(JSON.stringify(own)));
  }
}

function bundlesThere(agent: SimAgent, state: State): void {
  const { core, content, name, uid } = agent;
  const node = state.nodes.get(uid);
  if (!core || !node) return;
  const needed = new Set<string>();
  for (const { order } of core.liveRuns()) if (order.digest) needed.add(order.digest);
  for (const bundle of state.bundles.values()) {
    if (!bundleSelects(bundle, node)) continue;
    needed.add(bundle.digest);
    const presence = state.presences.get(`${uid} ${bundle.bundle}`);
    expect(presence, `${name}: ${bundle.bundle}`).toMatchObject({
      digest: bundle.digest,
      state: 'loaded',
    });
  }
  expect([...content].sort(), `${name} content`).toEqual([...needed].sort());
}

/** Every run that keeps files has told of them, and the server knows of each one's newest. */
function resultsThere({ core, name, uid }: SimAgent, state: State): void {
  for (const { process, result, removing } of core?.runs() ?? []) {
    if (!hasEnded(process.state) || removing || !result) continue;
    expect([process.run, result.state], `${name} results`).toEqual([process.run, 'told']);
  }
  for (const { run, uid: of, ended, row, collected } of state.runs.values()) {
    if (of !== uid || !ended || !row.collects || row.startedAt === undefined) continue;
    expect([run, collected], `${name}: files of ${run}`).toEqual([run, true]);
    const { reason = '' } = state.results.get(run)?.kept ?? {};
    expect([run, reason.includes('tried again')]).toEqual([run, false]);
  }
}

/** Each end in the history once, and as it was. */
function trueEnds({ server, witness, agents }: Fleet): void {
  const told = new Map<string, Shape<'process'>>();
  const startedRuns = new Set([...witness.starts.keys()].map((name) => name.split('/')[0] ?? name));
  for (const { kind, body } of server.rows) {
    if (kind !== 'run') continue;
    const row = decodeShape('process', body);
    // A start that was withdrawn may have been carried out; then the node has the last word.
    const before = told.get(row.run);
    if (before) expect([row.run, before.processState]).toEqual([row.run, 'failed']);
    if (before) expect([row.run, before.pid]).toEqual([row.run, undefined]);
    told.set(row.run, row);
  }
  for (const [run, { processState, exitCode, signal }] of told) {
    const record = server.core?.state.runs.get(run);
    if (record && !record.ended) continue;
    const end = witness.ends.get(run);
    const [started, mayBeLost] = [startedRuns.has(run), witness.mayBeLost.has(run)];
    if (processState === 'lost') expect([run, mayBeLost]).toEqual([run, true]);
    // Never started, or its restarts were used up.
    if (processState === 'failed' && exitCode === undefined && signal === undefined && !mayBeLost)
      expect([run, 'started', started]).toEqual([run, 'started', false]);
    if (processState !== 'exited') continue;
    if (!end) throw new Error(`${run} exited in the history alone`);
    const name = end.how === 'code' ? undefined : signalName(end.value);
    const code = end.how === 'code' ? end.value : undefined;
    expect([run, exitCode, signal]).toEqual([run, code, name]);
  }
  for (const run of startedRuns) {
    const isLive = agents.some(({ core }) => {
      const process = core?.run(run)?.process;
      return process !== undefined && !hasEnded(process.state);
    });
    if (!isLive) expect([run, told.has(run)], 'every run is live or history').toEqual([run, true]);
  }
}
