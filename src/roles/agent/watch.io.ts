/**
 * The senses of liveness in the world: asks a run's shim for silence and for what lies unread,
 * looks at its tree, and asks it how it is. What follows from all this the core decides.
 *
 * A command that asks for health runs under a shim of its own, with the run's user, environment
 * and directory: the shim ends it with everything it began when its time is over, whatever has
 * become of this agent. It runs beside the run, outside its control group.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../base/log.io.ts';
import { type HealthCheck, healthCheck } from '../../supervisor/liveness-spec.ts';
import type { Checked } from '../../supervisor/probe.io.ts';
import { readText } from '../../supervisor/proc.io.ts';
import { launchShim, type ShimHandle } from '../../supervisor/shim.io.ts';
import type { ShimEvent } from '../../supervisor/shim.ts';
import { lookAt } from '../../supervisor/snapshot.io.ts';
import { wordsOfLook } from '../../supervisor/snapshot.ts';
import type { RunTree, RunTrees } from '../../supervisor/tree.io.ts';
import type { Attached } from './attached.io.ts';
import type { AgentAction, Item, RunEvent } from './events.ts';
import { InOrder } from './in-order.ts';
import { prepareCheck } from './launch.io.ts';
import { within } from './rest.io.ts';
import { lastOutput } from './tail.io.ts';

export interface WatchOptions {
  readonly directory: string;
  readonly shim: string;
  readonly trees: RunTrees;
  readonly log: Log;
  node(): string;
  attached(run: string): Attached | undefined;
  readonly emit: (run: string, event: RunEvent) => void;
}

export type Watching = Extract<
  AgentAction,
  { readonly type: 'count' | 'mark' | 'inspect' | 'check' }
>;
type Inspect = Watching & { readonly type: 'inspect' };

/** A tree that is held by the kernel is not looked at for longer. */
const LOOK_MS = 2_000;

export class Watch {
  readonly #options: WatchOptions;
  /** CPU ticks by pid at the last look at a run. */
  readonly #ticks = new Map<string, ReadonlyMap<number, number>>();
  /** Of the main process at its last sign of life, as its shim told. */
  readonly #mainTicks = new Map<string, number>();
  readonly #checks = new Map<string, ShimHandle>();
  /** One after the other, and the loop between them: many may hang for one reason. */
  readonly #looks: InOrder;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#looks = new InOrder((_, error) => {
      options.log('error', 'a run was not looked at', { reason: String(error) });
    });
  }

  carryOut(action: Watching): void {
    const { run } = action;
    const { handle, marks } = this.#options.attached(run) ?? {};
    switch (action.type) {
      case 'count':
        if (action.anew) handle?.send({ kind: 'quiet', us: 0 });
        handle?.send({ kind: 'quiet', us: action.us });
        break;
      case 'mark':
        if (handle) marks?.push('marked');
        handle?.send({ kind: 'mark' });
        break;
      case 'inspect':
        this.#looks.do('', () => this.#inspect(action));
        break;
      case 'check':
        void this.#check(run, action.launch);
        break;
    }
  }

  /** The shim has told of silence: of this much CPU time of the main process at its last sign. */
  quiet(run: string, ticks: number): void {
    this.#mainTicks.set(run, ticks);
  }

  async #inspect({ run, launch, step, text, pid }: Inspect): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    let words = '';
    const look = async (): Promise<void> => {
      words = await this.#look(run, pid);
    };
    await within(
      LOOK_MS,
      look().catch((error: unknown) => {
        this.#options.log('warn', 'a tree could not be looked at', { run, reason: String(error) });
      }),
    );
    const whole = words === '' ? text : `${text}; ${words}`;
    this.#options.emit(run, { kind: 'inspected', launch, step, text: whole });
  }

  /** One at a time for a run. */
  async #check(run: string, launch: number): Promise<void> {
    const { order, shim } = this.#options.attached(run) ?? {};
    const check = order?.spec && healthCheck(order.spec);
    if (!order || !check || !shim) {
      this.#options.emit(run, { kind: 'checked', launch, result: 'void', text: '' });
      return;
    }
    let checked: Checked;
    try {
      checked = await this.#ask(run, launch, order, check);
    } catch (error) {
      checked = { result: 'failed', text: (error as Error).message };
    }
    if (!this.#closed) this.#options.emit(run, { kind: 'checked', launch, ...checked });
  }

  /** The run is over: nobody is interested in how it is. */
  forget(run: string): void {
    this.#ticks.delete(run);
    this.#mainTicks.delete(run);
    this.#checks.get(run)?.send({ kind: 'at', act: 'lease', atUs: 1 });
  }

  close(): void {
    this.#closed = true;
    for (const handle of this.#checks.values()) handle.close();
  }

  async #look(run: string, main: number | undefined): Promise<string> {
    const { trees } = this.#options;
    const { shim, logs } = this.#options.attached(run) ?? {};
    const tree: RunTree = { run, shim };
    const before = new Map(this.#ticks.get(run));
    const atSign = this.#mainTicks.get(run);
    if (main !== undefined && atSign !== undefined) before.set(main, atSign);
    const processes = lookAt(
      (await trees.members(tree)).toSorted((a, b) => a - b),
      before,
    );
    this.#ticks.set(run, new Map(processes.map(({ pid, ticks }) => [pid, ticks])));
    return wordsOfLook({ processes, output: logs === undefined ? '' : lastOutput(logs) });
  }

  async #ask(run: string, launch: number, order: Item, check: HealthCheck): Promise<Checked> {
    if (check.by === 'exec') return this.#execute(run, launch, order, check);
    const { probe } = await import('../../supervisor/probe.io.ts');
    return probe(check);
  }

  async #execute(run: string, launch: number, order: Item, check: HealthCheck): Promise<Checked> {
    const { directory, shim } = this.#options;
    const plan = prepareCheck({
      ...{ directory, run, launch, order, node: this.#options.node(), command: check.target },
      leaseAtUs: bootUs() + check.timeoutMs * 1_000,
    });
    // Of the check before this one, or of one that an earlier life of the agent began.
    for (const path of [plan.stdout ?? '', plan.socket, plan.record]) rmSync(path, { force: true });
    const { promise, resolve } = Promise.withResolvers<Checked>();
    let said: Checked = { result: 'void', text: '' };
    const on = (event: ShimEvent): void => {
      if (event.kind === 'detached') resolve(said);
      said = judged(event, said, check.timeoutMs);
      // What it has left behind goes with it.
      if (event.kind === 'exited') handle.send({ kind: 'at', act: 'lease', atUs: 1 });
    };
    const handle = launchShim(shim, plan, on);
    handle.send({ kind: 'quit' });
    this.#checks.set(run, handle);
    const checked = await promise;
    this.#checks.delete(run);
    if (checked.result === 'passed') return checked;
    const output = lastOutput(join(plan.stdout ?? '', '..'), ['check']);
    return { ...checked, text: [checked.text, output].filter((text) => text !== '').join(': ') };
  }
}

function judged(event: ShimEvent, said: Checked, timeoutMs: number): Checked {
  if (said.result !== 'void') return said;
  switch (event.kind) {
    case 'acted':
      return { result: 'failed', text: `it took longer than ${timeoutMs} ms` };
    case 'failed':
      return { result: 'failed', text: `it did not start (${event.step})` };
    case 'exited': {
      const { how, value } = event;
      if (how === 'code' && value === 0) return { result: 'passed', text: '' };
      return { result: 'failed', text: how === 'code' ? `code ${value}` : `signal ${value}` };
    }
    default:
      return said;
  }
}

/** CLOCK_BOOTTIME, to a hundredth of a second (proc(5)). */
function bootUs(): number {
  return Number((readText('/proc/uptime') ?? '').split(' ')[0]) * 1_000_000;
}
