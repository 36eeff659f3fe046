/**
 * What agent and shim say to each other once a run was launched: events, commands, the record.
 * The protocol itself is described once, at the head of shim.c; this is its other side.
 *
 * Refuses to know sockets, files and processes (shim.io.ts has them) and what an event is worth:
 * whether an exit is a failure or wants a restart is decided elsewhere. A shim may be older than
 * the agent that finds it: a line that is not known reads as `unknown`, a command that the shim
 * does not know is answered by the error `unknown-command`.
 */

import { unreachable } from '../base/assert.ts';

/** The child is ready and waits for its instant; told again when that was moved. */
export interface Armed {
  readonly kind: 'armed';
  readonly pid: number;
  readonly startTicks: number;
  readonly plannedUs: number;
}

export interface Started {
  readonly kind: 'started';
  readonly pid: number;
  /** proc(5) field 22: clock ticks after boot; 0 when /proc could not be read. */
  readonly startTicks: number;
  /**
   * When exec, which was then seen to have succeeded, began: on CLOCK_MONOTONIC and on
   * CLOCK_REALTIME, in microseconds. Measured by the child itself, so no wake-up is part of it.
   */
  readonly monotonicUs: number;
  readonly realUs: number;
}

/** Nothing of the program ran: the step of the launch that failed, and why (errno(3)). */
export interface Failed {
  readonly kind: 'failed';
  /**
   * E.g. `exec`, `interpreter` (the file is there, its `#!` is not), `cwd`, `stdout`, `rlimit`;
   * `cancelled`: by the command of that name; `killed`: somebody ended the child before its exec.
   */
  readonly step: string;
  readonly errno: number;
  /** When that was told, on CLOCK_MONOTONIC; not there when there was no shim to tell it. */
  readonly monotonicUs?: number | undefined;
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

/** What was planned by `at` was done, or could not be. */
export interface Acted {
  readonly kind: 'acted';
  readonly name: TimedAct;
  readonly plannedUs: number;
  readonly monotonicUs: number;
  /** 0: done. */
  readonly errno: number;
}

/** `freeze`, `thaw` and `kill` by one write to the run's cgroup; `lease` ends it by any means. */
export type TimedAct = 'freeze' | 'thaw' | 'kill' | 'lease';

/**
 * One variable of sd_notify(3), from a process of the run. The shim keeps the last of each name
 * (`READY`, `WATCHDOG`, `WATCHDOG=trigger` apart, `WATCHDOG_USEC`, `EXTEND_TIMEOUT_USEC`, `STATUS`,
 * `MAINPID`, `RELOADING`, `STOPPING`, `ERRNO`) and tells them again to an agent that comes back.
 */
export interface Sign {
  readonly kind: 'sign';
  /** When it was received, on CLOCK_MONOTONIC. */
  readonly monotonicUs: number;
  readonly pid: number;
  readonly name: string;
  /** Without control characters; at most some 400 bytes. */
  readonly value: string;
}

export type ShimEvent =
  | { readonly kind: 'hello'; readonly version: number; readonly shimPid: number }
  | Armed
  | Started
  | Failed
  | Exited
  | Acted
  | Sign
  /** The logs cannot be bounded: their file system knows no holes. */
  | { readonly kind: 'log-failed'; readonly errno: number }
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
  /** Of a run that was held at a gate: what was planned last. */
  readonly armed?: Armed | undefined;
  readonly started: Started | undefined;
  readonly end: Exited | Failed;
}

/** What a shim has left on disk: after a gate it does so at the exec, always at the end. */
export type ShimRecord = Omit<ExitRecord, 'end'> & { readonly end: Exited | Failed | undefined };

export type ShimCommand =
  | { readonly kind: 'signal'; readonly signal: number }
  | { readonly kind: 'signal-group'; readonly signal: number }
  /** Moves the gate's instant; answered by `armed`, or by the error `not-armed`: it was passed. */
  | { readonly kind: 'gate'; readonly atUs: number }
  /** Opens the gate at once. */
  | { readonly kind: 'fire' }
  /** The child is ended before it ran: `failed` of step `cancelled`, or the error `not-armed`. */
  | { readonly kind: 'cancel' }
  /**
   * Plans (or moves, or with 0 takes back) what the shim does at an instant, the agent alive or
   * not: microseconds of CLOCK_MONOTONIC, for a lease of CLOCK_BOOTTIME. Answered by `acted` then;
   * by the error `no-group` at once where the run has no cgroup v2 (then it is the agent's task).
   */
  | { readonly kind: 'at'; readonly act: TimedAct; readonly atUs: number }
  | { readonly kind: 'close-stdin' }
  | { readonly kind: 'quit' };

export function encodeCommand(command: ShimCommand): string {
  switch (command.kind) {
    case 'signal':
    case 'signal-group':
      return `${command.kind} ${command.signal}\n`;
    case 'gate':
      return `gate ${Math.max(1, Math.round(command.atUs))}\n`;
    case 'fire':
      return 'gate 0\n';
    case 'at':
      return `at ${command.act} ${Math.max(0, Math.round(command.atUs))}\n`;
    case 'cancel':
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
    /^armed (\d+) (\d+) (\d+)$/,
    (group) => ({
      kind: 'armed',
      pid: Number(group(1)),
      startTicks: Number(group(2)),
      plannedUs: Number(group(3)),
    }),
  ],
  // A shim of version 1 does not say when.
  [
    /^failed (\S+) (\d+)$/,
    (group) => ({ kind: 'failed', step: group(1), errno: Number(group(2)) }),
  ],
  [
    /^failed (\S+) (\d+) (\d+)$/,
    (group) => ({
      kind: 'failed',
      step: group(1),
      errno: Number(group(2)),
      monotonicUs: microseconds(group(3)),
    }),
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
  [
    /^acted (freeze|thaw|kill|lease) (\d+) (\d+) (\d+)$/,
    (group) => ({
      kind: 'acted',
      name: group(1) as TimedAct,
      plannedUs: Number(group(2)),
      monotonicUs: microseconds(group(3)),
      errno: Number(group(4)),
    }),
  ],
  [
    /^sign (\d+) (\d+) ([A-Z_]+)=(.*)$/,
    (group) => ({
      kind: 'sign',
      monotonicUs: microseconds(group(1)),
      pid: Number(group(2)),
      name: group(3),
      // The channel is read byte by byte.
      value: Buffer.from(group(4), 'latin1').toString(),
    }),
  ],
  [/^log-failed (\d+)$/, (group) => ({ kind: 'log-failed', errno: Number(group(1)) })],
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
export function parseShimRecord(text: string): ShimRecord | undefined {
  const events = new EventLines().receive(text);
  const hello = events.find((event) => event.kind === 'hello');
  const armed = events.find((event) => event.kind === 'armed');
  const started = events.find((event) => event.kind === 'started');
  const end = events.find((event) => event.kind === 'exited' || event.kind === 'failed');
  if (hello === undefined || (started ?? end) === undefined) return undefined;
  return { shimPid: hello.shimPid, ...(armed ? { armed } : {}), started, end };
}

/** The same, of a run that has ended; undefined when the record has no end. */
export function parseExitRecord(text: string): ExitRecord | undefined {
  const record = parseShimRecord(text);
  return record?.end && { ...record, end: record.end };
}
