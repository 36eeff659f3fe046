/**
 * One control group (cgroup v2) and what is done to it: freeze, thaw, kill, list, remove.
 *
 * Each act is one write; the kernel then reports what became of it in cgroup.events, which is read
 * until it says so: at once for a few milliseconds (a tree of 100 is frozen within one), then at
 * growing intervals. A group inside the group (a program may make some) is acted on with it.
 */
import { readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { limits } from '../base/limits.ts';
import { readText, sendSignal } from './proc.io.ts';
import { keyedValue, parsePids } from './tree.ts';
import { until } from './until.io.ts';

/** How long as many live on as before until each is told by itself. */
const ONE_BY_ONE_MS = 10;

/**
 * True once every process in the group is frozen, and `isWhole` says that all are in it; false: the
 * deadline passed and it was thawed.
 */
export async function freezeGroup(path: string, isWhole: () => Promise<boolean>): Promise<boolean> {
  writeFileSync(join(path, 'cgroup.freeze'), '1');
  const isDone = async (): Promise<boolean> =>
    groupEvent(path, 'frozen') === 1 && (await isWhole());
  if (await until(isDone, limits.freezeMs)) return true;
  writeFileSync(join(path, 'cgroup.freeze'), '0');
  return false;
}

export async function thawGroup(path: string): Promise<boolean> {
  writeFileSync(join(path, 'cgroup.freeze'), '0');
  return until(() => groupEvent(path, 'frozen') !== 1, limits.freezeMs);
}

/** True once no living process is in the group (or it is gone). Frozen ones need no thaw. */
export async function killGroup(path: string, hasKill: boolean): Promise<boolean> {
  try {
    writeFileSync(join(path, hasKill ? 'cgroup.kill' : 'cgroup.freeze'), '1');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw cause;
  }
  // Thousands take the kernel a while to bury: to tell each again meanwhile would hinder it.
  let left = hasKill ? Number.POSITIVE_INFINITY : 0;
  let nextMs = hasKill ? performance.now() + ONE_BY_ONE_MS : 0;
  return until(() => {
    if (groupEvent(path, 'populated') !== 1) return true;
    if (performance.now() < nextMs) return false;
    const members = groupMembers(path);
    // cgroup.kill passes over a process whose first thread has ended (seen on Linux 6.18).
    if (members.length >= left) for (const pid of members) sendSignal(pid, 'SIGKILL');
    left = members.length;
    nextMs = performance.now() + ONE_BY_ONE_MS;
    return false;
  }, limits.killTreeMs);
}

/** `frozen` or `populated` of cgroup.events; undefined when the group has gone. */
export function groupEvent(path: string, key: 'frozen' | 'populated'): number | undefined {
  const text = readText(join(path, 'cgroup.events'));
  return text === undefined ? undefined : keyedValue(text, key);
}

/** Pids in the group and in groups below it; zombies are not among them. */
export function groupMembers(path: string): number[] {
  const pids: number[] = [];
  for (const group of groupsBelow(path)) {
    const text = readText(join(group, 'cgroup.procs'));
    if (text !== undefined) pids.push(...parsePids(text));
  }
  return pids;
}

/** Names of the groups directly inside; empty when there is no such group. */
export function groupNames(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** False when it was still busy at the deadline; a group that is not there is removed already. */
export async function removeGroup(path: string): Promise<boolean> {
  return until(() => {
    for (const group of groupsBelow(path).reverse()) {
      try {
        rmdirSync(group);
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
        if (code !== 'ENOENT') throw cause;
      }
    }
    return true;
  }, limits.groupRemoveMs);
}

/** CPU time in µs and memory in bytes that the kernel has counted for the group, where it does. */
export function groupUsage(path: string): {
  readonly cpuUs: number | undefined;
  readonly memoryBytes: number | undefined;
} {
  const memory = readText(join(path, 'memory.current'));
  return {
    cpuUs: keyedValue(readText(join(path, 'cpu.stat')) ?? '', 'usage_usec'),
    memoryBytes: memory === undefined ? undefined : Number(memory),
  };
}

/** The group and all below it, parents first. */
function groupsBelow(path: string): string[] {
  const groups = [path];
  for (let i = 0; i < groups.length; i += 1) {
    const group = groups[i] ?? path;
    if (hasNoGroups(group)) continue;
    for (const name of groupNames(group)) groups.push(join(group, name));
  }
  return groups;
}

/** One file instead of a listing of 40: nearly no run makes groups of its own. */
function hasNoGroups(path: string): boolean {
  const text = readText(join(path, 'cgroup.stat'));
  return text === undefined || keyedValue(text, 'nr_descendants') === 0;
}
