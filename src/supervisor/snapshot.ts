/**
 * What a tree of processes looks like at one instant, in words, for whoever asks why it gave no
 * sign of life: each process with its state, what it waits for in the kernel, its open files and
 * the CPU time it has used since it was last known to live. Pure; snapshot.io.ts reads it.
 */
import { limits } from '../base/limits.ts';
import { printable } from '../base/printable.ts';
import { TICKS_PER_SECOND } from './tree.ts';

export interface ProcessLook {
  readonly pid: number;
  readonly name: string;
  /** One letter, as in proc(5). */
  readonly state: string;
  /** Where in the kernel it waits; empty where it runs, or nobody says. */
  readonly waits: string;
  readonly openFiles: number | undefined;
  readonly ticks: number;
  /** Ticks when it was last known to live, or was last looked at. */
  readonly ticksBefore: number | undefined;
}

export interface TreeLook {
  readonly processes: readonly ProcessLook[];
  /** The last lines of its output, or nothing. */
  readonly output: string;
}

const seconds = (ticks: number): string => (ticks / TICKS_PER_SECOND).toFixed(2);

export function wordsOfLook({ processes, output }: TreeLook): string {
  const shown = processes.slice(0, limits.snapshotProcesses).map(wordsOfProcess);
  const more = processes.length - shown.length;
  if (more > 0) shown.push(`and ${more} more`);
  if (processes.length === 0) shown.push('no process is left');
  if (output !== '') shown.push(`last output: ${output}`);
  return shown.join('; ');
}

function wordsOfProcess(look: ProcessLook): string {
  const { pid, name, state, waits, openFiles, ticks, ticksBefore } = look;
  const where = waits === '' ? '' : ` in ${waits}`;
  const files = openFiles === undefined ? '' : `, ${openFiles} files`;
  const since =
    ticksBefore === undefined ? '' : ` (+${seconds(Math.max(0, ticks - ticksBefore))} s)`;
  return `${pid} ${printable(name)} ${state}${where}${files}, CPU ${seconds(ticks)} s${since}`;
}
