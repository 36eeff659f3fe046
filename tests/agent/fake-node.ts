/**
 * A node for tests of the agent's core: tables that are durable at a commit and no sooner, run
 * directories, shims and trees that obey at once or later, a server that takes reports. It can
 * crash the core at any instant and boot another from what is left. Nothing here is random.
 */
import { deepEqual, equal } from 'node:assert/strict';
import type { Failure, Ok, Req } from '../../src/net/bodies.ts';
import { AgentCore, type CoreOptions } from '../../src/roles/agent/core.ts';
import type {
  Acted,
  AgentAction,
  AgentEvent,
  Found,
  FoundRun,
  Item,
  Report,
  RunEvent,
  Started,
  TableName,
  TimedAct,
  Write,
} from '../../src/roles/agent/events.ts';
import type { End } from '../../src/supervisor/end.ts';

type Bare<T> = T extends { readonly time: unknown } ? Omit<T, 'time'> : never;

const started = { pid: 100, startTicks: 5, atUs: 1_000_000 };
const SHIM_LATE_US = 60;
const CANCELLED = { kind: 'disarmed' } as const;

interface Directory {
  order: Item;
  main: 'none' | 'alive' | 'ended';
  shim: 'none' | 'alive' | 'dead' | 'done';
  frozen: boolean;
  /** 0, or the number of its restart. */
  launch: number;
  end?: End | undefined;
  /** True time at which its child lets itself go. */
  gateUs?: number | undefined;
  cancelled?: boolean;
  started?: Started | undefined;
  /** What its shim does by itself, and when. */
  acts?: Map<TimedAct, number>;
  acted?: Acted[];
}

export class FakeNode {
  options: CoreOptions = {};
  core = new AgentCore();
  readonly tables: Record<TableName, Map<string, unknown>> = {
    meta: new Map(),
    items: new Map(),
    reports: new Map(),
    runs: new Map(),
    fires: new Map(),
    cursors: new Map(),
  };
  server = { journal: 'j1', seq: 1, after: 0 };
  readonly directories = new Map<string, Directory>();
  readonly content = new Set<string>();
  readonly journaled: Report[] = [];
  readonly replies: { request: number; body: Ok<'synAssign'> }[] = [];
  readonly refusals: { request: number; failure: Failure }[] = [];
  readonly launches: string[] = [];
  readonly programs: string[] = [];
  readonly removals: string[] = [];
  readonly fetches: string[] = [];
  readonly signals: string[] = [];
  readonly collections: string[] = [];
  readonly deliveries: string[] = [];
  readonly treeActs: string[] = [];
  readonly vitalActs: string[] = [];
  readonly cancels: string[] = [];
  /** How often the server was asked for a sign of life; when it gave one. */
  asked = 0;
  heardMs: number | undefined;
  obeysTerm = true;
  answersSignals = true;
  contentComes = true;
  loseReplies = false;
  diskFull = false;
  /** What the clock of the node is put forward by, and what it says of its error. */
  clockAheadUs = 0;
  clockErrorUs: number | undefined = 0;
  /** The machine was asleep: what sleeps on its clock does so for longer. */
  stopGates = false;
  /** Shims can freeze, thaw and kill by one write. */
  hasGroups = true;
  #nowMs = 1_000;
  #commits: { commit: number; writes: readonly Write[] }[] = [];
  #later: (() => void)[] = [];
  #connected = false;
  #request = 1;

  get nowMs(): number {
    return this.#nowMs;
  }

  get nowUs(): number {
    return this.#nowMs * 1_000 + this.clockAheadUs;
  }

  step(event: Bare<AgentEvent>): readonly AgentAction[] {
    const { clockErrorUs: errorUs, heardMs } = this;
    const time = { nowMs: this.#nowMs, atUs: this.nowUs, errorUs, heardMs };
    const actions = this.core.step({ ...event, time });
    for (const action of actions) this.#carryOut(action);
    return actions;
  }

  boot(found?: readonly FoundRun[]): void {
    this.core = new AgentCore(this.options);
    const tables = structuredClone(this.tables);
    const there = found ?? this.#found();
    this.step({ type: 'boot', tables, found: there, content: [...this.content] });
  }

  /** The core and all it had not made durable are gone; the processes are not. */
  crash(): void {
    this.#commits = [];
    this.#later = [];
    this.#connected = false;
  }

  connect(): void {
    this.#connected = true;
    const { journal, seq, after } = this.server;
    const highest = this.journaled.at(-1)?.seq ?? after;
    const welcome = { build: 'x', features: [], fleet: 'f', at: 1, heartbeatMs: 5_000 };
    this.step({ type: 'connected', welcome: { ...welcome, journal, seq, after: highest } });
  }

  disconnect(): void {
    this.#connected = false;
    this.step({ type: 'disconnected' });
  }

  assign(body: Req<'synAssign'>): void {
    this.#request += 1;
    this.step({ type: 'assign', request: this.#request, body });
  }

  /** Work that is under way while nobody is connected. */
  assignOffline(): void {
    this.work();
  }

  run(run: string, event: RunEvent): void {
    const directory = this.directories.get(run);
    if (directory && (event.kind === 'ended' || event.kind === 'gone')) {
      directory.main = 'ended';
      if (event.kind === 'ended') directory.end = event.end;
      if (event.kind === 'gone' || !event.left) directory.shim = 'done';
    }
    this.step({ type: 'run', run, event });
  }

  /** Time passes and nobody is there to see it. */
  sleep(ms: number): void {
    this.#nowMs += ms;
    this.#passGates();
    this.#actInTime();
  }

  tick(ms: number): void {
    this.sleep(ms);
    this.step({ type: 'tick' });
  }

  row(run: string) {
    return this.core.row(run);
  }

  /** One commit becomes durable (or fails). */
  commit(): void {
    const next = this.#commits.shift();
    if (!next) return;
    if (this.diskFull) {
      this.step({ type: 'commit-failed', commit: next.commit, reason: 'no space left' });
      return;
    }
    for (const { table, key, value } of next.writes) {
      const json = value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
      if (json === undefined) this.tables[table].delete(key);
      else this.tables[table].set(key, json);
    }
    this.step({ type: 'committed', commit: next.commit });
  }

  /** The next thing that the world owes an answer for. */
  work(): void {
    this.#later.shift()?.();
  }

  /** Until nothing is under way. */
  settle(): void {
    for (let i = 0; i < 500; i += 1) {
      if (this.#commits.length === 0 && this.#later.length === 0) return;
      if (this.diskFull && this.#later.length === 0) {
        this.commit();
        return;
      }
      this.work();
      this.commit();
    }
    throw new Error('the node does not come to rest');
  }

  /** The program of some run ends by itself. */
  endSome(): void {
    for (const [run, directory] of this.directories) {
      if (directory.main !== 'alive' || directory.shim !== 'alive' || directory.frozen) continue;
      this.#end(run, { how: 'code', value: 3 });
      return;
    }
  }

  killShim(): void {
    for (const [run, directory] of this.directories) {
      if (directory.shim !== 'alive') continue;
      directory.shim = 'dead';
      this.#owe(() => this.run(run, { kind: 'detached', reason: 'the shim died' }));
      return;
    }
  }

  /** The act of giving a run to a shim; a second time for one run is the bug of all bugs. */
  launch(run: string): void {
    if (this.programs.includes(run)) throw new Error(`${run} is launched twice`);
    this.programs.push(run);
  }

  checkTruth(): void {
    for (const [run, { main, shim, end }] of this.directories) {
      const row = this.core.row(run);
      if (!row) continue;
      if (row.processState === 'exited') {
        equal(main, 'ended', run);
        if (end?.how === 'code') equal(row.exitCode, end.value, run);
      }
      if (row.processState === 'running' || row.processState === 'suspended') {
        deepEqual([run, main, shim], [run, 'alive', 'alive']);
      }
      const told = this.journaled.filter((report) => report.process?.run === run).at(-1);
      if (told) equal(told.process?.processState, row.processState, run);
    }
  }

  #found(): FoundRun[] {
    return [...this.directories].map(([run, directory]) => {
      const { order, shim, main, end, frozen, launch } = directory;
      let found: Found = { kind: 'dead', reason: 'the shim died' };
      if (shim === 'none') found = { kind: 'unlaunched' };
      else if (shim === 'alive') found = { kind: 'alive', frozen };
      else if (shim === 'done' && directory.cancelled) found = CANCELLED;
      else if (shim === 'done' && end) {
        found = { kind: 'recorded', started: directory.started ?? started, end };
      } else if (shim === 'done' && main === 'none') {
        found = { kind: 'not-started', reason: 'no', errorCode: 'exec-failed' };
      }
      const acted = shim === 'alive' || shim === 'done' ? directory.acted : undefined;
      return { run, found, order, acted, launch };
    });
  }

  #owe(work: () => void): void {
    const { core } = this;
    this.#later.push(() => {
      if (core === this.core) work();
    });
  }

  #tell(run: string, event: RunEvent): void {
    this.#owe(() => this.run(run, event));
  }

  #end(run: string, how: Pick<End, 'how' | 'value'>, atUs = this.#nowMs * 1_000): void {
    const directory = this.directories.get(run);
    if (directory?.main !== 'alive') return;
    directory.main = 'ended';
    directory.shim = 'done';
    directory.frozen = false;
    const end = { ...how, cpuMs: 1, maxMemoryBytes: 1, atUs };
    directory.end = end;
    this.#tell(run, { kind: 'ended', end, left: false });
  }

  #carryOut(action: AgentAction): void {
    switch (action.type) {
      case 'commit':
        this.#commits.push(action);
        break;
      case 'reply':
        this.replies.push(action);
        break;
      case 'refuse':
        this.refusals.push(action);
        break;
      case 'report':
        this.#journal(action.reports);
        break;
      case 'fetch-bundle':
        this.fetches.push(action.digest);
        if (!this.contentComes) break;
        this.#owe(() => {
          this.content.add(action.digest);
          this.step({ type: 'bundle-loaded', digest: action.digest });
        });
        break;
      case 'remove-bundle':
        this.#owe(() => {
          this.content.delete(action.digest);
          this.step({ type: 'bundle-removed', digest: action.digest });
        });
        break;
      case 'launch':
        this.launches.push(action.run);
        this.#launched(action.run, action);
        break;
      case 'plan':
        this.#plan(action.run, action.act, action.atUs);
        break;
      case 'retract':
        for (const act of action.acts) this.#plan(action.run, act, undefined);
        this.#tell(action.run, { kind: 'retracted' });
        break;
      case 'cancel':
        this.#cancel(action.run);
        break;
      case 'attach':
        this.#attached(action.run);
        break;
      case 'signal': {
        const { run, order } = action;
        this.signals.push(`${run} ${action.signal}`);
        if (this.answersSignals) this.#tell(run, { kind: 'signalled', order });
        break;
      }
      case 'remove':
        this.removals.push(action.run);
        this.#owe(() => {
          if (this.directories.get(action.run)?.shim !== 'alive') {
            this.directories.delete(action.run);
          }
          this.run(action.run, { kind: 'removed' });
        });
        break;
      case 'freeze':
      case 'thaw':
      case 'terminate':
      case 'kill-tree':
        this.#tree(action.type, action.run);
        break;
      case 'ask-server':
        this.asked += 1;
        break;
      // Leases have a simulation of their own (tests/sim/lease.ts).
      case 'ask-lease':
      case 'fence':
        break;
      case 'count':
        this.vitalActs.push(`count ${action.us / 1_000}${action.anew ? ' anew' : ''}`);
        break;
      case 'mark':
        this.#tell(action.run, { kind: 'marked' });
        break;
      case 'inspect': {
        const { run, launch, step, text } = action;
        this.vitalActs.push(step);
        this.#tell(run, { kind: 'inspected', launch, step, text });
        break;
      }
      case 'check':
      case 'continue':
        this.vitalActs.push(action.type);
        break;
      case 'collect':
        this.collections.push(action.run);
        break;
      case 'deliver':
        this.deliveries.push(action.run);
        break;
      case 'release':
      case 'drop-result':
      case 'deadline':
      case 'changed':
      case 'log':
        break;
    }
  }

  #launched(run: string, action: AgentAction & { readonly type: 'launch' }): void {
    const { order, gateUs, launch } = action;
    const directory: Directory = { order, main: 'none', shim: 'none', frozen: false, launch };
    this.#owe(() => {
      const last = this.directories.get(run);
      if (launch > 0 && last && last.shim !== 'alive' && last.launch === launch - 1) {
        this.directories.delete(run);
        this.programs.splice(this.programs.indexOf(run), 1);
      }
      const before = this.directories.get(run);
      if (before) throw new Error(`${run} finds a directory: ${JSON.stringify(before)}`);
      this.directories.set(run, directory);
      directory.shim = 'alive';
      if (gateUs !== undefined && gateUs > this.nowUs) {
        directory.gateUs = gateUs;
        this.#tell(run, { kind: 'armed' });
        return;
      }
      this.launch(run);
      this.#owe(() => {
        if (directory.shim !== 'alive') return;
        directory.main = 'alive';
        this.run(run, { kind: 'started', started: this.#startedNow(directory, this.nowUs) });
      });
    });
  }

  #startedNow(directory: Directory, atUs: number): Started {
    directory.started ??= { ...started, atUs, errorUs: this.clockErrorUs };
    return directory.started;
  }

  /** What waits at a gate needs no agent. */
  #passGates(): void {
    if (this.stopGates) return;
    for (const [run, directory] of this.directories) {
      const { gateUs, main, shim } = directory;
      if (gateUs === undefined || gateUs > this.nowUs || main !== 'none' || shim !== 'alive') {
        continue;
      }
      this.launch(run);
      directory.main = 'alive';
      this.#tell(run, { kind: 'started', started: this.#startedNow(directory, gateUs) });
    }
  }

  #plan(run: string, act: TimedAct, atUs: number | undefined): void {
    const directory = this.directories.get(run);
    const isThread = act === 'stop' || act === 'signal';
    if (!(this.hasGroups || isThread) || directory?.shim !== 'alive') return;
    directory.acts ??= new Map();
    if (atUs === undefined) directory.acts.delete(act);
    else directory.acts.set(act, atUs);
  }

  /** Shims do it, the agent there or not; `stop` and `signal` its thread. */
  #actInTime(): void {
    for (const [run, directory] of this.directories) {
      for (const [act, atUs] of directory.acts ?? []) {
        if (atUs > this.nowUs || directory.shim !== 'alive') continue;
        directory.acts?.delete(act);
        const acted: Acted = { act, atUs: atUs + SHIM_LATE_US, errorUs: this.clockErrorUs };
        directory.acted = [...(directory.acted ?? []), acted];
        this.#tell(run, { kind: 'acted', acted });
        if (act === 'kill') this.#end(run, { how: 'signal', value: 9 }, acted.atUs);
        else if (act === 'stop' && this.obeysTerm) {
          this.#end(run, { how: 'signal', value: 15 }, acted.atUs);
        } else if (act === 'freeze' || act === 'thaw') directory.frozen = act === 'freeze';
      }
    }
  }

  #cancel(run: string): void {
    this.#owe(() => {
      const directory = this.directories.get(run);
      if (directory?.shim !== 'alive' || directory.main !== 'none') return;
      if (directory.gateUs === undefined) return;
      this.cancels.push(run);
      Object.assign(directory, { shim: 'done', cancelled: true });
      this.#tell(run, { kind: 'disarmed' });
    });
  }

  #attached(run: string): void {
    const directory = this.directories.get(run);
    this.#owe(() => {
      if (!directory) return;
      if (directory.gateUs !== undefined && directory.main === 'none') {
        if (directory.shim === 'alive') this.run(run, { kind: 'armed' });
        return;
      }
      if (directory.shim === 'alive' && directory.main === 'none') directory.main = 'alive';
      const now = this.#startedNow(directory, this.nowUs);
      this.run(run, { kind: 'started', started: now });
    });
  }

  #tree(act: 'freeze' | 'thaw' | 'terminate' | 'kill-tree', run: string): void {
    const directory = this.directories.get(run);
    this.treeActs.push(`${act} ${run}`);
    if (act === 'freeze' || act === 'thaw') {
      this.#owe(() => {
        if (directory) directory.frozen = act === 'freeze';
        this.run(run, { kind: act === 'freeze' ? 'frozen' : 'thawed' });
      });
    } else if (act === 'terminate') {
      if (directory) directory.frozen = false;
      if (this.obeysTerm) this.#owe(() => this.#end(run, { how: 'signal', value: 15 }));
    } else {
      this.#owe(() => {
        const now = this.directories.get(run);
        if (now?.shim === 'alive' && now.gateUs !== undefined && now.main === 'none') {
          now.shim = 'done';
          const errorCode = 'exec-failed';
          this.#tell(run, { kind: 'launch-failed', reason: 'killed', errorCode });
        } else if (now?.shim === 'alive') this.#end(run, { how: 'signal', value: 9 });
        else if (now) now.main = 'ended';
        this.run(run, { kind: 'cleared', killed: 0 });
      });
    }
  }

  #journal(reports: readonly Report[]): void {
    if (!this.#connected) return;
    const { loseReplies } = this;
    for (const report of reports) {
      const highest = this.journaled.at(-1)?.seq ?? this.server.after;
      if (report.seq <= highest) continue;
      equal(report.seq, highest + 1);
      this.journaled.push(report);
    }
    if (loseReplies) return;
    const seq = this.journaled.at(-1)?.seq ?? 0;
    this.#owe(() => {
      if (this.#connected) this.step({ type: 'reported', body: { seq, seenSeq: 1 } });
    });
  }
}
