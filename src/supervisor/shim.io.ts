/**
 * The edge to the shim: starts one for a run, talks to one that is there.
 *
 * A handle is a channel, not the run: to close it, or to die with it open, changes nothing for the
 * process. The shim is started (spawn.io.ts) in a session of its own, with nothing but a socket as
 * descriptor 3. What the lines mean is in shim.ts and at the head of shim.c.
 */

import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { step } from '../base/step.io.ts';
import { encodeLaunch, type Launch } from './launch.ts';
import {
  EventLines,
  type ExitRecord,
  parseExitRecord,
  parseShimRecord,
  type ShimEvent,
  type ShimRecord,
} from './shim.ts';
import { encodeCommand, type ShimCommand } from './shim-command.ts';
import { spawnShim } from './spawn.io.ts';
import { openStdio, type Stdio, type StdioFault } from './stdio.io.ts';
import type { Terminal } from './terminal.io.ts';
import { sleep } from './until.io.ts';

export interface ShimHandle {
  /** Dropped without a word when the channel is closed: `detached` has said so or will. */
  send(command: ShimCommand): void;
  /** Of the run's terminal, where it has one and this agent opened it. */
  resize(rows: number, columns: number): void;
  /** No event comes after this; the run goes on. */
  close(): void;
}

export type ShimListener = (event: ShimEvent) => void;

/** A terminal that others still have open never drains. */
const DRAIN_MS = 250;

/**
 * Starts a shim for one run. Throws only for a launch that cannot be said. What could not be opened
 * for the program, or a shim that could not be started, is a `failed` event of step `stdin`,
 * `stdout`, `stderr`, `tty` or `shim`, and there is no record. The last event is `detached`, once.
 *
 * With `gateAtUs` the events are `armed` (again each time the instant is moved), then `started`
 * with the exec's instant, or `failed`. Until then `gate`, `fire` and `cancel` may be sent; the
 * record with planned and real instant is on disk soon after the exec (`readShimRecord`).
 */
export function launchShim(path: string, launch: Launch, on: ShimListener): ShimHandle {
  const bytes = encodeLaunch(launch);
  let stdio: Stdio;
  try {
    stdio = openStdio(launch);
  } catch (cause) {
    const { step, errno } = cause as StdioFault;
    return neverStarted(on, step, errno);
  }
  const channel = spawnShim(path, stdio, (errno) => on({ kind: 'failed', step: 'shim', errno }));
  stdio.close();
  if (stdio.terminal !== undefined) keepTerminal(launch.socket, stdio.terminal);
  step('launch: shim started');
  channel.write(bytes);
  step('launch: told');
  return listen(channel, on, stdio.terminal);
}

function neverStarted(on: ShimListener, step: string, errno: number): ShimHandle {
  let open = true;
  setImmediate(() => {
    if (open) on({ kind: 'failed', step, errno });
    if (open) on({ kind: 'detached' });
  });
  return {
    send: () => {},
    resize: () => {},
    close: () => {
      open = false;
    },
  };
}

/** By the socket of their run's shim, for a channel that has to be opened again. */
const terminals = new Map<string, Terminal>();

function keepTerminal(socket: string, terminal: Terminal): void {
  terminals.set(socket, terminal);
  void terminal.closed.then(() => terminals.delete(socket));
}

/** The shim that listens at `socketPath`; undefined when nobody does. It says its state at once. */
export async function attachShim(
  socketPath: string,
  on: ShimListener,
): Promise<ShimHandle | undefined> {
  const channel = connect(socketPath);
  const { promise, resolve, reject } = Promise.withResolvers<ShimHandle | undefined>();
  channel.once('connect', () => {
    channel.off('error', refused);
    resolve(listen(channel, on, terminals.get(socketPath)));
  });
  channel.once('error', refused);
  return promise;

  function refused(error: NodeJS.ErrnoException): void {
    // Nobody there: nobody reads what is typed.
    terminals.get(socketPath)?.close();
    if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
    else reject(error);
  }
}

/** How the run ended. Undefined when there is no record (yet), or what is there is none. */
export async function readExitRecord(path: string): Promise<ExitRecord | undefined> {
  return read(path, parseExitRecord);
}

/** The same with what was fired and has not ended: `end` is undefined then. */
export async function readShimRecord(path: string): Promise<ShimRecord | undefined> {
  return read(path, parseShimRecord);
}

async function read<T>(path: string, parse: (text: string) => T): Promise<T | undefined> {
  try {
    return parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
}

function listen(channel: Duplex, on: ShimListener, terminal: Terminal | undefined): ShimHandle {
  const lines = new EventLines();
  let open = true;
  let told = Promise.resolve();
  const tell = (event: ShimEvent): void => {
    step(`shim: ${event.kind}`);
    if (open) on(event);
    if (event.kind === 'detached') open = false;
    // It was the last word: the shim's own end need not be waited for.
    if (event.kind === 'gone') channel.destroy();
  };
  /** What a terminal showed is in the log before its program's end is told. */
  const hear = (event: ShimEvent): void => {
    if (terminal === undefined) return tell(event);
    told = tellAfter(told, terminal, event);
  };
  async function tellAfter(earlier: Promise<void>, of: Terminal, event: ShimEvent): Promise<void> {
    await earlier;
    if (event.kind === 'exited') await Promise.race([of.drain(), sleep(DRAIN_MS)]);
    if (event.kind === 'gone') of.close();
    tell(event);
  }
  channel.setEncoding('latin1');
  channel.on('data', (text: string) => {
    for (const event of lines.receive(text)) hear(event);
  });
  // What went wrong with a channel matters to nobody: it is closed, and `close` says so.
  channel.on('error', () => {});
  channel.once('close', () => hear({ kind: 'detached' }));
  return {
    send(command) {
      if (command.kind === 'close-stdin' && terminal !== undefined) terminal.endInput();
      else if (channel.writable) channel.write(encodeCommand(command));
    },
    resize(rows, columns) {
      terminal?.resize(rows, columns);
    },
    close() {
      open = false;
      channel.destroy();
    },
  };
}
