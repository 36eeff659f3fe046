/**
 * The core with its world around it: events queue up and are given to the core one by one, its
 * actions go where they belong. Everything that takes time comes back as an event.
 */
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import { readSigners } from '../../net/signers.io.ts';
import type { SystemClock } from '../../scheduler/clock.io.ts';
import type { TableStore } from '../../store/tables.ts';
import { LogIndexers } from '../../supervisor/log-indexer.io.ts';
import { emptyTrash, listRuns } from '../../supervisor/run-directory.io.ts';
import { hasEnded } from '../../supervisor/states.ts';
import type { RunTrees } from '../../supervisor/tree.io.ts';
import type { AgentOptions } from './agent.io.ts';
import { Contents } from './contents.io.ts';
import { AgentCore } from './core.ts';
import { agentFiles, type NodeIdentity } from './data.io.ts';
import type { AgentAction, AgentEvent, FoundRun, RunEvent, StoredRun } from './events.ts';
import { Inputs } from './inputs.io.ts';
import { Line } from './line.io.ts';
import { Output } from './output.io.ts';
import { within } from './rest.io.ts';
import { ResultFiles } from './results.io.ts';
import { nodeRoom } from './room.io.ts';
import { Rotation } from './rotation.io.ts';
import { onRun } from './run-action.ts';
import { Runner } from './runner.io.ts';
import { Samples } from './samples.io.ts';
import { ServerTime } from './server-time.io.ts';
import { loadTables, toTableWrites } from './stored.io.ts';

export interface NodeOptions extends AgentOptions {
  readonly instance: string;
  readonly identity: NodeIdentity;
  readonly log: Log;
}

type Bare<T> = T extends { readonly time: unknown } ? Omit<T, 'time'> : never;
export type Happening = Bare<AgentEvent>;

const REPORTS_LEAVE_MS = 2_000;
const INSPECTED_AT_ONCE = 16;

export interface Parts {
  readonly clock: SystemClock;
  readonly shim: string;
  readonly tables: TableStore;
  readonly trees: RunTrees;
  readonly failed: Promise<never>;
}

export class Node implements AsyncDisposable {
  readonly #options: NodeOptions;
  readonly #parts: Parts;
  readonly #core: AgentCore;
  readonly #runner: Runner;
  readonly #contents: Contents;
  readonly #results: ResultFiles;
  readonly #inputs: Inputs;
  readonly #output: Output;
  readonly #line: Line;
  #events: Happening[] = [];
  #feeding = false;
  #timer: NodeJS.Timeout | undefined;
  #quiet: (() => void)[] = [];
  #unmoved = (): void => undefined;

  constructor(options: NodeOptions, parts: Parts) {
    const room = nodeRoom(options.claims, options.log);
    this.#core = new AgentCore({
      room,
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      signers: readSigners(options.requireSignature),
    });
    this.#options = options;
    this.#parts = parts;
    const { data: directory, log } = options;
    const { clock, trees, shim } = parts;
    const files = agentFiles(directory);
    const run = (id: string): StoredRun | undefined => this.#core.run(id);
    const row = (id: string): ReturnType<AgentCore['row']> => this.#core.row(id);
    const emit = (id: string, event: RunEvent): void => this.feed({ type: 'run', run: id, event });
    const nowUs = (): number => clock.now().atUs;
    this.#contents = new Contents({
      ...{ bundles: files.bundles, log },
      loaded: (digest) => this.feed({ type: 'bundle-loaded', digest }),
      removed: (digest) => this.feed({ type: 'bundle-removed', digest }),
      failed: (digest, reason, passing) => {
        log('warn', 'a bundle could not be loaded', { digest, reason });
        this.feed({ type: 'bundle-failed', digest, reason, passing });
      },
    });
    this.#runner = new Runner({
      ...{ clock, directory, shim, trees, log, indexers: new LogIndexers(nowUs) },
      bundle: (digest) => this.#contents.path(digest),
      node: () => this.#line.node,
      emit,
    });
    this.#results = new ResultFiles({ directory, log, emit });
    this.#inputs = new Inputs({ directory, runner: this.#runner, run });
    this.#output = new Output({ directory, nowUs, run, row });
    const liveRuns = (): readonly StoredRun[] => this.#core.liveRuns();
    const warn = (text: string): void => this.feed({ type: 'warned', text });
    const watched = { directory, clock, trees, runner: this.#runner, liveRuns };
    const samples = new Samples({ ...watched, emit, warn });
    this.#line = new Line(options, {
      ...{
        samples,
        time: new ServerTime(clock),
        rotation: new Rotation({
          ...options,
          everyMs: options.rotateKeyMs,
          nowUs: () => clock.now().atUs,
        }),
        ...{ contents: this.#contents, results: this.#results },
        ...{ inputs: this.#inputs, output: this.#output },
      },
      containment: trees.containment.kind,
      ...{ room, holds: { ...trees.holds, lease: 'shim' } },
      standing: () => this.#core.standing,
      feed: (event) => this.feed(event),
    });
  }

  get containment(): string {
    return this.#parts.trees.containment.kind;
  }

  /** Rejects when the agent cannot go on. */
  get failed(): Promise<never> {
    return this.#parts.failed;
  }

  async boot(): Promise<void> {
    const { data } = this.#options;
    const tables = await loadTables(this.#parts.tables);
    const content = await this.#contents.begin();
    const ended = (run: string): boolean => {
      const stored = tables.runs.get(run) as StoredRun | undefined;
      return stored !== undefined && hasEnded(stored.process.state) && !stored.removing;
    };
    const runs = listRuns(data).filter((run) => !ended(run));
    const found: FoundRun[] = [];
    for (let at = 0; at < runs.length; at += INSPECTED_AT_ONCE) {
      const some = runs.slice(at, at + INSPECTED_AT_ONCE);
      found.push(...(await Promise.all(some.map((run) => this.#runner.inspect(run)))));
    }
    this.feed({ type: 'boot', tables, found, content });
    // What must not fire any more is taken back first.
    this.#unmoved = this.#parts.clock.onMoved(() => {
      this.feed({ type: 'tick' });
      this.#runner.moved();
    });
    await this.#sweepGroups();
    emptyTrash(data).catch((error: unknown) => {
      this.#options.log('warn', 'the trash was not emptied', { reason: String(error) });
    });
    this.#line.open();
  }

  /** Gives an event to the core, after those that came before it. */
  feed(event: Happening): void {
    this.#events.push(event);
    if (this.#feeding) return;
    this.#feeding = true;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) {
        const { clock } = this.#parts;
        const read = { bootUs: clock.bootUs(), ...clock.now(), nowMs: clock.monotonicMs() };
        const time = { ...read, heardMs: this.#line.heardMs };
        for (const action of this.#core.step({ ...next, time })) this.#carryOut(action);
      }
    } finally {
      this.#feeding = false;
    }
    if (this.#quiet.length > 0) for (const look of [...this.#quiet]) look();
  }

  /** Stops every run, each with its grace; returns when all have ended. */
  async stopAll(): Promise<void> {
    this.feed({ type: 'stop-all' });
    await this.#until(() => this.#core.liveRuns().length === 0);
  }

  /** Says goodbye: what is to be reported leaves first, if the server takes it soon. */
  async leave(reason: string): Promise<void> {
    if (!this.#line.isOpen) return;
    await within(
      REPORTS_LEAVE_MS,
      this.#until(() => this.#core.unreported === 0),
    );
    await this.#line.bye(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#unmoved();
    await this.#line.close();
    this.#inputs.close();
    await this.#contents.close();
    await this.#results.close();
    await this.#runner.close();
    await this.#parts.tables[Symbol.asyncDispose]();
    await this.#parts.clock.close();
    this.#parts.trees.leave();
  }

  // ---- actions ----

  #carryOut(action: AgentAction): void {
    switch (action.type) {
      case 'commit':
        this.#commit(action);
        break;
      case 'reply':
        this.#line.reply(action.request, action.body);
        break;
      case 'refuse':
        this.#line.refuse(action.request, action.failure);
        break;
      case 'report':
        this.#line.report(action.reports);
        break;
      case 'fetch-bundle':
        this.#contents.fetch(action);
        break;
      case 'remove-bundle':
        this.#contents.remove(action.digest);
        break;
      case 'ask-lease':
        this.#line.lease(action.leases);
        break;
      case 'ask-server':
        this.#line.ask();
        break;
      case 'deadline':
        this.#arm(action.atMs);
        break;
      case 'changed':
        this.#inputs.changed(action.run);
        this.#output.changed(action.run);
        break;
      case 'log':
        this.#options.log(action.level, action.text, action.facts);
        break;
      case 'collect':
      case 'deliver':
      case 'drop-result':
        this.#results.carryOut(action);
        break;
      default:
        if (action.type === 'remove') this.#results.forget(action.run);
        onRun(this.#runner, action);
    }
  }

  #commit({ commit, writes }: AgentAction & { readonly type: 'commit' }): void {
    this.#parts.tables.commit(toTableWrites(writes)).then(
      () => this.feed({ type: 'committed', commit }),
      (error: Error) => this.feed({ type: 'commit-failed', commit, reason: error.message }),
    );
  }

  #arm(atMs: number | undefined): void {
    clearTimeout(this.#timer);
    if (atMs === undefined) return;
    const waitMs = Math.max(0, Math.ceil(atMs - this.#parts.clock.monotonicMs()));
    this.#timer = setTimeout(
      () => {
        // A long wait is made of short ones: timers drift, and overflow.
        if (this.#parts.clock.monotonicMs() < atMs) this.#arm(atMs);
        else this.feed({ type: 'tick' });
      },
      Math.min(waitMs, limits.timerMs),
    );
  }

  #until(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isTrue()) return;
        this.#quiet = this.#quiet.filter((one) => one !== look);
        resolve();
      };
      this.#quiet.push(look);
      look();
    });
  }

  /** Groups of runs that nobody knows: a crash between making one and claiming it. */
  async #sweepGroups(): Promise<void> {
    const { trees } = this.#parts;
    for (const run of await trees.listRunGroups()) {
      if (this.#core.run(run)) continue;
      await trees.killTree({ run, shim: undefined }).catch(() => undefined);
      await trees.removeRunGroup(run).catch(() => false);
    }
  }
}
