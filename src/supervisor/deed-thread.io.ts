/**
 * Deeds at instants that a thread does (deed.thread.io.ts), as the agent sees them: planned, moved,
 * taken back, told. The thread is started with the first; one of each kind for a run at a time.
 */
import type { Worker } from 'node:worker_threads';
import { limits } from '../base/limits.ts';
import type { Log } from '../base/log.io.ts';
import { startThread } from '../base/thread.io.ts';
import type { Containment } from './containment.io.ts';
import { type Deed, type DeedKind, type FromDeedThread, words } from './deed.thread.io.ts';

export interface DeedThreadOptions {
  readonly containment: Containment;
  readonly log: Log;
  /** The instant of CLOCK_MONOTONIC at which true time will be that. */
  monotonicOf(trueUs: number): number;
  /** Done, at that instant of CLOCK_MONOTONIC. */
  done(deed: Deed, monotonicUs: number): void;
}

interface Planned {
  readonly deed: Deed;
  readonly trueUs: number;
  readonly atUs: number;
  readonly word: Int32Array<SharedArrayBuffer>;
  readonly told: PromiseWithResolvers<boolean>;
  /** When it was heard to be done, by `performance.now()`. */
  heardMs?: number;
}

/** So late nobody asks any more whether it was done: what is asked then is another deed. */
const FORGOTTEN_MS = 60_000;

export class DeedThread {
  readonly #options: DeedThreadOptions;
  readonly #planned = new Map<number, Planned>();
  #worker: Worker | undefined;
  #last = 0;
  #over = false;

  constructor(options: DeedThreadOptions) {
    this.#options = options;
  }

  /** `trueUs` undefined: never mind. */
  plan(deed: Deed, trueUs: number | undefined): void {
    const { run } = deed.tree;
    const before = this.#find(run, deed.kind);
    // One that is done makes place for the next; one under way is not to be disturbed.
    if (before?.[1].heardMs !== undefined) this.#planned.delete(before[0]);
    else if (before && !this.#drop(...before)) return;
    if (trueUs === undefined || this.#over) return;
    const atUs = this.#options.monotonicOf(trueUs);
    const word = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    this.#last += 1;
    const told = Promise.withResolvers<boolean>();
    this.#planned.set(this.#last, { deed, trueUs, atUs, word, told });
    const { containment } = this.#options;
    this.#thread().postMessage({ no: this.#last, deed, containment, atUs, word: word.buffer }, []);
  }

  /** True time has moved. */
  moved(): void {
    for (const { deed, trueUs, atUs } of [...this.#planned.values()]) {
      const nowAtUs = this.#options.monotonicOf(trueUs);
      if (Math.abs(nowAtUs - atUs) > limits.movedUs) this.plan(deed, trueUs);
    }
  }

  /**
   * Whether the thread has done it or is about to, so that nobody else must; then once. Otherwise
   * it is taken back: who asks does it.
   */
  async hasDone(run: string, kind: DeedKind): Promise<boolean> {
    const found = this.#find(run, kind);
    if (!found || this.#drop(...found)) return false;
    const [no, { told, heardMs = performance.now() }] = found;
    const isDone = await told.promise;
    this.#planned.delete(no);
    return isDone && performance.now() - heardMs < FORGOTTEN_MS;
  }

  /** Until the agent has heard of everything that the thread has done to the run, or begun. */
  async told(run: string): Promise<void> {
    for (const { deed, word, told } of [...this.#planned.values()]) {
      const isTaken = deed.tree.run === run && Atomics.load(word, 0) === words.taken;
      if (isTaken) await told.promise;
    }
  }

  forget(run: string): void {
    for (const [no, planned] of this.#planned) {
      if (planned.deed.tree.run === run) this.#drop(no, planned);
    }
  }

  async close(): Promise<void> {
    this.#over = true;
    for (const planned of this.#planned) this.#drop(...planned);
    await this.#worker?.terminate();
  }

  #find(run: string, kind: DeedKind): [number, Planned] | undefined {
    return [...this.#planned].find(([, { deed }]) => deed.tree.run === run && deed.kind === kind);
  }

  /** False: the thread was faster. */
  #drop(no: number, { word, told }: Planned): boolean {
    const was = Atomics.compareExchange(word, 0, words.planned, words.dropped);
    Atomics.notify(word, 0);
    if (was === words.taken && !this.#over) return false;
    told.resolve(false);
    this.#planned.delete(no);
    return true;
  }

  #thread(): Worker {
    if (this.#worker) return this.#worker;
    const worker = startThread('deeds');
    worker.unref();
    worker.on('message', (said: FromDeedThread) => this.#heard(said));
    worker.on('error', (error: Error) => {
      this.#options.log('error', 'the thread for deeds has ended', { reason: error.message });
      this.#worker = undefined;
      for (const { told } of this.#planned.values()) told.resolve(false);
      this.#planned.clear();
    });
    this.#worker = worker;
    return worker;
  }

  #heard({ no, atUs, reason }: FromDeedThread): void {
    const planned = this.#planned.get(no);
    if (!planned) return;
    const { deed, told } = planned;
    const { kind, tree } = deed;
    if (reason === undefined) this.#options.done(deed, atUs);
    else this.#options.log('info', 'not done at its instant', { run: tree.run, kind, reason });
    told.resolve(reason === undefined);
    planned.heardMs = performance.now();
    // Of these two the agent must not do the same again, whenever it gets there.
    if (reason !== undefined || (kind !== 'stop' && kind !== 'signal')) this.#planned.delete(no);
  }
}
