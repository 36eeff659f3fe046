/**
 * What agent and shim say to each other, as bytes and lines: a launch, events, the exit record.
 * The protocol itself is described once, at the head of shim.c; this is its other side.
 *
 * Refuses to know sockets, files and processes (shim.io.ts has them) and what an event is worth:
 * whether an exit is a failure or wants a restart is decided elsewhere. Every launch is written for
 * the shim of the same executable; a line that only a newer shim can say reads as `unknown`.
 */

import { unreachable } from '../base/assert.ts';
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
  /** A controlling terminal; what it shows goes to `stdout`, what is typed comes from `stdin`. */
  readonly tty?: { readonly rows: number; readonly columns: number } | undefined;
  /** `cgroup.procs` files that the process joins before exec; the shim itself stays outside. */
  readonly cgroups?: readonly string[] | undefined;
  /** Goes to /proc/self/oom_score_adj; without it the agent's own value is inherited. */
  readonly oomScoreAdj?: number | undefined;
}

export interface LaunchUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

export interface Started {
  readonly kind: 'started';
  readonly pid: number;
  /** proc(5) field 22: clock ticks after boot; 0 when /proc could not be read. */
  readonly startTicks: number;
  /** The instant of exec on CLOCK_MONOTONIC and CLOCK_REALTIME, in microseconds. */
  readonly monotonicUs: number;
  readonly realUs: number;
}

/** Nothing of the program ran: the step of the launch that failed, and why (errno(3)). */
export interface Failed {
  readonly kind: 'failed';
  /** E.g. `exec`, `interpreter` (the file is there, its `#!` is not), `cwd`, `stdout`, `rlimit`. */
  readonly step: string;
  readonly errno: number;
}

export interface Exited {
  readonly kind: 'exited';
  /** `core`: by a signal, and a core was dumped. */
  readonly how: 'code' | 'signal' | 'core';
  /** The exit code, or the signal's number. */
  readonly value: number;
  /** Of the main process and the children that it waited for. */
  readonly userUs: number;
  readonly systemUs: number;
  readonly maxRssKiB: number;
  readonly monotonicUs: number;
  readonly realUs: number;
}

export type ShimEvent =
  | { readonly kind: 'hello'; readonly version: number; readonly shimPid: number }
  | Started
  | Failed
  | Exited
  /** Left to the shim when the main process ended; undefined when the kernel does not count. */
  | { readonly kind: 'orphans'; readonly count: number | undefined }
  | { readonly kind: 'recorded' }
  | { readonly kind: 'record-failed'; readonly errno: number }
  /** No process of the run is left, and the shim ends. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'error'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly line: string }
  /** The channel is closed: the shim has ended, or took a newer connection in its place. */
  | { readonly kind: 'detached' };

export interface ExitRecord {
  readonly shimPid: number;
  readonly started: Started | undefined;
  readonly end: Exited | Failed;
}

export type ShimCommand =
  | { readonly kind: 'signal'; readonly signal: number }
  | { readonly kind: 'signal-group'; readonly signal: number }
  | { readonly kind: 'winsize'; readonly rows: number; readonly columns: number }
  | { readonly kind: 'close-stdin' }
  | { readonly kind: 'quit' };

const VERSION = 1;
const NO_ID = 0xffff_ffff;
const UNLIMITED = '18446744073709551615';
const LENGTH_BYTES = 4;

/** The whole of what goes to a new shim, its length first. LOTC runs on little-endian alone. */
export function encodeLaunch(launch: Launch): Uint8Array {
  const { tty, user } = launch;
  const paths = [launch.socket, launch.record, launch.cwd, launch.stdin, launch.stdout];
  const fields = [
    VERSION,
    ...paths.map((path) => path ?? ''),
    launch.stderr ?? '',
    launch.oomScoreAdj ?? '',
    tty?.rows ?? 0,
    tty?.columns ?? 0,
    user?.uid ?? NO_ID,
    user?.gid ?? NO_ID,
    launch.umask,
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

export function encodeCommand(command: ShimCommand): string {
  switch (command.kind) {
    case 'signal':
    case 'signal-group':
      return `${command.kind} ${command.signal}\n`;
    case 'winsize':
      return `winsize ${command.rows} ${command.columns}\n`;
    case 'close-stdin':
    case 'quit':
      return `${command.kind}\n`;
    default:
      return unreachable(command);
  }
}

/** What each line looks like, and the event that its groups make. */
const patterns: readonly (readonly [RegExp, (group: (index: number) => string) => ShimEvent])[] = [
  [
    /^hello (\d+) (\d+)$/,
    (group) => ({ kind: 'hello', version: Number(group(1)), shimPid: Number(group(2)) }),
  ],
  [
    /^started (\d+) (\d+) (\d+) (\d+)$/,
    (group) => ({
      kind: 'started',
      pid: Number(group(1)),
      startTicks: Number(group(2)),
      monotonicUs: microseconds(group(3)),
      realUs: microseconds(group(4)),
    }),
  ],
  [
    /^failed (\S+) (\d+)$/,
    (group) => ({ kind: 'failed', step: group(1), errno: Number(group(2)) }),
  ],
  [
    /^exited (code|signal|core) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/,
    (group) => ({
      kind: 'exited',
      how: group(1) as Exited['how'],
      value: Number(group(2)),
      userUs: Number(group(3)),
      systemUs: Number(group(4)),
      maxRssKiB: Number(group(5)),
      monotonicUs: microseconds(group(6)),
      realUs: microseconds(group(7)),
    }),
  ],
  [/^orphans -1$/, () => ({ kind: 'orphans', count: undefined })],
  [/^orphans (\d+)$/, (group) => ({ kind: 'orphans', count: Number(group(1)) })],
  [/^recorded$/, () => ({ kind: 'recorded' })],
  [/^record-failed (\d+)$/, (group) => ({ kind: 'record-failed', errno: Number(group(1)) })],
  [/^gone$/, () => ({ kind: 'gone' })],
  [/^error (\S+)$/, (group) => ({ kind: 'error', reason: group(1) })],
];

/** One line without its end; what is not understood whole is `unknown`, never half an event. */
export function parseEvent(line: string): ShimEvent {
  for (const [pattern, event] of patterns) {
    const match = pattern.exec(line);
    if (match !== null) return event((index) => match[index] ?? '');
  }
  return { kind: 'unknown', line };
}

/** Nanoseconds of today do not fit a number, microseconds do. */
function microseconds(nanoseconds: string): number {
  return Number(nanoseconds.slice(0, -3));
}

/** Cuts a stream of text into events, wherever its pieces end. */
export class EventLines {
  #rest = '';

  receive(text: string): readonly ShimEvent[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map(parseEvent);
  }
}

/** The record's text; undefined when it is none, which is as good as no record. */
export function parseExitRecord(text: string): ExitRecord | undefined {
  const events = new EventLines().receive(text);
  const hello = events.find((event) => event.kind === 'hello');
  const started = events.find((event) => event.kind === 'started');
  const end = events.find((event) => event.kind === 'exited' || event.kind === 'failed');
  if (hello === undefined || end === undefined) return undefined;
  return { shimPid: hello.shimPid, started, end };
}
