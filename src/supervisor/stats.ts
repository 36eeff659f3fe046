/**
 * Statistics of runs out of what /proc says of their processes. Pure: text and readings in,
 * samples out; the edge reads and keeps the time.
 *
 * The sums must not fall when a process of the tree ends. The kernel helps: what a child used is
 * added to whoever waits for it, for CPU time in its own fields and for I/O in the same ones. So
 * the sum over the living, each with the children it waited for, plus what the shim has reaped,
 * is the whole tree's (but for children whose end their parent chose to ignore: signal(7),
 * SIGCHLD). Where the kernel counts for a control group, its figure is taken instead.
 *
 * Reference: proc(5): /proc/PID/stat, io, smaps_rollup; /proc/loadavg, meminfo.
 */
import { type ProcessStat, TICKS_PER_SECOND } from './tree.ts';

/** How memory was counted: the group's own figure, proportional share, or resident pages. */
export type MemoryKind = 'cgroup' | 'pss' | 'rss';

/** One run, as `lotc admin stats` shows it; counters are since its start, over its whole tree. */
export interface RunSample {
  readonly run: string;
  readonly atUs: number;
  /** Since the previous sample of the run (the first: since its start); 100 is one whole core. */
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  readonly memoryKind: MemoryKind;
  /** Bytes that were really fetched from, or caused to be written to, a disk. */
  readonly ioReadBytes: number;
  readonly ioWriteBytes: number;
  readonly threads: number;
  readonly openFiles: number;
  readonly uptimeMs: number;
}

export interface NodeSample {
  readonly atUs: number;
  readonly load1: number;
  /** In use: total less what could be had without swapping. */
  readonly memoryBytes: number;
  readonly memoryTotalBytes: number;
  readonly diskFreeBytes: number;
}

/** What was read of one process; what could not be read (it ended, or is another's) is left out. */
export interface ProcessReading {
  readonly stat: ProcessStat;
  readonly io?: IoBytes | undefined;
  readonly pssBytes?: number | undefined;
  readonly openFiles?: number | undefined;
}

export interface IoBytes {
  readonly readBytes: number;
  readonly writeBytes: number;
}

/** What grows only, to be compared with the next reading. */
export interface Totals extends IoBytes {
  readonly atMs: number;
  readonly cpuUs: number;
}

export interface RunReading {
  readonly run: string;
  readonly atUs: number;
  /** Monotonic. */
  readonly atMs: number;
  /** Time since the boot, as in /proc/uptime. */
  readonly sinceBootMs: number;
  readonly processes: readonly ProcessReading[];
  /** The shim, not part of the run: only what it reaped counts. */
  readonly shim?: ProcessReading | undefined;
  readonly groupCpuUs?: number | undefined;
  readonly groupMemoryBytes?: number | undefined;
  readonly pageBytes: number;
}

const US_PER_TICK = 1_000_000 / TICKS_PER_SECOND;
const MS_PER_TICK = 1_000 / TICKS_PER_SECOND;

/** The sample of a run and the totals for its next; undefined when no process of it was read. */
export function sampleRun(
  reading: RunReading,
  previous: Totals | undefined,
): { readonly sample: RunSample; readonly totals: Totals } | undefined {
  const { processes } = reading;
  if (processes.length === 0) return undefined;
  const totals = totalsOf(reading, previous);
  const startTicks = Math.min(...processes.map((one) => one.stat.startTicks));
  const uptimeMs = Math.max(0, Math.round(reading.sinceBootMs - startTicks * MS_PER_TICK));
  const spanMs = previous === undefined ? uptimeMs : totals.atMs - previous.atMs;
  const usedUs = totals.cpuUs - (previous?.cpuUs ?? 0);
  const sample: RunSample = {
    run: reading.run,
    atUs: reading.atUs,
    cpuPercent: spanMs > 0 ? Math.round((usedUs / spanMs) * 10) / 100 : 0,
    ...memoryOf(reading),
    ioReadBytes: totals.readBytes,
    ioWriteBytes: totals.writeBytes,
    threads: sum(processes, (one) => one.stat.threads),
    openFiles: sum(processes, (one) => one.openFiles ?? 0),
    uptimeMs,
  };
  return { sample, totals };
}

function totalsOf(reading: RunReading, previous: Totals | undefined): Totals {
  const { processes, shim } = reading;
  const ticks =
    sum(processes, (one) => one.stat.ownTicks + one.stat.childTicks) + (shim?.stat.childTicks ?? 0);
  const all = shim === undefined ? processes : [...processes, shim];
  const atLeast = (value: number, before: number | undefined): number =>
    Math.max(value, before ?? 0);
  return {
    atMs: reading.atMs,
    cpuUs: atLeast(reading.groupCpuUs ?? ticks * US_PER_TICK, previous?.cpuUs),
    readBytes: atLeast(
      sum(all, (one) => one.io?.readBytes ?? 0),
      previous?.readBytes,
    ),
    writeBytes: atLeast(
      sum(all, (one) => one.io?.writeBytes ?? 0),
      previous?.writeBytes,
    ),
  };
}

function memoryOf(reading: RunReading): Pick<RunSample, 'memoryBytes' | 'memoryKind'> {
  const { processes, groupMemoryBytes } = reading;
  if (groupMemoryBytes !== undefined) {
    return { memoryBytes: groupMemoryBytes, memoryKind: 'cgroup' };
  }
  if (processes.every((one) => one.pssBytes !== undefined)) {
    return { memoryBytes: sum(processes, (one) => one.pssBytes ?? 0), memoryKind: 'pss' };
  }
  const memoryBytes = sum(processes, (one) => one.stat.rssPages * reading.pageBytes);
  return { memoryBytes, memoryKind: 'rss' };
}

export function parseIo(text: string): IoBytes | undefined {
  const readBytes = field(text, 'read_bytes:');
  const writeBytes = field(text, 'write_bytes:');
  if (readBytes === undefined || writeBytes === undefined) return undefined;
  return { readBytes, writeBytes };
}

/** The Pss line of smaps_rollup, in bytes. */
export function parsePss(text: string): number | undefined {
  const kib = field(text, 'Pss:');
  return kib === undefined ? undefined : kib * 1024;
}

export function parseMemory(meminfo: string): Pick<NodeSample, 'memoryBytes' | 'memoryTotalBytes'> {
  const totalKib = field(meminfo, 'MemTotal:') ?? 0;
  const availableKib = field(meminfo, 'MemAvailable:') ?? field(meminfo, 'MemFree:') ?? 0;
  return { memoryBytes: (totalKib - availableKib) * 1024, memoryTotalBytes: totalKib * 1024 };
}

/** The first number of a line of blank-separated ones: /proc/loadavg, /proc/uptime. */
export function firstNumber(text: string): number {
  const value = Number(text.trim().split(' ')[0]);
  return Number.isFinite(value) ? value : 0;
}

/** The page size out of /proc/PID/auxv: 64-bit pairs in the machine's order, AT_PAGESZ is 6. */
export function parsePageBytes(auxv: Uint8Array): number | undefined {
  const view = new DataView(auxv.buffer, auxv.byteOffset, auxv.byteLength);
  for (let at = 0; at + 16 <= view.byteLength; at += 16) {
    if (view.getBigUint64(at, true) === 6n) return Number(view.getBigUint64(at + 8, true));
  }
  return undefined;
}

/** The number after a name that begins a line (`write_bytes:`, not `cancelled_write_bytes:`). */
function field(text: string, name: string): number | undefined {
  let at = text.startsWith(name) ? 0 : text.indexOf(`\n${name}`);
  if (at < 0) return undefined;
  at = text.indexOf(name, at) + name.length;
  const value = Number.parseInt(text.slice(at, at + 32), 10);
  return Number.isFinite(value) ? value : undefined;
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += value(item);
  return total;
}
