/**
 * Which means this machine gives to hold a run's processes together, found once at agent start.
 *
 * `cgroup`: a cgroup v2 tree of our own, unified or the v2 half of a hybrid host. Freezing and
 * killing it is one write each, and no process can step out of it by forking.
 * `walk`: no such tree (a read-only mount, an old kernel, no privilege): the shim is subreaper and
 * the tree below it is walked in /proc.
 *
 * The base is `lotc/INSTANCE` at the root of the hierarchy where we may write there, so that a
 * systemd unit of the agent never has child groups (its restart would fail with EBUSY); else below
 * the group the agent sits in (systemd's Delegate=yes). The agent itself is never moved.
 * Reference: Linux Documentation/admin-guide/cgroup-v2.rst.
 */
import { accessSync, constants, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readText } from './proc.io.ts';
import { groupMounts, ownGroup } from './tree.ts';

export interface GroupContainment {
  readonly kind: 'cgroup';
  /** Directory under which each run has a group of its own, named by the run. */
  readonly base: string;
  /** False on Linux 5.2 to 5.13: frozen first, then killed one by one. */
  readonly hasKill: boolean;
  /** Controllers whose limits a run's group can hold, for instance `memory`, `pids`, `cpu`. */
  readonly controllers: readonly string[];
}

export interface WalkContainment {
  readonly kind: 'walk';
  /** Why there are no groups, for `node show`. */
  readonly reason: string;
}

export type Containment = GroupContainment | WalkContainment;

export interface DetectOptions {
  /** Short id of the data directory: another after a restart, and no group is found again. */
  readonly instance: string;
  /** Where to look; default: the cgroup2 mounts of this process. */
  readonly mounts?: readonly string[] | undefined;
}

const WANTED = ['memory', 'pids', 'cpu'];

/** Makes the base group when there can be one. Leaves nothing behind when there cannot. */
export async function detectContainment(options: DetectOptions): Promise<Containment> {
  const mounts = options.mounts ?? groupMounts(readText('/proc/self/mounts') ?? '');
  if (mounts.length === 0) return { kind: 'walk', reason: 'no cgroup v2 is mounted' };
  const own = ownGroup(readText('/proc/self/cgroup') ?? '');
  let reason = 'cgroup v2 is not writable';
  for (const mount of mounts) {
    const places = own === undefined || own === '/' ? [mount] : [mount, join(mount, own)];
    for (const place of places) {
      const found = tryPlace(place, options.instance);
      if (typeof found !== 'string') return found;
      reason = found;
    }
  }
  return { kind: 'walk', reason };
}

function tryPlace(place: string, instance: string): GroupContainment | string {
  const parent = join(place, 'lotc');
  const base = join(parent, instance);
  try {
    makeBase(base);
    const fault = groupFault(base);
    if (fault !== undefined) {
      dropEmpty(base, parent);
      return fault;
    }
  } catch (cause) {
    dropEmpty(base, parent);
    return `${place}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`;
  }
  const controllers = (readText(join(base, 'cgroup.subtree_control')) ?? '').trim();
  return {
    kind: 'cgroup',
    base,
    hasKill: existsSync(join(base, 'cgroup.kill')),
    controllers: controllers === '' ? [] : controllers.split(' '),
  };
}

/** Why a group made here could not hold a run; undefined when it can. */
function groupFault(base: string): string | undefined {
  if (readText(join(base, 'cgroup.type'))?.trim() !== 'domain') return `${base} is threaded`;
  if (!existsSync(join(base, 'cgroup.freeze'))) return 'this kernel has no cgroup.freeze';
  try {
    accessSync(join(base, 'cgroup.procs'), constants.W_OK);
  } catch {
    return `${base}/cgroup.procs is not writable`;
  }
  return undefined;
}

/**
 * With its base, where somebody has removed that: it is empty whenever nothing runs. False where
 * there is such a group already.
 */
export function makeRunGroup(path: string): boolean {
  try {
    return makeGroup(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    makeBase(dirname(path));
    return makeGroup(path);
  }
}

function makeBase(base: string): void {
  const parent = dirname(base);
  makeGroup(parent);
  makeGroup(base);
  offerControllers(parent);
  offerControllers(base);
}

/** Not `recursive`: on a file system that refuses with ENOENT (procfs) that never returns. */
function makeGroup(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    return false;
  }
}

/** Each alone: one controller that cannot be had must not cost the others. */
function offerControllers(group: string): void {
  const there = (readText(join(group, 'cgroup.controllers')) ?? '').trim().split(' ');
  for (const name of WANTED.filter((wanted) => there.includes(wanted))) {
    try {
      writeFileSync(join(group, 'cgroup.subtree_control'), `+${name}`);
    } catch {
      // What was not granted is missing in `controllers`, and so refused where it is asked for.
    }
  }
}

/**
 * Nothing is left of this agent when no run is; a base that holds one stays. Nor does `lotc` above
 * it go: another agent of this machine may be about to make its base there.
 */
export function leaveContainment(containment: Containment): void {
  if (containment.kind === 'cgroup') dropEmpty(containment.base);
}

function dropEmpty(...groups: readonly string[]): void {
  for (const group of groups) {
    try {
      rmdirSync(group);
    } catch {
      return;
    }
  }
}
