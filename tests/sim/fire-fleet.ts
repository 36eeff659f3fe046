/**
 * A fleet that fires: schedules of every kind on three nodes, whose clocks are put a day ahead or
 * back, whose agents die between any two steps, whose power fails, and whose server goes away. Then
 * all is healed, the schedules rest, and `check-fires.ts` looks at the ledger and at the witness.
 */
import type { AnyBody, MessageKind } from '../../src/net/layout.ts';
import type { Report, Write } from '../../src/roles/agent/events.ts';
import { gateOf, type StoredFire } from '../../src/roles/agent/firing.ts';
import type { TimedAct } from '../../src/roles/agent/timed-act.ts';
import type { SimAgent } from './agent.ts';
import { Fleet } from './fleet.ts';
import type { Directory } from './machine.ts';

const NODES = ['n1', 'n2', 'n3'];
const SECOND = 1_000_000;
const DAY = 86_400 * SECOND;
/** How long schedules fire: with faults, then healed. */
const FAULTY = 60 * SECOND;
const HEALED = 40 * SECOND;

/** Right before clocks are put forward or back: Warsaw, New York, Lord Howe (by half an hour). */
const turns = [
  ...['2026-03-29T00:59:30Z', '2026-10-25T00:59:30Z', '2026-03-08T06:59:30Z'],
  ...['2026-11-01T05:59:30Z', '2026-04-04T14:59:30Z', '2026-10-03T15:29:30Z'],
];
const zones = ['Europe/Warsaw', 'America/New_York', 'Australia/Lord_Howe', 'UTC'];

interface Deed {
  readonly task: string | undefined;
  readonly run: string;
  readonly act: TimedAct;
  readonly dueUs: number;
}

/** What nobody in the fleet can reach: firings as they were claimed, begun and told. */
export class FireWitness {
  /** By node: what was claimed durably, by its key. */
  readonly claims = new Map<string, Map<string, StoredFire>>();
  /** By node: reports by number, as they were first sent. */
  readonly sent = new Map<string, Map<number, string>>();
  /** By node: what shims did by themselves, for which instant. */
  readonly acted = new Map<string, Deed[]>();
  readonly faults: string[] = [];

  watch(agent: SimAgent): void {
    const claims = new Map<string, StoredFire>();
    const sent = new Map<number, string>();
    this.claims.set(agent.name, claims);
    this.sent.set(agent.name, sent);
    agent.onWrite = ({ table, key, value }: Write) => {
      if (table === 'fires' && value !== undefined) claims.set(key, value as StoredFire);
    };
    agent.onReports = (reports: readonly Report[]) => {
      for (const report of reports) {
        const text = JSON.stringify(report);
        const before = sent.get(report.seq);
        if (before === undefined) sent.set(report.seq, text);
        else if (before !== text) this.faults.push(`${agent.name}: report ${report.seq} changed`);
      }
    };
    const { machine } = agent;
    const acted: Deed[] = [];
    this.acted.set(agent.name, acted);
    machine.onAct = ({ order: { task }, run }, act, dueUs) => acted.push({ task, run, act, dueUs });
    machine.onExec = (directory) => this.#executed(agent, directory);
  }

  /** At the very instant at which a program begins. */
  #executed({ name, machine }: SimAgent, { order, run }: Directory): void {
    if (gateOf(order) === undefined) return;
    const key = order.item.slice('fire:'.length);
    if (this.claims.get(name)?.get(key)?.run !== run) {
      this.faults.push(`${name}: ${key} fires as ${run} and was not claimed durably`);
    }
    if (order.task?.endsWith('-apart') !== true) return;
    for (const other of machine.directories.values()) {
      if (other.run === run || other.order.task !== order.task) continue;
      if (machine.isLiving(other)) this.faults.push(`${name}: ${run} and ${other.run} overlap`);
    }
  }
}

export class FireFleet extends Fleet {
  readonly fired = new FireWitness();
  /** Schedules that were paused, changed or removed while they fired. */
  readonly touched = new Set<string>();
  readonly names: string[] = [];
  /** Clocks are put by a day in this world. */
  readonly jumps: boolean;

  constructor(seed: number) {
    super(seed, { nodes: NODES, startUs: beginning(seed) });
    this.jumps = seed % 4 === 0;
    for (const agent of this.agents) {
      this.fired.watch(agent);
      agent.reportsMost = 100_000;
      agent.machine.hasGroups = this.sim.random.chance(0.7);
      agent.machine.waitsForAttach = true;
      agent.machine.recordUs = 5_000;
    }
  }

  override run(): void {
    const { sim } = this;
    const { random } = sim;
    this.server.start();
    sim.runFor(SECOND);
    for (const agent of this.agents) this.enrol(agent);
    for (const agent of this.agents) agent.boot();
    sim.runFor(SECOND);
    this.#define();
    sim.runFor(5 * SECOND);
    const faults = random.int(0, 4) * 12;
    for (let i = 0; i < faults; i += 1) {
      sim.after(random.int(0, FAULTY), 'a fault', () => this.#goWrong());
    }
    for (let i = 0; i < 12; i += 1) {
      sim.after(random.int(0, FAULTY), 'somebody changes his mind', () => this.#change());
    }
    sim.runFor(FAULTY + SECOND);
    this.heal();
    for (const agent of this.agents) agent.clockIs(random.int(-20_000, 20_000), 25_000);
    sim.runFor(HEALED);
    this.admin.issue('depSchedule', { mode: 'pause', names: this.names });
    sim.runFor(60 * SECOND);
    this.stopLoops();
    sim.runFor(60 * SECOND);
  }

  // ---- what fires ----

  #define(): void {
    const { random } = this.sim;
    const ms = random.pick([5, 50, 300]);
    this.#task('quick-apart', ['exit', '0', String(ms)]);
    this.#task('slow-apart', ['exit', String(random.int(0, 3)), String(random.int(500, 4_000))]);
    this.#task('stays-apart', [random.pick(['run', 'ignore'])]);
    this.#task('loose', ['exit', '0', String(random.int(5, 2_000))]);
    this.#task('absent', ['missing']);
    this.sim.runFor(2 * SECOND);
    const fast = { everyUs: random.pick([100_000, 200_000, 200_000, 300_000]) };
    this.#start('quick-apart', { ...fast, missed: random.pick(['skip', 'once']) });
    this.#start('quick-apart', this.#rule('forbid'));
    this.#start('slow-apart', this.#rule(random.pick(['forbid', 'queue', 'replace'])));
    this.#start('stays-apart', this.#rule(random.pick(['forbid', 'replace'])));
    this.#start('loose', this.#rule('allow'));
    this.#start('absent', this.#rule('allow'));
    this.#act('taskKill', 'stays-apart', { mode: random.pick(['stop', 'kill']) });
    this.#act('taskStop', 'slow-apart', {});
    this.#act('taskCont', 'slow-apart', {});
    if (random.chance(0.5)) this.#act('taskRun', 'stays-apart', { mode: 'restart' });
    const signalled = { mode: 'kill', signal: 'SIGUSR1' };
    if (random.chance(0.5)) this.#act('taskKill', 'loose', signalled);
    this.#load();
  }

  #task(task: string, command: readonly string[]): void {
    const spec = { command: [...command], keepRuns: 3, stopGraceMs: 500 };
    this.admin.issue('taskAdd', { task, spec, mode: 'create' });
  }

  #rule(overlap: string): AnyBody['timing'] & object {
    const { random } = this.sim;
    const everyUs = random.pick([300_000, 500_000, SECOND, 2 * SECOND, 3_500_000]);
    const { jumps } = this;
    const cron = random.pick(['* * * * * *', '*/2 * * * * *', '*/7 0,30,59 * * * *']);
    const rule = random.pick([
      { everyUs },
      { everyUs },
      { everyUs, splayUs: random.int(0, everyUs - 1) },
      { everyUs, count: random.int(1, 60) },
      { cron, tz: random.pick(zones) },
      { inUs: random.int(0, 60) * SECOND },
    ]);
    // A day of them, one by one, would take a day.
    const missed = jumps ? random.pick(['skip', 'once']) : random.pick(['skip', 'once', 'all']);
    const maxClockErrorUs = random.chance(0.7) ? undefined : random.pick([20_000, 30_000]);
    return { ...rule, missed, overlap, maxClockErrorUs };
  }

  #named(task: string): string {
    const schedule = `s${this.names.length}-${task}`;
    this.names.push(schedule);
    return schedule;
  }

  #start(task: string, timing: AnyBody['timing'] & object): void {
    const schedule = this.#named(task);
    const body = { targets: [task], mode: 'start', timing: { ...timing, schedule } };
    this.admin.issue('taskRun', body);
  }

  #act(kind: MessageKind, task: string, more: AnyBody): void {
    const { random } = this.sim;
    const everyUs = random.int(15, 60) * 100_000;
    const schedule = this.#named(task);
    const timing = { everyUs, schedule, missed: random.pick(['skip', 'once']) };
    this.admin.issue(kind, { targets: [task], ...more, timing });
  }

  #load(): void {
    const { random } = this.sim;
    const schedule = this.#named('code');
    const everyUs = random.int(20, 90) * 100_000;
    const digest = 'sha256:b01';
    const timing = { everyUs, schedule };
    const body = { bundle: 'b0', digest, sizeBytes: 10, on: '@all', replace: true, timing };
    this.admin.issue('fileDef', body);
  }

  // ---- what happens to it ----

  #change(): void {
    const { random } = this.sim;
    const name = random.pick(this.names.slice(1));
    const task = name.slice(name.indexOf('-') + 1);
    const roll = random.int(1, 100);
    if (roll <= 70) this.touched.add(name);
    if (roll <= 30) {
      this.admin.issue('depSchedule', { mode: 'pause', names: [name] });
      this.sim.after(random.int(0, 8 * SECOND), 'and resumes', () => {
        this.admin.issue('depSchedule', { mode: 'resume', names: [name] });
      });
    } else if (roll <= 50) {
      const on = random.pick(NODES);
      this.admin.issue('depSchedule', { mode: 'pause', names: [name], on });
      this.admin.issue('depSchedule', { mode: 'resume', names: [name], on });
    } else if (roll <= 60) this.admin.issue('depSchedule', { mode: 'rm', names: [name] });
    else if (task === 'code') return;
    else if (roll <= 80) {
      this.admin.issue('taskNok', { names: [task] });
      this.sim.after(random.int(0, 5 * SECOND), 'and enables', () => {
        this.admin.issue('taskOk', { names: [task] });
      });
    } else if (roll <= 90) this.admin.issue('taskKill', { targets: [task], mode: 'stop' });
    else this.admin.issue('taskRun', { targets: [task], mode: 'start' });
  }

  #goWrong(): void {
    const { random } = this.sim;
    const roll = random.int(1, 100);
    const agent = random.pick(this.agents);
    if (roll <= 35) {
      agent.crashIn = random.int(1, 12);
      agent.restartUs = random.int(10_000, random.chance(0.2) ? 12 * SECOND : 1_500_000);
    } else if (roll <= 40) this.crashServer(20 * SECOND);
    else if (roll <= 55 && this.jumps) this.#putClock(agent);
    else this.fault();
  }

  /** Nobody knows the true time there, and somebody puts the system clock by a day. */
  #putClock(agent: SimAgent): void {
    const { random, nowUs } = this.sim;
    agent.clockIs(random.pick([-DAY, DAY]) + random.int(-SECOND, SECOND), undefined);
    if (random.chance(0.3)) this.reboot(agent);
    const backUs = random.int(0, 10 * SECOND);
    this.sim.after(backUs, `${agent.name} learns the time, ${backUs} us after ${nowUs}`, () => {
      agent.clockIs(random.int(-20_000, 20_000), 25_000);
    });
  }
}

function beginning(seed: number): number | undefined {
  if (seed % 3 !== 0) return undefined;
  return Date.parse(turns[(seed / 3) % turns.length] ?? '') * 1_000;
}
