/** Looks at a tree of processes through /proc, as snapshot.ts puts it in words. */
import { readdirSync } from 'node:fs';
import { limits } from '../base/limits.ts';
import { readStat, readText } from './proc.io.ts';
import type { ProcessLook } from './snapshot.ts';
import { hasEnded } from './tree.ts';

/** `before`: ticks by pid of those that were looked at before. Who has ended is left out. */
export function lookAt(
  pids: readonly number[],
  before: ReadonlyMap<number, number>,
): readonly ProcessLook[] {
  const looks: ProcessLook[] = [];
  for (const pid of pids) {
    const stat = readStat(pid);
    if (stat === undefined || hasEnded(stat)) continue;
    // Beyond what is told, only the number counts.
    const told = looks.length < limits.snapshotProcesses;
    looks.push({
      pid,
      name: told ? (readText(`/proc/${pid}/comm`) ?? '').trim() : '',
      state: stat.state,
      waits: told ? waitsIn(pid) : '',
      openFiles: told ? openFiles(pid) : undefined,
      ticks: stat.ownTicks,
      ticksBefore: before.get(pid),
    });
  }
  return looks;
}

/** `0` is a process that runs, or one that this agent may not look into. */
function waitsIn(pid: number): string {
  const text = readText(`/proc/${pid}/wchan`) ?? '';
  return text === '0' ? '' : text;
}

function openFiles(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return undefined;
  }
}
