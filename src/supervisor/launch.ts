/**
 * What a shim is to start, and the bytes that tell it: the launch of one run.
 *
 * The form is described at the head of launch.h. Refuses to know how it gets there, and what comes
 * of it (shim.ts). Every launch is written for the shim of the same executable, so there is one
 * version of it; what execve(2) would refuse for its size is refused here, before anything runs.
 */

import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';

/** Numbers of getrlimit(2), the same on x86-64 and arm64. */
export const rlimitNumbers = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const;

export type RlimitName = keyof typeof rlimitNumbers;

export interface Rlimit {
  readonly name: RlimitName;
  /** In the limit's own unit (setrlimit(2)): bytes, seconds or a count. */
  readonly soft: number | 'unlimited';
  readonly hard: number | 'unlimited';
}

export interface Launch {
  /** Where the shim listens; absolute, at most 107 bytes, must not exist. */
  readonly socket: string;
  /** Where the exit record goes; absolute, must not exist, its directory must. */
  readonly record: string;
  /** The program, searched by the PATH of `env` unless it has a slash, and its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** The whole environment as `NAME=value`; nothing is inherited. */
  readonly env: readonly string[];
  /** Entered with the ids of the process; without it `/`. */
  readonly cwd?: string | undefined;
  /** Without it the process has the agent's own ids. Needs root. */
  readonly user?: LaunchUser | undefined;
  readonly rlimits?: readonly Rlimit[] | undefined;
  readonly umask: number;
  /** Files, created 0600 and appended to; without one its output is lost. Both may be one file. */
  readonly stdout?: string | undefined;
  readonly stderr?: string | undefined;
  /**
   * A FIFO; without it there is nothing to read. The shim holds its writing end as well, so that
   * the agent's death is no end of file: say `close-stdin` after the last byte.
   */
  readonly stdin?: string | undefined;
  /**
   * A controlling terminal; what it shows goes to `stdout`, what is typed comes from `stdin`. The
   * agent copies between them: with its death the terminal hangs up.
   */
  readonly tty?: { readonly rows: number; readonly columns: number } | undefined;
  /** `cgroup.procs` files that the process joins before exec; the shim itself stays outside. */
  readonly cgroups?: readonly string[] | undefined;
  /** Goes to /proc/self/oom_score_adj; without it the agent's own value is inherited. */
  readonly oomScoreAdj?: number | undefined;
  /**
   * An instant of CLOCK_MONOTONIC in microseconds. The child is made ready and held (`armed`), and
   * execs then by itself, whatever has become of the agent; at once if the instant has passed.
   */
  readonly gateAtUs?: number | undefined;
  /**
   * Where the shim takes signs of life (sd_notify) for the run; absolute, at most 107 bytes, must
   * not exist. Who may enter its directory may send, who does not belong to the run is not heard.
   */
  readonly notify?: string | undefined;
  /**
   * An instant of CLOCK_BOOTTIME in microseconds at which the shim ends the whole run by itself,
   * unless it was moved (`at` with `lease`).
   */
  readonly leaseAtUs?: number | undefined;
  /**
   * So many bytes of the logs, both together, stay on disk: the newest. Their heads become holes,
   * so offsets stay. Not of a terminal's.
   */
  readonly logMaxBytes?: number | undefined;
}

export interface LaunchUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

const VERSION = 3;
const NO_ID = 0xffff_ffff;
const UNLIMITED = '18446744073709551615';
const LENGTH_BYTES = 4;

/** The whole of what goes to a new shim, its length first. LOTC runs on little-endian alone. */
export function encodeLaunch(launch: Launch): Uint8Array {
  const { tty, user } = launch;
  const fields = [
    ...[VERSION, launch.socket, launch.record, launch.notify ?? '', launch.cwd ?? ''],
    launch.oomScoreAdj ?? '',
    // A terminal is its own input; the agent holds the FIFO before it.
    launch.stdin !== undefined && tty === undefined ? 1 : 0,
    tty === undefined ? 0 : 1,
    user?.uid ?? NO_ID,
    user?.gid ?? NO_ID,
    launch.umask,
    ...[whole(launch.gateAtUs), whole(launch.leaseAtUs), whole(launch.logMaxBytes)],
    ...counted(user?.groups ?? []),
    launch.rlimits?.length ?? 0,
    ...(launch.rlimits ?? []).flatMap(({ name, soft, hard }) => [
      rlimitNumbers[name],
      rlimitText(soft),
      rlimitText(hard),
    ]),
    ...counted(launch.cgroups ?? []),
    ...counted(launch.argv),
    ...counted(launch.env),
  ];
  return pack(fields.map(String));
}

/** 0 means none: an instant of the past is the first there was. */
function whole(value: number | undefined): number {
  return value === undefined ? 0 : Math.max(1, Math.round(value));
}

function counted(list: readonly (string | number)[]): readonly (string | number)[] {
  return [list.length, ...list];
}

function rlimitText(value: number | 'unlimited'): string {
  return value === 'unlimited' ? UNLIMITED : String(value);
}

function pack(fields: readonly string[]): Uint8Array {
  const texts = fields.map(fieldBytes);
  const body = Buffer.concat(texts);
  if (body.length > limits.launchBytes) {
    throw new LotcError('too-large', `cannot start: ${body.length} bytes of arguments`, {
      hint: `arguments and environment together have at most ${limits.launchBytes} bytes`,
    });
  }
  const whole = Buffer.alloc(LENGTH_BYTES + body.length);
  whole.writeUInt32LE(body.length);
  whole.set(body, LENGTH_BYTES);
  return whole;
}

function fieldBytes(field: string): Uint8Array {
  const beginning = JSON.stringify(field.slice(0, 40));
  const bytes = Buffer.from(`${field}\0`);
  if (bytes.length > limits.argumentBytes) {
    throw new LotcError('too-large', `cannot start: ${beginning}… has ${bytes.length - 1} bytes`, {
      hint: `one argument or variable has at most ${limits.argumentBytes - 1} bytes`,
    });
  }
  if (field.includes('\0')) {
    throw new LotcError('usage', `cannot start: ${beginning} contains a NUL`);
  }
  return bytes;
}
