/**
 * Runs in the world: directories, shims and trees of processes. Carries out what the core decided
 * about a run and tells what became of it. What is asked about one run is done in order; runs do
 * not wait for each other.
 *
 * The order file in a run's directory is written right before the launch is handed to a shim: a
 * claim without it was never launched, one with it may have been, whatever else is missing.
 */
import type { Log } from '../../base/log.io.ts';
import { signalNumber } from '../../base/signals.ts';
import type { SystemClock } from '../../scheduler/system-clock.ts';
import { DeedThread } from '../../supervisor/deed-thread.io.ts';
import type { LogIndexers } from '../../supervisor/log-indexer.io.ts';
import { paths } from '../../supervisor/paths.ts';
import { dropLaunch, removeRun } from '../../supervisor/run-directory.io.ts';
import { launchShim, type ShimHandle } from '../../supervisor/shim.io.ts';
import type { ShimEvent } from '../../supervisor/shim.ts';
import type { RunTree, RunTrees } from '../../supervisor/tree.io.ts';
import type { ProcessIdentity } from '../../supervisor/tree.ts';
import { type Attached, inspectRun, newAttached } from './attached.io.ts';
import type { AgentAction, FoundRun, Item, RunEvent, TimedAct } from './events.ts';
import { Hearing } from './hearing.io.ts';
import { InOrder } from './in-order.ts';
import { claimLaunch, LaunchError, planLaunch } from './launch.io.ts';
import { forgetSecrets } from './secrets.io.ts';
import { Watch } from './watch.io.ts';

export interface RunnerOptions {
  readonly directory: string;
  readonly shim: string;
  readonly trees: RunTrees;
  readonly log: Log;
  readonly indexers: LogIndexers;
  readonly clock: Pick<SystemClock, 'trueAt' | 'monotonicOf' | 'monotonicUs'>;
  /** Where the content of a digest lies. */
  bundle(digest: string): string;
  /** What the server calls this node. */
  node(): string;
  readonly emit: (run: string, event: RunEvent) => void;
}

export interface Launching {
  /** 0 for a run's first launch, then the number of its restarts. */
  readonly launch: number;
  /** True time until which the program is held; one that has passed holds nothing. */
  readonly gateUs?: number | undefined;
  /** CLOCK_BOOTTIME at which its shim ends it. */
  readonly fenceUs?: number | undefined;
}

type Planned = Omit<Extract<AgentAction, { readonly type: 'plan' }>, 'type' | 'run'>;

export class Runner {
  readonly #options: RunnerOptions;
  readonly #attached = new Map<string, Attached>();
  readonly #turns: InOrder;
  readonly #hearing: Hearing;
  readonly watch: Watch;
  readonly #deeds: DeedThread;

  constructor(options: RunnerOptions) {
    this.#options = options;
    const failed = (run: string, error: unknown): void => {
      options.log('error', 'a run was not served', { run, reason: String(error) });
    };
    this.#turns = new InOrder(failed);
    this.watch = new Watch({ ...options, attached: (run) => this.#attached.get(run) });
    this.#hearing = new Hearing({
      ...{ ...options, watch: this.watch },
      isPresent: (run, attached) => this.#attached.get(run) === attached,
      deedsTold: (run) => this.#deeds.told(run),
    });
    this.#deeds = new DeedThread({
      containment: options.trees.containment,
      log: options.log,
      monotonicOf: (trueUs) => options.clock.monotonicOf(trueUs),
      done: ({ kind: act, tree }, atUs) => {
        options.emit(tree.run, { kind: 'acted', acted: { act, ...options.clock.trueAt(atUs) } });
      },
    });
  }

  shimOf(run: string): ProcessIdentity | undefined {
    return this.#attached.get(run)?.shim;
  }

  channel(run: string): ShimHandle | undefined {
    return this.#attached.get(run)?.handle;
  }

  launch(run: string, order: Item, how: Launching): void {
    // From here on words of the launch before are words about nothing.
    this.#attached.get(run)?.handle?.close();
    this.#attached.delete(run);
    this.#deeds.forget(run);
    this.#turns.do(run, async () => {
      try {
        await this.#launch(run, order, how);
      } catch (error) {
        const known = error instanceof LaunchError;
        const reason = (error as Error).message;
        const errorCode = known ? error.code : 'exec-failed';
        if (!known) this.#options.log('error', 'launch failed', { run, reason });
        this.#options.emit(run, { kind: 'launch-failed', reason, errorCode });
      }
    });
  }

  /** From here on events of a shim found by `inspect` are told, first those of the past. */
  attach(run: string): void {
    const attached = this.#attached.get(run);
    if (!attached) return;
    const held = attached.held ?? [];
    attached.held = undefined;
    for (const event of held) this.#hearing.hear(run, attached, event);
    this.#options.indexers.follow(attached.logs);
  }

  /** Whether it still could be cancelled, the shim tells. */
  cancel(run: string): void {
    this.#turns.do(run, () => this.#attached.get(run)?.handle?.send({ kind: 'cancel' }));
  }

  /** At its instant: by the shim where that is one write, else by the thread for deeds. */
  plan(run: string, { act, atUs, signal, main }: Planned): void {
    const attached = this.#attached.get(run);
    if (!attached) return;
    const isWrite = act === 'freeze' || act === 'thaw' || act === 'kill';
    if (isWrite && this.#options.trees.groupPath(run) !== undefined) {
      this.#hearing.plan(attached, act, atUs);
      return;
    }
    const number = signal === undefined ? undefined : signalNumber(signal);
    this.#deeds.plan({ kind: act, tree: this.#tree(run), signal: number, main }, atUs);
  }

  retract(run: string, acts: readonly TimedAct[]): void {
    for (const act of acts) this.plan(run, { act, atUs: undefined });
    void this.#deeds.told(run).then(() => this.#hearing.askDone(run, this.#attached.get(run)));
  }

  /** The shim ends the run at that instant of CLOCK_BOOTTIME. */
  fence(run: string, atUs: number): void {
    this.#turns.do(run, () => {
      this.#attached.get(run)?.handle?.send({ kind: 'at', act: 'lease', atUs: Math.max(1, atUs) });
    });
  }

  /** True time has moved against the clock that gates sleep by. */
  moved(): void {
    for (const attached of this.#attached.values()) this.#hearing.move(attached);
    this.#deeds.moved();
  }

  suspend(run: string, act: 'freeze' | 'thaw'): void {
    const { trees, emit } = this.#options;
    this.#turns.do(run, async () => {
      try {
        await trees[act](this.#tree(run));
        emit(run, { kind: act === 'freeze' ? 'frozen' : 'thawed' });
      } catch (error) {
        const reason = (error as Error).message;
        emit(run, { kind: act === 'freeze' ? 'freeze-failed' : 'thaw-failed', reason });
      }
    });
  }

  /** What is frozen is thawed first, and what was stopped by anybody is woken. */
  terminate(run: string, signal: string): void {
    const { trees, log } = this.#options;
    this.#turns.do(run, async () => {
      if (await this.#deeds.hasDone(run, 'stop')) return;
      const tree = this.#tree(run);
      await trees.thaw(tree).catch(() => undefined);
      await trees.signalTree(tree, signalNumber(signal) ?? 15, true).catch((error: unknown) => {
        log('warn', 'a signal could not be sent', { run, signal, reason: String(error) });
      });
    });
  }

  killTree(run: string): void {
    const { trees, emit } = this.#options;
    this.#turns.do(run, async () => {
      const tree = this.#tree(run);
      try {
        // With its shim there the end is known; what KILL took is then no news.
        const isKnown = this.#attached.get(run)?.handle !== undefined;
        const killed = isKnown ? 0 : (await trees.members(tree).catch(() => [])).length;
        await trees.killTree(tree);
        emit(run, { kind: 'cleared', killed });
      } catch (error) {
        emit(run, { kind: 'stuck', reason: (error as Error).message });
      }
    });
  }

  signal(run: string, signal: string, order: string): void {
    void this.#signal(run, signal, order);
  }

  async #signal(run: string, signal: string, order: string): Promise<void> {
    const isDone = await this.#deeds.hasDone(run, 'signal');
    const reason = isDone ? undefined : this.#send(run, signal);
    this.#options.emit(run, { kind: 'signalled', order, reason });
  }

  /** Why it cannot be sent; undefined: it was. */
  #send(run: string, signal: string): string | undefined {
    const handle = this.#attached.get(run)?.handle;
    const number = signalNumber(signal);
    if (number === undefined) return `${signal} is no signal`;
    handle?.send({ kind: 'signal', signal: number });
    return handle ? undefined : 'the shim cannot be reached';
  }

  /** What is stopped is woken, whoever stopped it. */
  continue(run: string): void {
    this.#turns.do(run, async () => {
      await this.#options.trees.signalTree(this.#tree(run), 'SIGCONT');
    });
  }

  /** The run is over: its control group goes, its index is complete. */
  release(run: string): void {
    this.watch.forget(run);
    this.#deeds.forget(run);
    this.#turns.do(run, async () => {
      const { directory, indexers, trees, log } = this.#options;
      const places = paths(directory, run);
      await indexers.leave(places.logs);
      await forgetSecrets(places, log);
      if (!(await trees.removeRunGroup(run).catch(() => false))) {
        log('warn', 'a control group is still busy', { run });
      }
    });
  }

  remove(run: string): void {
    const { directory, emit, log, trees } = this.#options;
    this.#turns.do(run, async () => {
      this.#attached.get(run)?.handle?.close();
      this.#attached.delete(run);
      try {
        await trees.removeRunGroup(run);
        await removeRun(directory, run);
        emit(run, { kind: 'removed' });
      } catch (error) {
        log('warn', 'a run could not be removed', { run, reason: (error as Error).message });
      }
    });
  }

  /** What is known of a run that an earlier life of this agent began. */
  async inspect(run: string): Promise<FoundRun> {
    const { directory, trees } = this.#options;
    const { found, attached } = await inspectRun({
      ...{ directory, run, trees, trueAt: this.#hearing.trueAt },
      hear: (to, event) => this.#hearing.hear(run, to, event),
    });
    if (!attached) return found;
    this.#attached.set(run, attached);
    const frozen = await trees.isFrozen(this.#tree(run)).catch(() => false);
    return { ...found, found: { kind: 'alive', frozen } };
  }

  /** The channels close; shims and processes go on. */
  async close(): Promise<void> {
    this.watch.close();
    await this.#deeds.close();
    for (const { handle } of this.#attached.values()) handle?.close();
    await this.#options.indexers.leaveAll();
  }

  async #launch(run: string, order: Item, how: Launching): Promise<void> {
    const { launch, gateUs, fenceUs } = how;
    const { clock, directory, indexers, shim, trees } = this.#options;
    const node = this.#options.node();
    const bundle = order.digest === undefined ? undefined : this.#options.bundle(order.digest);
    const what = { directory, run, order, launch, node, bundle, trees };
    if (launch === 0) await claimLaunch(what);
    // With a limit it begins to count again what the kernel kills for want of memory.
    else if (order.spec?.memoryMaxBytes || !trees.isFresh(run)) await trees.removeRunGroup(run);
    const plan = { ...planLaunch(what), leaseAtUs: fenceUs };
    const { logs } = paths(directory, run);
    const attached = newAttached({ order, launch, cwd: plan.cwd, logs });
    this.#attached.set(run, attached);
    const atUs = gateUs === undefined ? 0 : clock.monotonicOf(gateUs);
    const isAhead = atUs > clock.monotonicUs();
    if (isAhead) attached.gateUs = gateUs;
    const gated = isAhead ? { ...plan, gateAtUs: atUs } : plan;
    const hear = (event: ShimEvent): void => this.#hearing.hear(run, attached, event);
    attached.handle = launchShim(shim, gated, hear);
    if (launch > 0) dropLaunch(directory, run, launch - 1);
    indexers.follow(logs);
  }

  #tree(run: string): RunTree {
    return { run, shim: this.#attached.get(run)?.shim };
  }
}
