/**
 * What a shim says to its agent once a run was launched: events, and the record. The protocol
 * itself is described once, at the head of shim.c; this is its other side, with shim-command.ts.
 *
 * Refuses to know sockets, files and processes (shim.io.ts has them) and what an event is worth:
 * whether an exit is a failure or wants a restart is decided elsewhere. A shim may be older than
 * the agent that finds it: a line that is not known reads as `unknown`.
 */

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
  /**
   * `core`: by a signal, and a core was dumped. `unknown`: the main process was by `MAINPID` one
   * whose parent lives and took its exit status, before Linux 6.15.
   */
  readonly how: 'code' | 'signal' | 'core' | 'unknown';
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

/** Somebody, be it the agent, stopped or continued the main process with this signal. */
export interface Moved {
  readonly kind: 'stopped' | 'continued';
  readonly signal: number;
  readonly monotonicUs: number;
}

/**
 * For as long as the command `quiet` said no `WATCHDOG=1` came. Told once. From that command on only
 * the first such sign is told, and the first after silence.
 */
export interface Quiet {
  readonly kind: 'quiet';
  /** When the last one came, or when counting began, on CLOCK_MONOTONIC. */
  readonly sinceUs: number;
  /** Clock ticks that the main process had used by then; 0: not known. */
  readonly ticks: number;
}

export type ShimEvent =
  | { readonly kind: 'hello'; readonly version: number; readonly shimPid: number }
  | Armed
  | Started
  | Failed
  | Exited
  | Acted
  | Sign
  | Moved
  | Quiet
  /** Answers the command `mark`: what was sent to the notify socket before it was told before. */
  | { readonly kind: 'marked' }
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
  /** What it did by itself. */
  readonly acted?: readonly Acted[] | undefined;
  /** The shim ended it with its lease. */
  readonly lapsed?: true | undefined;
}

/** What a shim has left on disk: after a gate it does so at the exec, always at the end. */
export type ShimRecord = Omit<ExitRecord, 'end'> & { readonly end: Exited | Failed | undefined };

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
    /^exited (code|signal|core|unknown) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/,
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
  [
    /^(stopped|continued) (\d+) (\d+)$/,
    (group) => ({
      kind: group(1) as Moved['kind'],
      signal: Number(group(2)),
      monotonicUs: microseconds(group(3)),
    }),
  ],
  [
    /^quiet (\d+) (\d+)$/,
    (group) => ({ kind: 'quiet', sinceUs: microseconds(group(1)), ticks: Number(group(2)) }),
  ],
  [/^marked$/, () => ({ kind: 'marked' })],
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
  const acted = events.filter((event) => event.kind === 'acted');
  const lapsed = acted.some(({ name }) => name === 'lease');
  const did = acted.length > 0 ? { acted } : {};
  const more = { ...did, ...(armed ? { armed } : {}), ...(lapsed ? { lapsed } : {}) };
  return { shimPid: hello.shimPid, ...more, started, end };
}

/** The same, of a run that has ended; undefined when the record has no end. */
export function parseExitRecord(text: string): ExitRecord | undefined {
  const record = parseShimRecord(text);
  return record?.end && { ...record, end: record.end };
}
