/**
 * An agent of the simulated fleet: the real AgentCore, tables that change when a commit is done
 * and no sooner, and a carrying out of every action that may be interrupted between any two.
 */
import { decodeBody, encodeBody } from '../../src/net/codec.ts';
import { type AnyBody, layouts, type Ok, type Req } from '../../src/net/layout.ts';
import { AgentCore } from '../../src/roles/agent/core.ts';
import {
  type AgentAction,
  type AgentEvent,
  type FoundRun,
  type Report,
  type RunEvent,
  type TableName,
  type TimedAct,
  tableNames,
  type Write,
} from '../../src/roles/agent/events.ts';
import type { Machine } from './machine.ts';
import type { Connection } from './network.ts';
import type { Sim } from './sim.ts';

type Bare<T> = T extends { readonly time: unknown } ? Omit<T, 'time'> : never;
type Commit = AgentAction & { readonly type: 'commit' };

/** What an agent asks of the fleet it is part of. */
export interface Surroundings {
  dial(agent: SimAgent): Connection;
  report(agent: SimAgent, connection: Connection, body: AnyBody): void;
  answer(connection: Connection, request: number, ok: boolean, body: AnyBody): void;
  /** Whether the server has this content; undefined where nobody answers. */
  hasContent(digest: string): boolean | undefined;
}

const MOST_REPORTS = 2_000;
/** Less is not worth moving a gate. */
const MOVED_US = 100;

export class SimAgent {
  readonly name: string;
  readonly spki: string;
  uid = '';
  readonly machine: Machine;
  readonly #sim: Sim;
  readonly #around: Surroundings;
  core: AgentCore | undefined;
  life = 0;
  /** Durable: JSON by table and key. */
  readonly tables: Record<TableName, Map<string, string>>;
  readonly content = new Set<string>();
  connection: Connection | undefined;
  /** In memory alone: another life is told again what to deliver. */
  readonly #deliveries = new Set<string>();
  isConnected = false;
  /** How far its clock is from the truth; a step of the clock changes it (`clockIs`). */
  skewUs: number;
  errorUs: number | undefined = 25_000;
  #commit: Commit | undefined;
  #deadlineMs: number | undefined;
  readonly #busyUs = new Map<string, number>();
  readonly #plans = new Map<string, Map<TimedAct, number>>();
  /** Faults to come: the crash in so many actions, commits and downloads that fail. */
  crashIn = 0;
  commitFailures = 0;
  fetchFailures = 0;
  stuckKills = 0;
  restartUs = 1_000_000;
  /** How often it died; how many reports may wait; mutants of its disk. */
  crashes = 0;
  reportsMost = MOST_REPORTS;
  onTables: (tables: Record<TableName, Map<string, string>>) => void = () => undefined;
  commitsEarly = false;
  /** What became durable, and what was sent to the server. */
  onWrite: (write: Write) => void = () => undefined;
  onReports: (reports: readonly Report[]) => void = () => undefined;

  constructor(sim: Sim, machine: Machine, around: Surroundings) {
    this.#sim = sim;
    this.name = machine.name;
    this.spki = `key-${machine.name}`;
    this.machine = machine;
    this.#around = around;
    this.skewUs = sim.random.int(-20_000, 20_000);
    const empty = tableNames.map((name) => [name, new Map<string, string>()]);
    this.tables = Object.fromEntries(empty) as Record<TableName, Map<string, string>>;
  }

  boot(): void {
    this.life += 1;
    this.core = new AgentCore();
    this.#deadlineMs = undefined;
    this.#busyUs.clear();
    this.#plans.clear();
    this.machine.listen((run, event) => this.#heard(run, event));
    this.onTables(this.tables);
    const parsed = tableNames.map((name) => {
      const rows = [...this.tables[name]].map(([key, json]) => [key, JSON.parse(json)] as const);
      return [name, new Map(rows)];
    });
    const tables = Object.fromEntries(parsed) as Record<TableName, Map<string, unknown>>;
    const found = this.machine.found().map((one) => this.#inTrueTime(one));
    const { life } = this;
    this.step({ type: 'boot', tables, found, content: [...this.content] });
    if (this.life === life) this.#connectIn(50_000);
  }

  /** kill -9. What was being committed may have become durable, all of it or nothing. */
  crash(): void {
    if (!this.core) return;
    this.#sim.note(`${this.name} agent crashes`);
    this.core = undefined;
    this.life += 1;
    this.crashes += 1;
    this.crashIn = 0;
    this.isConnected = false;
    this.machine.listen(undefined);
    if (this.#commit && this.#sim.random.chance(0.5)) this.#write(this.#commit);
    this.#commit = undefined;
    this.connection?.agentCloses();
    this.connection = undefined;
    this.#sim.after(this.restartUs, `${this.name} agent starts`, () => {
      if (!this.core) this.boot();
    });
  }

  step(event: Bare<AgentEvent>): void {
    const { core, life } = this;
    if (!core) return;
    const { nowUs } = this.#sim;
    const nowMs = (nowUs - this.machine.bootUs) / 1000;
    const time = { nowMs, atUs: nowUs + this.skewUs, errorUs: this.errorUs };
    for (const action of core.step({ ...event, time })) {
      if (this.crashIn > 0) {
        this.crashIn -= 1;
        if (this.crashIn === 0) this.crash();
      }
      if (this.life !== life) return;
      this.#carryOut(action);
    }
    if (core.unreported > this.reportsMost) throw new Error(`${this.name}: reports without bound`);
  }

  /** Its clock is put: gates and plans get the instants that follow, as soon as anybody looks. */
  clockIs(skewUs: number, errorUs: number | undefined): void {
    this.#sim.note(`${this.name} clock by ${skewUs - this.skewUs} us`);
    this.skewUs = skewUs;
    this.errorUs = errorUs;
    const { life } = this;
    this.step({ type: 'tick' });
    if (!this.core || this.life !== life) return;
    for (const { run } of this.machine.directories.values()) this.#moveGate(run);
    for (const [run, acts] of this.#plans) {
      for (const [act, atUs] of acts) this.machine.plan(run, act, atUs, this.skewUs);
    }
  }

  #moveGate(run: string): void {
    const { gateUs, order } = this.machine.directories.get(run) ?? {};
    if (gateUs === undefined || order?.at === undefined) return;
    const wantedUs = order.at - this.skewUs;
    if (Math.abs(gateUs - wantedUs) > MOVED_US) this.machine.moveGate(run, wantedUs);
  }

  #plan(run: string, act: TimedAct, atUs: number | undefined): void {
    // A thread of the agent would: here the agent itself.
    if (act === 'stop' || act === 'signal') return;
    const acts = this.#plans.get(run) ?? new Map<TimedAct, number>();
    this.#plans.set(run, acts);
    if (atUs === undefined) acts.delete(act);
    else acts.set(act, atUs);
    this.machine.plan(run, act, atUs, this.skewUs);
  }

  #retract(run: string, acts: readonly TimedAct[]): void {
    for (const act of acts) this.#plan(run, act, undefined);
    this.#work(run, 5_000, 'answers', () => this.machine.saidAll(run));
  }

  /** Shims know a clock of their own; what they tell is put into true time by what is known now. */
  #heard(run: string, event: RunEvent): void {
    if (event.kind === 'armed') this.#moveGate(run);
    if (event.kind === 'acted') this.#plans.get(run)?.delete(event.acted.act);
    this.step({ type: 'run', run, event: this.#shifted(event) });
  }

  #shifted(event: RunEvent): RunEvent {
    if (event.kind === 'started') return { ...event, started: this.#at(event.started) };
    if (event.kind === 'ended') return { ...event, end: this.#at(event.end) };
    return event.kind === 'acted' ? { ...event, acted: this.#at(event.acted) } : event;
  }

  #at<T extends { readonly atUs: number }>(fact: T): T {
    return { ...fact, atUs: fact.atUs + this.skewUs };
  }

  #inTrueTime({ found, acted, ...what }: FoundRun): FoundRun {
    const own = { ...what, acted: acted?.map((one) => this.#at(one)) };
    if (found.kind !== 'recorded') return { ...own, found };
    const started = found.started && this.#at(found.started);
    return { ...own, found: { ...found, started, end: this.#at(found.end) } };
  }

  // ---- the connection ----

  welcomed(body: Ok<'hostHello'>): void {
    this.isConnected = true;
    this.step({ type: 'connected', welcome: body });
    this.#deliver();
  }

  assigned(request: number, body: Req<'synAssign'>): void {
    this.step({ type: 'assign', request, body });
  }

  disconnected(connection: Connection): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    if (this.isConnected) {
      this.isConnected = false;
      this.step({ type: 'disconnected' });
    }
    this.#connectIn(1_500_000);
  }

  hello(): Req<'hostHello'> {
    if (!this.core) throw new Error(`${this.name} says HELLO and is not there`);
    const { standing } = this.core;
    return wire('hostHello', 'req', {
      ...{ build: 'sim', features: [], role: 'agent', instance: this.name, node: this.name },
      ...{ boot: String(this.machine.boot), containment: 'cgroup', ...standing },
    }) as Req<'hostHello'>;
  }

  #connectIn(mostUs: number): void {
    this.#after(this.#sim.random.int(1_000, mostUs), 'connects', () => {
      if (!this.connection) this.connection = this.#around.dial(this);
    });
  }

  // ---- actions ----

  #carryOut(action: AgentAction): void {
    const { machine } = this;
    switch (action.type) {
      case 'commit':
        this.#commits(action);
        break;
      case 'reply':
        if (this.connection) {
          this.#around.answer(this.connection, action.request, true, action.body);
        }
        break;
      case 'refuse':
        if (this.connection) {
          this.#around.answer(this.connection, action.request, false, action.failure);
        }
        break;
      case 'report':
        this.#truthful(action.reports);
        this.onReports(action.reports);
        if (this.connection) {
          const body = wire('synReport', 'req', { reports: [...action.reports] });
          this.#around.report(this, this.connection, body);
        }
        break;
      case 'fetch-bundle':
        this.#fetch(action.digest);
        break;
      case 'remove-bundle':
        this.#after(this.#sim.random.int(100, 50_000), 'removes content', () => {
          this.content.delete(action.digest);
          this.step({ type: 'bundle-removed', digest: action.digest });
        });
        break;
      case 'launch':
        machine.supersede(action.run);
        this.#work(action.run, 20_000, 'claims', () => {
          machine.claim(action.run, action.order, action.launch);
        });
        this.#work(action.run, 20_000, 'forks', () => {
          const { gateUs } = action;
          machine.fork(action.run, gateUs === undefined ? undefined : gateUs - this.skewUs);
        });
        break;
      case 'cancel':
        this.#work(action.run, 5_000, 'cancels', () => machine.cancel(action.run));
        break;
      case 'attach':
        this.#work(action.run, 5_000, 'attaches', () => machine.attach(action.run));
        break;
      case 'freeze':
      case 'thaw':
        this.#work(action.run, 50_000, action.type, () => {
          machine.freeze(action.run, action.type === 'freeze');
        });
        break;
      case 'terminate':
        this.#work(action.run, 5_000, 'TERM', () => machine.terminate(action.run));
        break;
      case 'kill-tree':
        this.#work(action.run, 50_000, 'KILL', () => {
          const isStuck = this.stuckKills > 0;
          if (isStuck) this.stuckKills -= 1;
          machine.killTree(action.run, isStuck);
        });
        break;
      case 'signal':
        this.#work(action.run, 5_000, action.signal, () => {
          machine.signal(action.run, action.signal, action.order);
        });
        break;
      case 'remove':
        this.#work(action.run, 50_000, 'removes', () => machine.remove(action.run));
        break;
      case 'collect':
        this.#work(action.run, 200_000, 'collects', () => this.#collect(action.run));
        break;
      case 'deliver':
        this.#deliveries.add(action.run);
        this.#deliver();
        break;
      case 'deadline':
        this.#setDeadline(action.atMs);
        break;
      case 'plan':
        this.#plan(action.run, action.act, action.atUs);
        break;
      case 'retract':
        this.#retract(action.run, action.acts);
        break;
      case 'fence':
      case 'ask-lease':
      case 'ask-server':
      // Its programs say nothing, and no task of it asks them to.
      case 'count':
      case 'mark':
      case 'inspect':
      case 'check':
      case 'continue':
      case 'release':
      case 'drop-result':
      case 'changed':
      case 'log':
        break;
    }
  }

  #commits(commit: Commit): void {
    this.#commit = commit;
    if (this.commitsEarly) {
      this.#after(1, 'acknowledges too early', () => {
        this.step({ type: 'committed', commit: commit.commit });
      });
    }
    const slow = this.#sim.random.chance(0.02);
    const us = this.#sim.random.int(100, slow ? 1_500_000 : 10_000);
    this.#after(us, `commit ${commit.commit}`, () => {
      this.#commit = undefined;
      if (this.commitFailures > 0) {
        this.commitFailures -= 1;
        const reason = 'no space left on device';
        this.step({ type: 'commit-failed', commit: commit.commit, reason });
        return;
      }
      this.#write(commit);
      if (!this.commitsEarly) this.step({ type: 'committed', commit: commit.commit });
    });
  }

  #write({ writes }: Commit): void {
    for (const write of writes) {
      const { table, key, value } = write;
      this.onWrite(write);
      if (value === undefined) this.tables[table].delete(key);
      else this.tables[table].set(key, JSON.stringify(value));
    }
  }

  #fetch(digest: string): void {
    this.#after(this.#sim.random.int(1_000, 500_000), 'fetched', () => {
      const fails = this.fetchFailures > 0 || !this.isConnected;
      if (this.fetchFailures > 0) this.fetchFailures -= 1;
      const isThere = fails ? undefined : this.#around.hasContent(digest);
      if (isThere) {
        this.content.add(digest);
        this.step({ type: 'bundle-loaded', digest });
        return;
      }
      const passing = isThere === undefined;
      const reason = passing ? 'the server cannot be reached' : 'the server has no such content';
      this.step({ type: 'bundle-failed', digest, reason, passing });
    });
  }

  /** Some runs leave nothing, some disks are full for a while. */
  #collect(run: string): void {
    const { random } = this.#sim;
    if (this.#isFailing()) {
      this.#told(run, { kind: 'collect-failed', reason: 'no space left on the device' });
      return;
    }
    const collected = random.chance(0.2)
      ? { files: 0, skipped: [] }
      : { files: 1, skipped: [], sizeBytes: 2_048, digest: `sha256:${run}` };
    this.#told(run, { kind: 'collected', collected });
  }

  /** While there is a line, and never twice at once. */
  #deliver(): void {
    for (const run of this.#deliveries) {
      if (!this.isConnected) return;
      this.#deliveries.delete(run);
      this.#work(run, 300_000, 'delivers', () => {
        if (!this.isConnected) this.#deliveries.add(run);
        else if (this.#isFailing())
          this.#told(run, { kind: 'deliver-failed', reason: 'the server has no room' });
        else this.#told(run, { kind: 'delivered' });
      });
    }
  }

  /** A disk is full, here or there. */
  #isFailing(): boolean {
    const fails = this.fetchFailures > 0;
    if (fails) this.fetchFailures -= 1;
    return fails;
  }

  #told(run: string, event: RunEvent): void {
    this.step({ type: 'run', run, event });
  }

  /** Who is reported to have ended must have ended, whatever it died of. */
  #truthful(reports: (AgentAction & { readonly type: 'report' })['reports']): void {
    for (const { process } of reports) {
      if (!process || !['exited', 'failed', 'lost'].includes(process.processState)) continue;
      const directory = this.machine.directories.get(process.run);
      if (directory && this.machine.isLiving(directory)) {
        throw new Error(`${this.name}: ${process.run} lives, reported ${process.processState}`);
      }
    }
  }

  #setDeadline(atMs: number | undefined): void {
    this.#deadlineMs = atMs;
    if (atMs === undefined) return;
    const us = atMs * 1000 + this.machine.bootUs - this.#sim.nowUs;
    this.#after(us + 1, 'tick', () => {
      if (this.#deadlineMs !== atMs) return;
      this.#deadlineMs = undefined;
      this.step({ type: 'tick' });
    });
  }

  /** Work on one run is done in order, each piece after some time. */
  #work(run: string, mostUs: number, what: string, work: () => void): void {
    const { nowUs, random } = this.#sim;
    const atUs = Math.max((this.#busyUs.get(run) ?? 0) + 1, nowUs + random.int(50, mostUs));
    this.#busyUs.set(run, atUs);
    this.#after(atUs - nowUs, `${run} ${what}`, work);
  }

  #after(us: number, what: string, work: () => void): void {
    const { life } = this;
    this.#sim.after(us, `${this.name} ${what}`, () => {
      if (this.life === life) work();
    });
  }
}

/** A body as it is after the wire: only what the layout knows. */
export function wire(
  kind: 'hostHello' | 'synAssign' | 'synReport',
  part: 'req' | 'ok',
  body: AnyBody,
): AnyBody {
  const layout = layouts[kind][part];
  return decodeBody(layout, encodeBody(layout, body));
}
