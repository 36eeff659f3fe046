/**
 * The agent's heart: decides everything, touches nothing. Events with their time go in, actions
 * come out; between two events it does not exist. The edge (agent.io.ts) carries the actions out,
 * and so does the simulator, which may crash it between any two steps and boot it again from what
 * had been committed.
 *
 * The parts: `Assignment` and `Orders` (what the server wants, once), `Runs` (processes over the
 * table), `Bundles` (code), `Reports` (what the server shall know), all over one `Ledger` (what is
 * durable). Here they are put together, and their deadlines become one.
 */
import { earliest } from '../../base/earliest.ts';
import type { Room } from '../../supervisor/room.ts';
import { Assignment, numberOf, type Standing } from './assignment.ts';
import { adoptRuns } from './boot.ts';
import { Bundles } from './bundles.ts';
import type { AgentAction, AgentEvent, Report, StoredItem, StoredRun, Time } from './events.ts';
import { Fires } from './fires.ts';
import type { StoredFire } from './firing.ts';
import { Leases } from './leases.ts';
import { Ledger } from './ledger.ts';
import { Orders } from './orders.ts';
import { Reports } from './reports.ts';
import { Results } from './results.ts';
import { RunEvents } from './run-events.ts';
import { Runs } from './runs.ts';
import { Schedules, type StoredCursor } from './schedules.ts';
import { ServerLost } from './server-lost.ts';
import { Vitals } from './vitals.ts';

const RETENTION_EVERY_MS = 3_600_000;
const NO_BOUND: Room = { cores: Infinity, memoryBytes: Infinity };
/** What is armed may be other than what shall fire after these. */
const changing: ReadonlySet<AgentEvent['type']> = new Set([
  ...(['boot', 'assign', 'bundle-loaded', 'bundle-removed', 'bundle-failed'] as const),
]);

export interface CoreOptions {
  /** Of rules in zone `local`. */
  readonly zone?: string | undefined;
  /** Who vouches for bundles here; undefined: nobody need. */
  readonly signers?: ReadonlySet<string> | undefined;
  /** Undefined: there is no bound. */
  readonly room?: Room | undefined;
}

export class AgentCore {
  #time: Time = { nowMs: 0, atUs: 0 };
  #actions: AgentAction[] = [];
  readonly #ledger = new Ledger();
  readonly #reports = new Reports(this.#ledger);
  readonly #runs: Runs;
  readonly #bundles: Bundles;
  readonly #results: Results;
  readonly #orders: Orders;
  readonly #schedules: Schedules;
  readonly #fires: Fires;
  readonly #vitals: Vitals;
  readonly #runEvents: RunEvents;
  readonly #assignment: Assignment;
  readonly #serverLost: ServerLost;
  readonly #leases: Leases;
  #deadlineMs: number | undefined;
  #lazyMs: number | undefined;
  #retentionMs: number | undefined;

  constructor({ zone = 'UTC', signers, room = NO_BOUND }: CoreOptions = {}) {
    const act = (action: AgentAction): void => this.#push(action);
    const time = (): Time => this.#time;
    const common = { ledger: this.#ledger, reports: this.#reports, act, time };
    this.#runs = new Runs({
      ...{ ...common, room },
      bundles: () => this.#bundles,
      leases: () => this.#leases,
      node: () => this.#schedules.node,
      settled: (run) => {
        const first = [this.#vitals, this.#results, this.#serverLost, this.#leases];
        for (const part of [...first, this.#orders, this.#fires]) part.settled(run);
      },
    });
    this.#bundles = new Bundles({
      ...{ ...common, signers },
      inUse: () => this.#runs.digestsInUse().union(this.#schedules.digests),
      changed: () => this.#runs.evaluatePending(),
    });
    this.#results = new Results({
      ...common,
      get: (run) => this.#runs.get(run),
      put: (run, result) => {
        const stored = this.#runs.get(run);
        if (stored) this.#runs.replace({ ...stored, result });
      },
    });
    const runs = (): Runs => this.#runs;
    this.#vitals = new Vitals({ ...common, runs });
    this.#orders = new Orders({ ...common, runs });
    const [orders, bundles] = [this.#orders, this.#bundles];
    this.#schedules = new Schedules({
      ...{ ...common, zone },
      fires: () => this.#fires,
      need: (digest, bundle) => bundles.need(digest, bundle),
    });
    this.#serverLost = new ServerLost({ act, time, runs });
    this.#leases = new Leases({ act, time, runs, reports: this.#reports });
    const schedules = this.#schedules;
    this.#fires = new Fires({
      ...{ ...common, runs, bundles: () => bundles },
      task: (name) => schedules.task(name),
      serverLost: (item) => this.#serverLost.why(item),
      plan: (schedule) => schedules.plan(schedule),
      hasDue: (schedule) => schedules.hasDue(schedule),
      node: () => schedules.node,
    });
    this.#runEvents = new RunEvents({
      ...{ ...common, runs: this.#runs, orders, fires: this.#fires },
      ...{ vitals: this.#vitals, results: this.#results, leases: this.#leases },
    });
    this.#assignment = new Assignment({ ...common, orders, bundles, schedules });
  }

  /** What is to be done because of `event`, in this order. */
  step(event: AgentEvent): readonly AgentAction[] {
    this.#time = event.time;
    this.#fires.presence.observe(event.time);
    this.#actions = [];
    this.#handle(event);
    if (changing.has(event.type)) this.#fires.doubt();
    this.#leases.tick();
    this.#schedules.claim();
    if (this.#runs.room.settle()) this.#fires.doubt();
    this.#fires.arm();
    this.#runs.room.settle();
    this.#runs.retain();
    this.#push(this.#ledger.flush(event.type === 'tick' && this.#isLazyDue()));
    this.#push(this.#reports.send(event.time.nowMs));
    this.#setDeadline();
    return this.#actions;
  }

  get standing(): Standing & { readonly seq: number } {
    return { ...this.#assignment.standing, seq: this.#reports.last };
  }

  run(run: string): StoredRun | undefined {
    return this.#runs.get(run);
  }

  row(run: string): ReturnType<Runs['row']> {
    return this.#runs.row(run);
  }

  /** Runs that have not ended. */
  liveRuns(): readonly StoredRun[] {
    return [...this.#runs.live()];
  }

  runs(): readonly StoredRun[] {
    return [...this.#runs.all()];
  }

  /** Reports not acknowledged. */
  get unreported(): number {
    return this.#reports.waiting;
  }

  #handle(event: AgentEvent): void {
    switch (event.type) {
      case 'boot':
        this.#boot(event);
        break;
      case 'connected':
        this.#schedules.named(event.welcome.node ?? '');
        this.#assignment.connected(event.welcome);
        this.#leases.connected();
        // A journal that knows nothing of this node cannot have its reports.
        this.#reports.connected(event.welcome.after ?? 0);
        break;
      case 'disconnected':
        this.#assignment.disconnected();
        this.#leases.disconnected();
        this.#reports.disconnected();
        break;
      case 'assign':
        this.#assignment.take(event.request, event.body);
        break;
      case 'reported':
        this.#reports.acknowledged(event.body.seq);
        this.#assignment.saw(event.body.seenSeq, event.body.journal);
        this.#leases.reported();
        break;
      case 'report-refused':
        this.#logError(`the server refused a report: ${event.failure.text}`);
        this.#reports.refused(event.time.nowMs);
        break;
      case 'leased':
        this.#leases.take(event.leases);
        break;
      case 'committed':
        this.#ledger.committed(event.commit);
        // What is durable now may be due, all of it together.
        this.#fires.tick();
        break;
      case 'commit-failed':
        this.#logError(`cannot store what happened on this node: ${event.reason}`);
        this.#ledger.failed(event.commit, event.reason);
        break;
      case 'run':
        this.#runEvents.apply(event.run, event.event);
        break;
      case 'bundle-loaded':
        this.#bundles.loaded(event.digest);
        break;
      case 'bundle-removed':
        this.#bundles.removed(event.digest);
        break;
      case 'bundle-failed':
        this.#bundles.failed(event.digest, event.reason, event.passing);
        break;
      case 'stop-all':
        for (const { process } of this.liveRuns()) {
          this.#runs.apply(process.run, { event: 'want-stop' });
        }
        break;
      case 'warned':
        this.#reports.event({ eventKind: 'node-warned', text: event.text }, event.time.atUs);
        break;
      case 'tick':
        this.#tick();
        break;
    }
  }

  #boot(event: AgentEvent & { readonly type: 'boot' }): void {
    const { meta, items, reports, runs } = event.tables;
    this.#assignment.load(meta);
    this.#reports.load(reports.values() as Iterable<Report>, numberOf(meta, 'reportSeq'));
    const stored = [...items.values()] as StoredItem[];
    const kind = (entry: string): StoredItem[] => stored.filter((one) => one.item.entry === entry);
    this.#bundles.load(kind('bundle'), event.content);
    this.#orders.load(kind('order'));
    const { cursors, fires } = event.tables;
    this.#fires.load(fires.values() as Iterable<StoredFire>);
    const own = [...kind('schedule'), ...kind('task')];
    this.#schedules.load(own, cursors as ReadonlyMap<string, StoredCursor>);
    const act = (action: AgentAction): void => this.#push(action);
    const parts = { runs: this.#runs, leases: this.#leases, fires: this.#fires };
    const adoption = { ...parts, act, time: () => this.#time };
    adoptRuns(adoption, [...runs.values()] as StoredRun[], event.found);
    for (const part of [this.#serverLost, this.#leases])
      for (const { process } of this.#runs.live()) part.settled(process.run);
    this.#bundles.begin();
    this.#orders.begin();
    this.#schedules.begin(meta.get('node'));
    this.#fires.begin();
    this.#runs.begin();
    this.#results.begin(this.#runs.all());
    this.#retentionMs = this.#time.nowMs + RETENTION_EVERY_MS;
    this.#runs.retain(true);
  }

  #tick(): void {
    this.#runs.tick();
    this.#vitals.tick();
    this.#results.tick();
    this.#bundles.tick();
    this.#serverLost.tick();
    this.#fires.tick();
    const { nowMs } = this.#time;
    if (this.#retentionMs === undefined || nowMs < this.#retentionMs) return;
    this.#retentionMs = nowMs + RETENTION_EVERY_MS;
    this.#runs.retain(true);
  }

  #isLazyDue(): boolean {
    return this.#lazyMs !== undefined && this.#lazyMs <= this.#time.nowMs;
  }

  #setDeadline(): void {
    const { patienceMs } = this.#ledger;
    if (patienceMs === undefined || this.#isLazyDue()) this.#lazyMs = undefined;
    const latestMs = this.#time.nowMs + (patienceMs ?? 0);
    if (patienceMs !== undefined) this.#lazyMs = Math.min(this.#lazyMs ?? latestMs, latestMs);
    const parts = [
      ...[this.#runs, this.#vitals, this.#results, this.#bundles, this.#serverLost],
      ...[this.#leases, this.#schedules, this.#fires],
    ];
    const times = [this.#reports.retryMs, this.#lazyMs, this.#retentionMs];
    const first = earliest([...times, ...parts.map(({ deadlineMs }) => deadlineMs)]);
    if (first === this.#deadlineMs) return;
    this.#deadlineMs = first;
    this.#push({ type: 'deadline', atMs: first });
  }

  #logError(text: string): void {
    this.#push({ type: 'log', level: 'error', text });
  }

  #push(action: AgentAction | undefined): void {
    if (action) this.#actions.push(action);
  }
}
