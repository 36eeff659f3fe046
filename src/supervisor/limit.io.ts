/**
 * Holds a run to its limits: writes them into its group of v2, makes groups of v1 for it where the
 * controllers are there, and says afterwards whether the kernel killed for want of memory.
 *
 * On a hybrid host the run is in its v2 group for freezing and killing and in up to three of v1;
 * the shim's child joins all of them before it execs. Joining one of v1 takes some milliseconds
 * (the kernel waits for a grace period), so only runs with a limit pay for it.
 */
import { accessSync, constants, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { limits as bounds } from '../base/limits.ts';
import type { Containment } from './containment.io.ts';
import type { Rlimit } from './launch.ts';
import {
  type Controller,
  controllers,
  type GroupFile,
  type LimitSupport,
  legacyMounts,
  limitSupport,
  planLimits,
  type ResourceLimits,
} from './limit.ts';
import { readText } from './proc.io.ts';
import { keyedValue } from './tree.ts';
import { until } from './until.io.ts';

export interface LimiterOptions {
  readonly containment: Containment;
  /** As in `detectContainment`: two agents of one machine do not meet. */
  readonly instance: string;
  /** Where the v1 controllers are; default: the mounts of this process. */
  readonly mounts?: Partial<Record<Controller, string>> | undefined;
}

export interface HeldLimits {
  /** `cgroup.procs` files to be joined beside that of the run's v2 group, for the launch. */
  readonly cgroups: readonly string[];
  readonly rlimits: readonly Rlimit[];
}

export class Limiter {
  /** What this node can hold, and by what: known before there is a run. */
  readonly support: LimitSupport;
  readonly #unified: string | undefined;
  readonly #legacy: Partial<Record<Controller, string>> = {};

  constructor({ containment, instance, mounts }: LimiterOptions) {
    const there = mounts ?? legacyMounts(readText('/proc/self/mounts') ?? '');
    for (const name of controllers) {
      const base = there[name] === undefined ? undefined : tryBase(there[name], instance);
      if (base !== undefined) this.#legacy[name] = base;
    }
    const own = containment.kind === 'cgroup' ? containment : undefined;
    this.#unified = own?.base;
    this.support = limitSupport(own?.controllers ?? [], Object.keys(this.#legacy));
  }

  /** After the run's v2 group was made. Throws `unsupported` for what cannot be held. */
  hold(run: string, limits: ResourceLimits, uid: number): HeldLimits {
    const plan = planLimits(limits, this.support, uid);
    const cgroups: string[] = [];
    if (this.#unified !== undefined) writeAll(join(this.#unified, run), plan.unified);
    for (const name of controllers) {
      const [files, base] = [plan.legacy[name], this.#legacy[name]];
      if (files === undefined || base === undefined) continue;
      const path = join(base, run);
      // Hierarchies that are mounted together are one group.
      mkdirSync(path, { recursive: true });
      writeAll(path, files);
      if (!cgroups.includes(join(path, 'cgroup.procs'))) cgroups.push(join(path, 'cgroup.procs'));
    }
    return { cgroups, rlimits: plan.rlimits };
  }

  /** How many processes of the run the kernel has killed for want of memory; before `release`. */
  oomKills(run: string): number {
    const unified = this.#unified && countsOf(join(this.#unified, run, 'memory.events'));
    const legacy =
      this.#legacy.memory && countsOf(join(this.#legacy.memory, run, 'memory.oom_control'));
    return Math.max(...[unified, legacy].map((text) => keyedValue(text ?? '', 'oom_kill') ?? 0));
  }

  /** The run is over: its v1 groups go. False when one is still busy. */
  async release(run: string): Promise<boolean> {
    return until(
      () => Object.values(this.#legacy).every((base) => isRemoved(join(base, run))),
      bounds.groupRemoveMs,
    );
  }

  /** At the agent's end; a base with runs in it stays. */
  leave(): void {
    for (const base of Object.values(this.#legacy)) isRemoved(base);
  }
}

/** Where groups of runs can be made, and are when one is needed: nothing is left behind now. */
function tryBase(mount: string, instance: string): string | undefined {
  const base = join(mount, 'lotc', instance);
  try {
    mkdirSync(join(mount, 'lotc'), { recursive: true });
    mkdirSync(base, { recursive: true });
    accessSync(join(base, 'cgroup.procs'), constants.W_OK);
    isRemoved(base);
    return base;
  } catch {
    return undefined;
  }
}

function writeAll(group: string, files: readonly GroupFile[]): void {
  for (const { file, text, optional } of files) {
    try {
      writeFileSync(join(group, file), text);
    } catch (cause) {
      if (optional) continue;
      throw new LotcError('io', `cannot set ${file} of ${group}: ${String(cause)}`, { cause });
    }
  }
}

/** Asked before, where it mostly is not: Node's error for what is missing costs more. */
const countsOf = (path: string): string | undefined =>
  existsSync(path) ? readText(path) : undefined;

function isRemoved(path: string): boolean {
  if (!existsSync(path)) return true;
  try {
    rmdirSync(path);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
