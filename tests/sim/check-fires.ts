/**
 * What must be true of the firings of a fleet that was healed, whose schedules rest. The server's
 * ledger is compared with what nobody in the fleet can reach: which programs ran, what each node
 * had claimed durably, what it had sent, and which instants the rules have.
 */
import { expect } from 'vitest';
import { decodeShape } from '../../src/net/codec.ts';
import type { Shape } from '../../src/net/layout.ts';
import type { StoredFire } from '../../src/roles/agent/firing.ts';
import { timedActs } from '../../src/roles/agent/timed-act.ts';
import { decodeCommand } from '../../src/roles/server/model/command.ts';
import { nextInstant, type Rule, withoutCount } from '../../src/scheduler/rule.ts';
import type { SimAgent } from './agent.ts';
import type { FireFleet } from './fire-fleet.ts';

type Row = Shape<'fire'>;

/** The clocks of nodes and server differ by as much, and a commit may be slow. */
const SLACK_US = 3_000_000;

/** How many firings the ledger has. */
export function checkFires(fleet: FireFleet): number {
  const { faults } = fleet.fired;
  expect(faults, `at the instant: ${faults.join(', ')}`).toEqual([]);
  let told = 0;
  for (const agent of fleet.agents) {
    const rows = ledgerOf(fleet, agent);
    told += rows.length;
    inOrder(fleet, agent, rows);
    accounted(fleet, agent, rows);
    asItWas(fleet, agent, rows);
    deedsAreTold(fleet, agent, rows);
    complete(fleet, agent, rows);
    expect([...agent.tables.fires.keys()], `${agent.name} open claims`).toEqual([]);
  }
  return told;
}

function ledgerOf({ server }: FireFleet, { name }: SimAgent): Row[] {
  const rows = server.rows.filter(({ kind }) => kind === 'fire');
  return rows.map(({ body }) => decodeShape('fire', body)).filter((row) => row.node === name);
}

const keyOf = ({ schedule, plannedUs }: Pick<Row, 'schedule' | 'plannedUs'>): string =>
  `${schedule}/${plannedUs}`;

/** What the node told, in its order, each once. */
function inOrder({ fired }: FireFleet, { name }: SimAgent, rows: readonly Row[]): void {
  const sent = [...(fired.sent.get(name) ?? [])].sort(([a], [b]) => a - b);
  const told = sent.flatMap(([, text]) => {
    const { fire } = JSON.parse(text) as { fire?: Row };
    return fire ? [`${keyOf(fire)} ${fire.result}`] : [];
  });
  const kept = rows.map((row) => `${keyOf(row)} ${row.result}`);
  expect(kept, `${name} ledger and reports`).toEqual(told);
  const twice = kept.length - new Set(rows.map(keyOf)).size;
  expect(twice, `${name} firings twice`).toBe(0);
}

/** Every claim has an outcome, unless its schedule went or rested; each outcome has a reason. */
function accounted(fleet: FireFleet, { name }: SimAgent, rows: readonly Row[]): void {
  const { fired, touched } = fleet;
  const { restUs } = rulesOf(fleet);
  const known = new Set(rows.map(keyOf));
  const open: string[] = [];
  for (const [key, { schedule, dueUs }] of fired.claims.get(name) ?? []) {
    // At the end all schedules rest: what had not come is taken back.
    const isOver = touched.has(schedule) || dueUs > restUs - SLACK_US;
    if (!known.has(key) && !isOver) open.push(key);
  }
  expect(open, `${name} claims without outcome`).toEqual([]);
  for (const row of rows) {
    const { result, reason = '' } = row;
    if (result === 'ok') continue;
    expect(['skipped', 'failed', 'lost'], keyOf(row)).toContain(result);
    expect(reason, `${name} ${keyOf(row)} ${result}: reason`).not.toBe('');
  }
}

/** What ran is in the ledger as fired, once; what is not said to have fired did not run. */
function asItWas(fleet: FireFleet, agent: SimAgent, rows: readonly Row[]): void {
  const { witness, fired, agents } = fleet;
  const { name } = agent;
  const claims = fired.claims.get(name) ?? new Map<string, StoredFire>();
  const byRun = new Map<string, Row>();
  for (const row of rows) {
    const { run } = claims.get(keyOf(row)) ?? {};
    if (run !== undefined) byRun.set(run, row);
  }
  for (const [key, { run }] of claims) {
    if (run === undefined || !witness.starts.has(`${run}/0`)) continue;
    const row = byRun.get(run);
    expect([key, row?.result], `${name} ran`).toSatisfy(([, result]: string[]) => {
      return result === 'ok' || (result === 'lost' && witness.mayBeLost.has(run));
    });
  }
  for (const [run, row] of byRun) {
    if (row.result === 'ok' && row.action === 'start') {
      expect([keyOf(row), witness.starts.get(`${run}/0`)], `${name} says ok`).toEqual([
        keyOf(row),
        1,
      ]);
    }
    if (row.result === 'lost') {
      expect([keyOf(row), witness.mayBeLost.has(run)], `${name} lost`).toEqual([keyOf(row), true]);
    }
  }
  const deaths = agents.reduce((sum, { crashes }) => sum + crashes, 0);
  if (deaths === 0) expect(rows.filter(({ result }) => result === 'lost')).toEqual([]);
}

/** What a shim has done by itself at an instant is told: by nobody as skipped, nor not at all. */
function deedsAreTold({ fired }: FireFleet, { name }: SimAgent, rows: readonly Row[]): void {
  const claims = fired.claims.get(name) ?? new Map<string, StoredFire>();
  const told = new Map<string, string[]>();
  for (const row of rows) {
    const { dueUs = row.plannedUs } = claims.get(keyOf(row)) ?? {};
    for (const act of timedActs(row.action)) {
      const deed = `${act} ${row.task} ${dueUs}`;
      told.set(deed, [...(told.get(deed) ?? []), row.result ?? '']);
    }
  }
  const untold = (fired.acted.get(name) ?? []).filter(({ act, task, dueUs }) => {
    const results = told.get(`${act} ${task} ${dueUs}`) ?? [];
    return !results.some((result) => result === 'ok' || result === 'lost');
  });
  const which = JSON.stringify(untold);
  expect(untold, `${name} deeds of shims that are not told: ${which}`).toEqual([]);
}

/** Every instant of a rule that nobody touched is in the ledger, or in a stretch told as one. */
function complete(fleet: FireFleet, agent: SimAgent, rows: readonly Row[]): void {
  const claims = fleet.fired.claims.get(agent.name) ?? new Map<string, StoredFire>();
  const { rules, restUs } = rulesOf(fleet);
  for (const [schedule, rule] of rules) {
    if (fleet.touched.has(schedule)) continue;
    const mine = rows.filter((row) => row.schedule === schedule);
    const told = new Set(mine.map(({ plannedUs }) => plannedUs));
    const stretches = mine.flatMap((row): [number, number][] => {
      const { omittedToUs } = claims.get(keyOf(row)) ?? {};
      return omittedToUs === undefined ? [] : [[row.plannedUs, omittedToUs]];
    });
    const missing: number[] = [];
    for (const at of instantsOf(rule, restUs - SLACK_US)) {
      const isOmitted = stretches.some(([from, to]) => at > from && at <= to);
      if (!told.has(at) && !isOmitted) missing.push(at);
      if (told.has(at) && isOmitted) missing.push(-at);
    }
    expect(missing, `${agent.name} ${schedule} instants`).toEqual([]);
  }
}

function* instantsOf(rule: Rule, untilUs: number): Generator<number> {
  const ending = withoutCount(rule);
  let at = nextInstant(ending, rule.sinceUs);
  for (; at !== undefined && at < untilUs; at = nextInstant(ending, at)) yield at;
}

/** As the journal has them: what was asked, and when it was accepted. */
function rulesOf({ server, names }: FireFleet): { rules: Map<string, Rule>; restUs: number } {
  const rules = new Map<string, Rule>();
  let restUs = 0;
  for (const { rec } of server.durable) {
    const { at: sinceUs, body, kind } = decodeCommand(rec);
    const {
      timing,
      mode,
      names: about = [],
    } = body as {
      timing?: Shape<'timing'>;
      mode?: string;
      names?: readonly string[];
    };
    const all = about.length === names.length && kind === 'depSchedule' && mode === 'pause';
    if (all && restUs === 0) restUs = sinceUs;
    const { schedule = '', at, inUs, everyUs, fromUs, cron, tz, untilUs, count } = timing ?? {};
    if (timing === undefined || rules.has(schedule)) continue;
    const instant = inUs === undefined ? at : sinceUs + inUs;
    rules.set(schedule, { at: instant, everyUs, fromUs, cron, tz, untilUs, count, sinceUs });
  }
  return { rules, restUs };
}
