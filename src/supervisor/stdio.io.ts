/**
 * The descriptors that a run's program gets as 0, 1 and 2, opened by the agent and handed through
 * the shim: its FIFO, its log files, or a terminal.
 *
 * Nothing here follows a link. What could not be opened is named by its step, as the shim names
 * its own, so that both read the same.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { constants as numbers } from 'node:os';
import type { Launch } from './launch.ts';
import { openTerminal, type Terminal } from './terminal.io.ts';

export interface Stdio {
  /** Undefined: /dev/null. */
  readonly descriptors: readonly [number | undefined, number | undefined, number | undefined];
  /** The FIFO's writing end, for the shim to hold. */
  readonly held: number | undefined;
  readonly terminal: Terminal | undefined;
  /** The agent's own copies go; the program has its own by then. */
  close(): void;
}

export class StdioFault extends Error {
  readonly step: string;
  readonly errno: number;

  constructor(step: string, cause: unknown) {
    super(`cannot open ${step}`, { cause });
    this.step = step;
    this.errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? numbers.errno.EIO);
  }
}

const { O_WRONLY, O_RDONLY, O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NOCTTY, O_NONBLOCK } =
  constants;
const LOG = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY;
const LOG_MODE = 0o600;

/** Throws a `StdioFault`, with nothing left open. */
export function openStdio(launch: Launch): Stdio {
  const opened: number[] = [];
  const keep = (fd: number): number => {
    opened.push(fd);
    return fd;
  };
  const close = (): void => {
    for (const fd of opened.splice(0)) closeSync(fd);
  };
  let step = 'stdin';
  try {
    const fifo = launch.stdin === undefined ? undefined : openFifo(launch, keep);
    step = 'stdout';
    const out =
      launch.stdout === undefined ? undefined : keep(openSync(launch.stdout, LOG, LOG_MODE));
    if (launch.tty !== undefined) {
      step = 'tty';
      const terminal = openTerminal({
        ...launch.tty,
        uid: launch.user?.uid,
        log: out,
        input: fifo?.reading,
      });
      const { slave } = terminal;
      // The terminal has taken over what was opened, and closes it.
      opened.length = 0;
      return { descriptors: [slave, slave, slave], held: undefined, terminal, close };
    }
    step = 'stderr';
    let err = launch.stderr === launch.stdout ? out : undefined;
    if (launch.stderr !== undefined) err ??= keep(openSync(launch.stderr, LOG, LOG_MODE));
    const descriptors = [fifo?.reading, out, err] as const;
    return { descriptors, held: fifo?.held, terminal: undefined, close };
  } catch (cause) {
    close();
    throw new StdioFault(step, cause);
  }
}

interface Fifo {
  readonly reading: number;
  readonly held: number | undefined;
}

/** Opened for both first: then neither of its ends has to wait for the other. */
function openFifo(launch: Launch, keep: (fd: number) => number): Fifo {
  const path = launch.stdin ?? '';
  const both = openSync(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
  try {
    if (!fstatSync(both).isFIFO()) throw fault('EINVAL');
    // The terminal reads what is both: without a writer it would be at its end.
    if (launch.tty !== undefined) {
      return { reading: keep(openSync(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW)), held: undefined };
    }
    const reading = keep(openSync(path, O_RDONLY | O_NOFOLLOW | O_NOCTTY));
    return { reading, held: keep(openSync(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW)) };
  } finally {
    closeSync(both);
  }
}

function fault(code: 'EINVAL'): Error {
  return Object.assign(new Error(code), { errno: numbers.errno[code] });
}
