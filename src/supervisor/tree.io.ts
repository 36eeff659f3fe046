/**
 * The whole process tree of a run, whatever it forked: freeze, thaw, signal, kill, list.
 *
 * One class for both means of containment, so that nobody else has to know which is in use. It
 * decides nothing about a run's state. Each act resolves only when its effect has been seen, and
 * rejects with `timeout` when it was not (a process in uninterruptible sleep can neither be frozen
 * nor killed): a freeze that failed has been undone by then.
 *
 * A frozen group stays frozen when the agent dies; the next agent finds it by the run's name.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { step } from '../base/step.io.ts';
import { type Containment, leaveContainment, makeRunGroup } from './containment.io.ts';
import {
  freezeGroup,
  groupEvent,
  groupMembers,
  groupNames,
  killGroup,
  removeGroup,
  thawGroup,
} from './group.io.ts';
import type { HeldLimits, Limiter } from './limit.io.ts';
import { holdsOf, type ResourceLimits } from './limit.ts';
import { isAlive, pidsBelow, readLiving } from './proc.io.ts';
import type { ProcessStat } from './tree.ts';
import {
  killLeft,
  signalSame,
  standsStill,
  type WalkedRun,
  walkFreeze,
  walkHasMembers,
  walkKill,
  walkMembers,
  walkThaw,
} from './walk.io.ts';

/** A run and its shim: in `walk` containment the tree cannot be found without the shim. */
export type RunTree = WalkedRun;

const SIGNAL_LOOKS_MAX = 4;

export class RunTrees {
  readonly containment: Containment;
  /** Without one nothing is limited. */
  readonly limiter: Limiter | undefined;
  /** Runs with a group of this agent's making in which nothing was killed yet. */
  readonly #fresh = new Set<string>();

  constructor(containment: Containment, limiter?: Limiter) {
    this.containment = containment;
    this.limiter = limiter;
  }

  /** By what each kind of limit is held here (`holdsOf`). */
  get holds(): Readonly<Record<string, string>> {
    return this.limiter ? holdsOf(this.limiter.support, process.geteuid?.() ?? 0) : {};
  }

  /** After `createRunGroup`. Throws `unsupported` for a limit that cannot be held here. */
  limit(run: string, limits: ResourceLimits, uid: number): HeldLimits | undefined {
    return this.limiter?.hold(run, limits, uid);
  }

  /** How many processes of the run the kernel killed for want of memory, until its groups go. */
  oomKills(run: string): number {
    return this.limiter?.oomKills(run) ?? 0;
  }

  /** At the agent's end: what is empty goes. */
  leave(): void {
    this.limiter?.leave();
    leaveContainment(this.containment);
  }

  /**
   * Makes (or finds) the group of a run, thawed. Returns the path of its cgroup.procs, into which
   * the shim writes its child's pid before exec (`0` is the writer itself); undefined in `walk`.
   */
  createRunGroup(run: string): string | undefined {
    const path = this.#path(run);
    if (path === undefined) return undefined;
    try {
      if (makeRunGroup(path)) this.#fresh.add(run);
      else writeFileSync(join(path, 'cgroup.freeze'), '0');
    } catch (cause) {
      throw new LotcError('io', `cannot make the control group ${path}: ${String(cause)}`, {
        cause,
      });
    }
    return join(path, 'cgroup.procs');
  }

  /**
   * Whether another launch may be put into the run's group. Not where `cgroup.kill` was written: a
   * child that is cloned into such a group dies before it runs (tried on Linux 6.18, where clone3
   * compares the group's count of kills with that of the parent's group).
   */
  isFresh(run: string): boolean {
    return this.containment.kind !== 'cgroup' || this.#fresh.has(run);
  }

  /** Something else than this class may have killed what was in the run's group. */
  notFresh(run: string): void {
    this.#fresh.delete(run);
  }

  /** False when processes are still in one. Groups that are not there are success. */
  async removeRunGroup(run: string): Promise<boolean> {
    const path = this.#path(run);
    this.#fresh.delete(run);
    const released = (await this.limiter?.release(run)) ?? true;
    const gone = (path === undefined || (await removeGroup(path))) && released;
    step('tree: group gone');
    return gone;
  }

  /** Runs that have a group: those nobody knows any more are what a crash left behind. */
  async listRunGroups(): Promise<string[]> {
    return this.containment.kind === 'cgroup' ? groupNames(this.containment.base) : [];
  }

  /** Directory of the run's group, for its figures; undefined in `walk`. */
  groupPath(run: string): string | undefined {
    return this.#path(run);
  }

  /** Resolves when every thread of every process was seen frozen. */
  async freeze(tree: RunTree): Promise<void> {
    step('tree: freeze');
    const path = this.#path(tree.run);
    const done = await (path === undefined
      ? walkFreeze(tree)
      : onGroup(path, (group) => freezeGroup(group, () => bringBack(group, tree))));
    if (!done) throw tooLate(tree.run, 'frozen');
  }

  /** Resolves when nothing is held any more; continues also what had stopped itself, in `walk`. */
  async thaw(tree: RunTree): Promise<void> {
    step('tree: thaw');
    const path = this.#path(tree.run);
    const done = await (path === undefined ? walkThaw(tree) : onGroup(path, thawGroup));
    if (!done) throw tooLate(tree.run, 'thawed');
  }

  /** Whether the whole tree is held now; an empty one in `walk` is not. */
  async isFrozen(tree: RunTree): Promise<boolean> {
    const path = this.#path(tree.run);
    if (path !== undefined) return groupEvent(path, 'frozen') === 1;
    const members = await walkMembers(tree);
    return members.length > 0 && members.every(standsStill);
  }

  /**
   * KILL to everything, frozen or not; resolves when nothing lives. With a group, the shim's tree
   * is walked as well: it finds who moved out of the group, and a child that had not yet joined.
   */
  async killTree(tree: RunTree): Promise<void> {
    step('tree: kill');
    const { containment } = this;
    const path = this.#path(tree.run);
    let gone = true;
    if (containment.kind === 'cgroup' && path !== undefined) {
      this.#fresh.delete(tree.run);
      gone = await killGroup(path, containment.hasKill);
    }
    if (path === undefined) gone = await walkKill(tree);
    else if (tree.shim !== undefined) gone = (await killLeft(tree)) && gone;
    step('tree: killed');
    if (!gone) throw tooLate(tree.run, 'killed');
  }

  /**
   * A signal to every process of the tree, once each, like systemd's KillMode=control-group: a
   * wrapper script does not pass TERM on, and its program would only end at the end of the grace.
   * `wake` sends CONT after it, so that what is stopped can act on it. `known` are told before the
   * first look. Returns how many were told.
   */
  async signalTree(
    tree: RunTree,
    signal: NodeJS.Signals | number,
    wake = false,
    known?: readonly ProcessStat[],
  ): Promise<number> {
    step('tree: signal');
    const told = new Set<string>();
    for (let look = 0; look < SIGNAL_LOOKS_MAX; look += 1) {
      const seen = look === 0 && known ? known : await this.look(tree);
      const fresh = seen.filter((stat) => !told.has(key(stat)));
      if (fresh.length === 0) break;
      for (const stat of fresh) {
        told.add(key(stat));
        if (signalSame(stat, signal) && wake) signalSame(stat, 'SIGCONT');
      }
    }
    step('tree: signalled');
    return told.size;
  }

  /** Pids of the living processes of the run, the shim excluded. */
  async members(tree: RunTree): Promise<number[]> {
    return (await this.look(tree)).map((stat) => stat.pid);
  }

  /** Whether there are any. */
  async hasMembers(tree: RunTree): Promise<boolean> {
    const path = this.#path(tree.run);
    if (path === undefined) return walkHasMembers(tree);
    if (groupEvent(path, 'populated') === 1) return true;
    return (await readLiving(await outside(tree, []))).length > 0;
  }

  /** Its living processes as they are now, the shim excluded. */
  async look(tree: RunTree): Promise<ProcessStat[]> {
    const path = this.#path(tree.run);
    if (path === undefined) return walkMembers(tree);
    const inside = groupMembers(path);
    return readLiving([...inside, ...(await outside(tree, inside))]);
  }

  #path(run: string): string | undefined {
    const { containment } = this;
    if (containment.kind !== 'cgroup') return undefined;
    if (!/^[A-Za-z0-9_-]+$/.test(run)) throw new LotcError('internal', `no run id: ${run}`);
    return join(containment.base, run);
  }
}

/** Descendants of the shim that have left the group: a program of root's can. */
async function outside({ shim }: RunTree, inside: readonly number[]): Promise<number[]> {
  if (shim === undefined || !isAlive(shim)) return [];
  const known = new Set(inside);
  return (await pidsBelow(shim.pid)).filter((pid) => !known.has(pid));
}

/** Into the group again, whatever has left it; false where something had. */
async function bringBack(path: string, tree: RunTree): Promise<boolean> {
  const gone = await readLiving(await outside(tree, groupMembers(path)));
  for (const { pid } of gone) {
    try {
      writeFileSync(join(path, 'cgroup.procs'), String(pid));
    } catch {
      // It has ended, or it stays outside and the freeze is seen to have failed.
    }
  }
  return gone.length === 0;
}

async function onGroup(path: string, act: (path: string) => Promise<boolean>): Promise<boolean> {
  try {
    return await act(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new LotcError('not-running', `the control group ${path} is gone`, { cause });
  }
}

function key(stat: ProcessStat): string {
  return `${stat.pid}.${stat.startTicks}`;
}

function tooLate(run: string, wanted: string): LotcError {
  return new LotcError('timeout', `not every process of run ${run} could be ${wanted} in time`, {
    hint: 'a process in state D waits for a disk or a network file system and cannot be',
  });
}
