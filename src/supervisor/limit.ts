/**
 * What a run may use at most, and by which means this node can hold it to that.
 *
 * `cgroup2` and `cgroup1` hold the whole run; `rlimit` is what is left without a controller, and
 * weaker: memory is then the address space of each process, the number of processes is that of
 * the user, so root is not held at all. Nothing but a controller holds CPU. A limit that cannot be
 * held is refused, never ignored: whoever makes a task asks `limitFault` first. Pure.
 *
 * Reference: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/; setrlimit(2).
 */
import { LotcError } from '../base/errors.ts';
import { limits as bounds } from '../base/limits.ts';
import { roughSizeBytes } from '../base/size.ts';
import type { Rlimit } from './launch.ts';

export interface ResourceLimits {
  readonly memoryBytes?: number | undefined;
  /** In cores: 0.5 is half of one. */
  readonly cpus?: number | undefined;
  /** Processes and threads. */
  readonly pids?: number | undefined;
  /** Open files of each process. */
  readonly nofile?: number | undefined;
}

/** As a task's spec has them. */
export interface GivenLimits {
  readonly memoryMaxBytes?: number | undefined;
  readonly cpuMax?: number | undefined;
  readonly pidsMax?: number | undefined;
  readonly nofileMax?: number | undefined;
  readonly logMaxBytes?: number | undefined;
  /** Above it there is an event, and nothing else. */
  readonly memoryWarnBytes?: number | undefined;
}

export function limitsOf(given: GivenLimits): ResourceLimits {
  const { memoryMaxBytes: memoryBytes, cpuMax: cpus, pidsMax: pids, nofileMax: nofile } = given;
  return { memoryBytes, cpus, pids, nofile };
}

/** Which of these values is none that any node could mean; undefined when all may be. */
export function limitValueFault(given: GivenLimits): string | undefined {
  const { memoryMaxBytes, cpuMax, pidsMax, nofileMax, logMaxBytes, memoryWarnBytes } = given;
  const plain = (value: number): string => String(value);
  const most = bounds.memoryMaxMaxBytes;
  return (
    outside('memory', memoryMaxBytes, [bounds.memoryMaxMinBytes, most], roughSizeBytes) ??
    outside('memory-warn', memoryWarnBytes, [bounds.memoryMaxMinBytes, most], roughSizeBytes) ??
    outside('cpu', cpuMax, [bounds.cpuMaxMin, bounds.cpuMaxMax], plain) ??
    outside('pids', pidsMax, [1, bounds.pidsMaxMax], plain) ??
    outside('nofile', nofileMax, [bounds.nofileMaxMin, bounds.nofileMaxMax], plain) ??
    outside('log-max', logMaxBytes, [bounds.logMaxMinBytes, most], roughSizeBytes)
  );
}

function outside(
  what: string,
  value: number | undefined,
  [least, most]: readonly [number, number],
  text: (value: number) => string,
): string | undefined {
  if (value === undefined || (value >= least && value <= most)) return undefined;
  return `${what}: ${text(value)} is not between ${text(least)} and ${text(most)}`;
}

export type LimitMeans = 'cgroup2' | 'cgroup1' | 'rlimit';

/** Undefined: this node cannot hold it. */
export interface LimitSupport {
  readonly memory: LimitMeans | undefined;
  readonly cpu: LimitMeans | undefined;
  readonly pids: LimitMeans | undefined;
  readonly nofile: 'rlimit';
}

export type Controller = 'memory' | 'cpu' | 'pids';
export const controllers: readonly Controller[] = ['memory', 'cpu', 'pids'];

/** Given the controllers that a run's group has in v2, and those that can be had in v1. */
export function limitSupport(unified: readonly string[], legacy: readonly string[]): LimitSupport {
  const means = (name: Controller): LimitMeans | undefined => {
    if (unified.includes(name)) return 'cgroup2';
    if (legacy.includes(name)) return 'cgroup1';
    return name === 'cpu' ? undefined : 'rlimit';
  };
  return { memory: means('memory'), cpu: means('cpu'), pids: means('pids'), nofile: 'rlimit' };
}

/** Why these limits cannot be held here for a run of this user; undefined when they can. */
export function limitFault(
  limits: ResourceLimits,
  support: LimitSupport,
  uid: number,
): string | undefined {
  if (limits.cpus !== undefined && support.cpu === undefined) {
    return 'this node cannot limit CPU: it has no cgroup controller for it';
  }
  if (limits.pids !== undefined && support.pids === 'rlimit' && uid === 0) {
    return 'this node cannot limit the processes of root: it has no cgroup controller for them';
  }
  return undefined;
}

/** The support as a node tells it: by what each kind is held; `uid` is the agent's own user. */
export function holdsOf(support: LimitSupport, uid: number): Record<string, string> {
  const holds: Record<string, string> = { uid: String(uid) };
  for (const [kind, means] of Object.entries(support)) if (means) holds[kind] = means;
  return holds;
}

/**
 * Why a node that told this cannot hold the limits of a task of this user (`NAME|UID[:GROUP]`;
 * undefined: the agent's own); undefined when it can, as far as is known from here.
 */
export function heldFault(
  given: GivenLimits,
  holds: Readonly<Record<string, string>>,
  user: string | undefined,
): string | undefined {
  const means = (kind: string): LimitMeans | undefined => holds[kind] as LimitMeans | undefined;
  const { memory, cpu, pids } = { memory: means('memory'), cpu: means('cpu'), pids: means('pids') };
  const who = user?.split(':')[0];
  const isRoot = who === 'root' || (who ?? holds['uid']) === '0';
  return limitFault(limitsOf(given), { memory, cpu, pids, nofile: 'rlimit' }, isRoot ? 0 : 1);
}

export interface LimitPlan {
  /** Files of the run's group in v2, and what is written there; the first that exists decides. */
  readonly unified: readonly GroupFile[];
  /** For each controller of v1 that is needed: files of the run's group there. */
  readonly legacy: Readonly<Partial<Record<Controller, readonly GroupFile[]>>>;
  readonly rlimits: readonly Rlimit[];
}

export interface GroupFile {
  readonly file: string;
  readonly text: string;
  /** Without it the limit is weaker, not gone: not every kernel accounts for swap. */
  readonly optional?: boolean;
}

const PERIOD_US = 100_000;
/** The least that the kernel takes. */
const QUOTA_MIN_US = 1_000;

/** Throws where `limitFault` would have named a reason. */
export function planLimits(limits: ResourceLimits, support: LimitSupport, uid: number): LimitPlan {
  const fault = limitFault(limits, support, uid);
  if (fault !== undefined) throw new LotcError('unsupported', fault);
  const unified: GroupFile[] = [];
  const legacy: Partial<Record<Controller, readonly GroupFile[]>> = {};
  const rlimits: Rlimit[] = [];
  const { memoryBytes, cpus, pids, nofile } = limits;
  if (memoryBytes !== undefined) {
    const text = String(memoryBytes);
    if (support.memory === 'cgroup2') {
      unified.push({ file: 'memory.max', text });
      unified.push({ file: 'memory.swap.max', text: '0', optional: true });
    } else if (support.memory === 'cgroup1') {
      legacy.memory = [
        { file: 'memory.limit_in_bytes', text },
        { file: 'memory.memsw.limit_in_bytes', text, optional: true },
      ];
    } else rlimits.push({ name: 'as', soft: memoryBytes, hard: memoryBytes });
  }
  if (cpus !== undefined) {
    const quotaUs = Math.max(QUOTA_MIN_US, Math.round(cpus * PERIOD_US));
    if (support.cpu === 'cgroup2')
      unified.push({ file: 'cpu.max', text: `${quotaUs} ${PERIOD_US}` });
    else {
      legacy.cpu = [
        { file: 'cpu.cfs_period_us', text: String(PERIOD_US) },
        { file: 'cpu.cfs_quota_us', text: String(quotaUs) },
      ];
    }
  }
  if (pids !== undefined) {
    const file = { file: 'pids.max', text: String(pids) };
    if (support.pids === 'cgroup2') unified.push(file);
    else if (support.pids === 'cgroup1') legacy.pids = [file];
    else rlimits.push({ name: 'nproc', soft: pids, hard: pids });
  }
  if (nofile !== undefined) rlimits.push({ name: 'nofile', soft: nofile, hard: nofile });
  return { unified, legacy, rlimits };
}

/** Mount points of the v1 controllers that limits need, from /proc/self/mounts. */
export function legacyMounts(text: string): Partial<Record<Controller, string>> {
  const found: Partial<Record<Controller, string>> = {};
  for (const line of text.split('\n')) {
    const [, point, type, options = ''] = line.split(' ');
    if (type !== 'cgroup' || point === undefined) continue;
    for (const name of controllers) {
      if (options.split(',').includes(name)) found[name] ??= point;
    }
  }
  return found;
}
