/**
 * One pass over /proc for the samples of all runs and of the node.
 *
 * Four small files a process (65 µs together here), read synchronously because /proc never waits
 * for a disk, in slices of a few milliseconds with the loop in between. All runs without a control
 * group share one listing of /proc. PSS is read only while a run is small enough for it to be
 * cheap: the kernel walks the page tables of the process for it, and holds its memory map.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { limits } from '../base/limits.ts';
import { groupMembers, groupUsage } from './group.io.ts';
import { isAlive, readAllStats, readStat, readText, slices } from './proc.io.ts';
import {
  firstNumber,
  type NodeSample,
  type ProcessReading,
  parseIo,
  parseMemory,
  parsePageBytes,
  parsePss,
  type RunSample,
  sampleRun,
  type Totals,
} from './stats.ts';
import { below, byParent, hasEnded, type ProcessIdentity, type ProcessStat } from './tree.ts';

export interface RunSource {
  readonly run: string;
  /** The run's shim, if it is known: the root of the tree, and the keeper of what it reaped. */
  readonly shim: ProcessIdentity | undefined;
  /** The run's control group (`RunTrees.groupPath`); undefined: its tree is walked. */
  readonly group: string | undefined;
}

export interface SamplerOptions {
  /** True time, for the stamps. */
  readonly nowUs: () => number;
  /** The directory whose file system `diskFreeBytes` is about. */
  readonly directory: string;
}

export class Sampler {
  readonly #options: SamplerOptions;
  #totals = new Map<string, Totals>();
  #pageBytes: number | undefined;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /**
   * A sample of the node and of every run that has a process. Remembers of each given run what the
   * next sample is compared with, and forgets the others. One call at a time.
   */
  async sampleAll(
    runs: readonly RunSource[],
  ): Promise<{ readonly node: NodeSample; readonly runs: RunSample[] }> {
    const all = runs.some((run) => run.group === undefined) ? await readTrees() : undefined;
    const totals = new Map<string, Totals>();
    const samples: RunSample[] = [];
    for (const source of runs) {
      const before = this.#totals.get(source.run);
      const made = await this.#sample(source, all, before);
      const kept = made?.totals ?? before;
      if (kept !== undefined) totals.set(source.run, kept);
      if (made !== undefined) samples.push(made.sample);
    }
    this.#totals = totals;
    return { node: await this.#node(), runs: samples };
  }

  async #sample(
    source: RunSource,
    all: Trees | undefined,
    before: Totals | undefined,
  ): Promise<ReturnType<typeof sampleRun>> {
    const breathe = this.#breathe;
    const stats = membersOf(source, all).filter((stat) => !hasEnded(stat));
    const pageBytes = this.#pageSize();
    const rssBytes = stats.reduce((sum, stat) => sum + stat.rssPages * pageBytes, 0);
    const usage = source.group === undefined ? undefined : groupUsage(source.group);
    const wantsPss = usage?.memoryBytes === undefined && rssBytes <= limits.pssRssBytes;
    const processes: ProcessReading[] = [];
    for (const stat of stats) {
      processes.push(readProcess(stat, wantsPss));
      const pause = breathe();
      if (pause !== undefined) await pause;
    }
    const shimStat =
      source.shim !== undefined && isAlive(source.shim) ? readStat(source.shim.pid) : undefined;
    return sampleRun(
      {
        run: source.run,
        atUs: this.#options.nowUs(),
        atMs: performance.now(),
        sinceBootMs: firstNumber(readText('/proc/uptime') ?? '') * 1000,
        processes,
        shim: shimStat === undefined ? undefined : { stat: shimStat, io: readIo(shimStat.pid) },
        groupCpuUs: usage?.cpuUs,
        groupMemoryBytes: usage?.memoryBytes,
        pageBytes,
      },
      before,
    );
  }

  async #node(): Promise<NodeSample> {
    const disk = await statfs(this.#options.directory);
    return {
      atUs: this.#options.nowUs(),
      load1: firstNumber(readText('/proc/loadavg') ?? ''),
      ...parseMemory(readText('/proc/meminfo') ?? ''),
      diskFreeBytes: disk.bavail * disk.bsize,
    };
  }

  readonly #breathe = slices();

  #pageSize(): number {
    this.#pageBytes ??= parsePageBytes(readFileSync('/proc/self/auxv')) ?? 4096;
    return this.#pageBytes;
  }
}

/** One listing of /proc for all runs whose tree has to be walked. */
interface Trees {
  readonly stats: ReadonlyMap<number, ProcessStat>;
  readonly children: ReadonlyMap<number, readonly ProcessStat[]>;
}

async function readTrees(): Promise<Trees> {
  const stats = await readAllStats();
  return { stats, children: byParent(stats.values()) };
}

function membersOf(source: RunSource, all: Trees | undefined): ProcessStat[] {
  if (source.group !== undefined) {
    return groupMembers(source.group)
      .map(readStat)
      .filter((stat) => stat !== undefined);
  }
  if (all === undefined || source.shim === undefined) return [];
  const root = all.stats.get(source.shim.pid);
  if (root?.startTicks !== source.shim.startTicks) return [];
  return below(all.children, root.pid);
}

function readProcess(stat: ProcessStat, wantsPss: boolean): ProcessReading {
  const pss = wantsPss ? readText(`/proc/${stat.pid}/smaps_rollup`) : undefined;
  return {
    stat,
    io: readIo(stat.pid),
    pssBytes: pss === undefined ? undefined : parsePss(pss),
    openFiles: countOpenFiles(stat.pid),
  };
}

function readIo(pid: number): ProcessReading['io'] {
  const text = readText(`/proc/${pid}/io`);
  return text === undefined ? undefined : parseIo(text);
}

/** Since Linux 6.2 the directory's size is the count (proc(5)); before, it has to be listed. */
function countOpenFiles(pid: number): number | undefined {
  try {
    const { size } = statSync(`/proc/${pid}/fd`);
    return size > 0 ? size : readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return undefined;
  }
}
