/**
 * A fleet in one thread under virtual time: the real ServerCore and the real AgentCores, with a
 * simulated network, journal, disks and process tables. A seed decides everything, so a failure is
 * replayed by its seed, event by event; the hash of the trace proves it.
 */
import { createHash } from 'node:crypto';
import { Prng } from '../../src/base/prng.ts';

interface Due {
  readonly atUs: number;
  readonly tie: number;
  readonly no: number;
  readonly what: string;
  readonly run: () => void;
}

export class Sim {
  readonly seed: number;
  readonly random: Prng;
  nowUs: number;
  readonly #heap: Due[] = [];
  #no = 0;
  events = 0;
  readonly #trace = createHash('sha256');
  /** What happened last, for whoever reads of a failure; LINES=n shows more. */
  readonly last: string[] = [];
  readonly #lines = Number(process.env['LINES'] ?? 50);

  constructor(seed: number, startUs = 1_700_000_000_000_000) {
    this.seed = seed;
    this.nowUs = startUs;
    this.random = new Prng(seed);
  }

  /** Runs `run` after a delay; what is due at once is ordered by the seed. */
  after(delayUs: number, what: string, run: () => void): void {
    this.#no += 1;
    const due = {
      atUs: this.nowUs + Math.max(0, Math.round(delayUs)),
      tie: this.random.uint32(),
      no: this.#no,
      what,
      run,
    };
    this.#push(due);
  }

  /** Until virtual time has passed, or nothing is left to happen. */
  runFor(us: number): void {
    const endUs = this.nowUs + us;
    for (;;) {
      const next = this.#heap[0];
      if (!next || next.atUs > endUs) break;
      this.#pop();
      this.nowUs = next.atUs;
      this.events += 1;
      this.note(next.what);
      next.run();
    }
    this.nowUs = endUs;
  }

  note(what: string): void {
    const line = `${this.nowUs} ${what}`;
    this.#trace.update(line);
    if (what === 'server tick') return;
    this.last.push(line);
    if (this.last.length > this.#lines) this.last.shift();
  }

  get trace(): string {
    return this.#trace.copy().digest('hex').slice(0, 16);
  }

  #before(a: Due, b: Due): boolean {
    if (a.atUs !== b.atUs) return a.atUs < b.atUs;
    return a.tie === b.tie ? a.no < b.no : a.tie < b.tie;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    heap.push(due);
    let i = heap.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(due, heap[parent] as Due)) break;
      heap[i] = heap[parent] as Due;
      i = parent;
    }
    heap[i] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1] as Due, heap[child] as Due))
        child += 1;
      if (!this.#before(heap[child] as Due, last)) break;
      heap[i] = heap[child] as Due;
      i = child;
    }
    heap[i] = last;
  }
}

/** Seeds of `make test`, or the one that `make sim SEED=n` names. */
export function seeds(count: number): number[] {
  const one = process.env['SEED'];
  if (one !== undefined && one !== '') return [Number(one)];
  return Array.from({ length: count }, (_, i) => i + 1);
}
