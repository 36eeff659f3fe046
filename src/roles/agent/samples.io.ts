/**
 * Samples of the node and its runs, as a heartbeat carries them, and those of the last hour. They
 * are taken whether the server is there or not.
 */
import { limits } from '../../base/limits.ts';
import { roughSizeBytes } from '../../base/size.ts';
import type { Req, Shape } from '../../net/bodies.ts';
import type { Reply } from '../../net/exchange.ts';
import type { SystemClock } from '../../scheduler/clock.io.ts';
import { History } from '../../supervisor/history.ts';
import { Sampler } from '../../supervisor/stats.io.ts';
import { Threshold } from '../../supervisor/threshold.ts';
import type { RunTrees } from '../../supervisor/tree.io.ts';
import type { RunEvent, StoredRun } from './events.ts';
import type { Runner } from './runner.io.ts';
import { clockOf } from './server-time.io.ts';

export interface SamplesOptions {
  readonly directory: string;
  readonly clock: SystemClock;
  readonly trees: RunTrees;
  readonly runner: Runner;
  readonly liveRuns: () => readonly StoredRun[];
  readonly emit: (run: string, event: RunEvent) => void;
  /** Of the node, in words. */
  readonly warn: (text: string) => void;
}

/** Under which the node's own readings are kept; no run is called so. */
const NODE = '';
const ROWS_PER_PART = 200;

export class Samples {
  readonly #options: SamplesOptions;
  readonly #sampler: Sampler;
  readonly #history = new History();
  readonly #memory = new Threshold();
  readonly #disk = new Threshold();
  readonly #timer: NodeJS.Timeout;
  #measuring: Promise<void> | undefined;
  #last: readonly Shape<'sample'>[] = [];
  #lastMs = Number.NEGATIVE_INFINITY;
  #tookMs = 0;
  #diskFreeBytes = 0;

  constructor(options: SamplesOptions) {
    this.#options = options;
    const { clock, directory } = options;
    this.#sampler = new Sampler({ nowUs: () => clock.now().atUs, directory });
    this.#timer = setInterval(() => void this.#fresh().catch(() => undefined), limits.statsEveryMs);
  }

  /** The body of a heartbeat. Nothing is measured more often than `limits.statsEveryMs` says. */
  async heartbeat(): Promise<Req<'hostSample'>> {
    const { clock, liveRuns } = this.#options;
    await this.#fresh();
    return {
      samples: this.#last,
      running: liveRuns().length,
      clock: clockOf(clock.facts()),
      diskFreeBytes: this.#diskFreeBytes,
    };
  }

  /** The readings of the last hour since an instant, of these runs and tasks or of all. */
  answer({ since = 0, names = [] }: Req<'retQuery'>, reply: Reply): void {
    const chosen = this.#last.filter((row) => names.length === 0 || isNamed(row, names));
    const rows = chosen.flatMap((row) => this.#since(row, since));
    for (let at = 0; at < rows.length; at += ROWS_PER_PART) {
      reply.more({ samples: rows.slice(at, at + ROWS_PER_PART) });
    }
    reply.ok({ samples: [] });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #since(row: Shape<'sample'>, sinceUs: number): Shape<'sample'>[] {
    const { run, task, memoryKind } = row;
    const past = this.#history.since(run ?? NODE, sinceUs).filter(({ at }) => at < row.at);
    const rows = past.map((reading) => ({ ...reading, run, task, memoryKind }));
    return row.at < sinceUs ? rows : [...rows, row];
  }

  /** One pass at a time, and not more often than is worth its cost. */
  async #fresh(): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const worthMs = Math.min(limits.statsRestMaxMs, this.#tookMs * limits.statsRestRatio);
    const restMs = Math.max(limits.statsEveryMs * 0.9, worthMs);
    if (this.#measuring === undefined && nowMs - this.#lastMs >= restMs) {
      this.#lastMs = nowMs;
      this.#measuring = this.#measure(this.#options.liveRuns()).finally(() => {
        this.#measuring = undefined;
        this.#tookMs = clock.monotonicMs() - nowMs;
      });
    }
    await this.#measuring;
  }

  async #measure(live: readonly StoredRun[]): Promise<void> {
    const { trees, runner } = this.#options;
    const sources = live.map(({ process: { run } }) => {
      return { run, shim: runner.shimOf(run), group: trees.groupPath(run) };
    });
    const { node, runs } = await this.#sampler.sampleAll(sources);
    const stored = new Map(live.map((one) => [one.process.run, one]));
    const { atUs, ...rest } = node;
    this.#watchDisk(node.diskFreeBytes);
    this.#last = [
      { at: atUs, ...rest },
      ...runs.map(({ atUs: at, ...sample }) => ({
        ...sample,
        at,
        ...about(stored.get(sample.run)),
      })),
    ];
    for (const { run = NODE, ...row } of this.#last) this.#history.add(run, row);
    const known = new Set([NODE, ...stored.keys()]);
    this.#history.keep(known);
    this.#memory.keep(known);
    for (const { run, memoryBytes } of runs) this.#watchMemory(stored.get(run), memoryBytes);
  }

  /** The programs get the error from write(2); nobody else would hear of it. */
  #watchDisk(freeBytes: number): void {
    this.#diskFreeBytes = freeBytes;
    const used = limits.diskFullBytes / Math.max(1, freeBytes);
    if (!this.#disk.crossed(NODE, used, 1)) return;
    const text = `has no room left on the disk of its data directory (${roughSizeBytes(freeBytes)} free)`;
    this.#options.warn(`${text}: output of processes is lost`);
  }

  #watchMemory(stored: StoredRun | undefined, bytes: number): void {
    const bound = stored?.order.spec?.memoryWarnBytes;
    if (!stored || bound === undefined) return;
    const { run, restarts: launch } = stored.process;
    if (!this.#memory.crossed(run, bytes, bound)) return;
    const text = `uses ${roughSizeBytes(bytes)} of memory, more than ${roughSizeBytes(bound)}`;
    this.#options.emit(run, { kind: 'warned', launch, text });
  }
}

function about(stored: StoredRun | undefined): Partial<Shape<'sample'>> {
  const { restarts, lastExitCode, lastSignal } = stored?.process ?? {};
  return { task: stored?.order.task, restarts, lastExitCode, lastSignal };
}

/** TASK, TASK@NODE (this one, or it would not be asked) or a run id. */
function isNamed({ run, task }: Shape<'sample'>, names: readonly string[]): boolean {
  if (run === undefined) return false;
  return names.some((name) => name === run || name.split('@')[0] === task);
}
