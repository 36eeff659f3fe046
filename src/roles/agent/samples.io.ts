/** Samples of the node and its runs, as a heartbeat carries them. */
import { limits } from '../../base/limits.ts';
import type { Req, Shape } from '../../net/bodies.ts';
import type { SystemClock } from '../../scheduler/clock.io.ts';
import { Sampler } from '../../supervisor/stats.io.ts';
import type { RunTrees } from '../../supervisor/tree.io.ts';
import type { StoredRun } from './events.ts';
import type { Runner } from './runner.io.ts';
import { clockOf } from './server-time.io.ts';

export interface SamplesOptions {
  readonly directory: string;
  readonly clock: SystemClock;
  readonly trees: RunTrees;
  readonly runner: Runner;
  readonly liveRuns: () => readonly StoredRun[];
}

export class Samples {
  readonly #options: SamplesOptions;
  readonly #sampler: Sampler;
  #last: readonly Shape<'sample'>[] = [];
  #lastMs = Number.NEGATIVE_INFINITY;
  #diskFreeBytes = 0;

  constructor(options: SamplesOptions) {
    this.#options = options;
    const { clock, directory } = options;
    this.#sampler = new Sampler({ nowUs: () => clock.now().atUs, directory });
  }

  /** The body of a heartbeat. Nothing is measured more often than `limits.statsEveryMs` says. */
  async heartbeat(): Promise<Req<'hostSample'>> {
    const { clock, liveRuns } = this.#options;
    const nowMs = clock.monotonicMs();
    const live = liveRuns();
    if (nowMs - this.#lastMs >= limits.statsEveryMs * 0.9) {
      this.#lastMs = nowMs;
      await this.#measure(live);
    }
    return {
      samples: this.#last,
      running: live.length,
      clock: clockOf(clock.facts()),
      diskFreeBytes: this.#diskFreeBytes,
    };
  }

  async #measure(live: readonly StoredRun[]): Promise<void> {
    const { trees, runner } = this.#options;
    const sources = live.map(({ process: { run } }) => {
      return { run, shim: runner.shimOf(run), group: trees.groupPath(run) };
    });
    const { node, runs } = await this.#sampler.sampleAll(sources);
    const tasks = new Map(live.map((stored) => [stored.process.run, stored.order.task]));
    const { atUs, ...rest } = node;
    this.#diskFreeBytes = node.diskFreeBytes;
    this.#last = [
      { at: atUs, ...rest },
      ...runs.map(({ atUs: at, ...sample }) => ({ ...sample, at, task: tasks.get(sample.run) })),
    ];
  }
}
