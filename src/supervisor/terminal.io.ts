/**
 * A terminal for one run (`run -t`): the agent holds the master, the program gets the slave.
 *
 * What the program shows is appended to its log, what comes from the run's FIFO is typed. Nothing
 * is lost on a full disk: the program waits. A terminal ends with the agent that holds it (the
 * kernel hangs up), as a console's run does anyway. Node opens no terminal of its own; the three
 * requests of ioctl_tty(2) go through `node:ffi`.
 */
import { closeSync, constants, fchownSync, openSync, write } from 'node:fs';
import { Socket } from 'node:net';
import { ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { sleep } from './until.io.ts';

export interface TerminalOptions {
  readonly rows: number;
  readonly columns: number;
  /** The user whose terminal it is. */
  readonly uid?: number | undefined;
  /** What is shown goes to the end of this file, a descriptor that the terminal closes. */
  readonly log?: number | undefined;
  /** What is typed: the reading end of a FIFO, closed by the terminal as well. */
  readonly input?: number | undefined;
}

export interface Terminal {
  /** The program's side. Held open as well, or a program that closes it early would be hung up. */
  readonly slave: number;
  resize(rows: number, columns: number): void;
  /** A terminal has no end of file, only the key for it. */
  endInput(): void;
  /** The program has ended: resolves when nobody has the slave open and the log has everything. */
  drain(): Promise<void>;
  /** Resolves when the terminal is no more. */
  readonly closed: Promise<void>;
  /** Hangs up. */
  close(): void;
}

const TIOCSPTLCK = 0x4004_5431n;
const TIOCGPTPEER = 0x5441n;
const TIOCSWINSZ = 0x5414n;
const KEEP_ID = 0xffff_ffff;
const END_KEY = '\x04';
const RETRY_MS = 1_000;
const { O_RDWR, O_NOCTTY } = constants;
const writeTo = promisify(write);

type Ioctl = (fd: number, request: bigint, argument: Uint8Array | bigint) => number;

export function openTerminal(options: TerminalOptions): Terminal {
  const master = openSync('/dev/ptmx', O_RDWR | O_NOCTTY);
  const slave = openSlave(master, options);
  const screen = new ReadStream(master);
  const keys = options.input === undefined ? undefined : keysOf(options.input);
  keys?.on('data', (bytes: Buffer) => {
    if (!screen.write(bytes)) {
      keys.pause();
      screen.once('drain', () => keys.resume());
    }
  });
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  let busy = Promise.resolve();
  const show = async (bytes: Buffer): Promise<void> => {
    if (options.log !== undefined) await append(options.log, bytes, () => !screen.destroyed);
    screen.resume();
  };
  screen.on('data', (bytes: Buffer) => {
    screen.pause();
    busy = show(bytes);
  });
  const end = async (): Promise<void> => {
    await busy;
    if (options.log !== undefined) closeSync(options.log);
    resolve();
  };
  let isHeld = true;
  const letGo = (): void => {
    if (isHeld) closeSync(slave);
    isHeld = false;
  };
  // EIO: nobody has the slave open.
  screen.on('error', () => {});
  screen.once('close', () => {
    keys?.destroy();
    letGo();
    void end();
  });
  return {
    slave,
    closed,
    drain: () => {
      letGo();
      return closed;
    },
    resize: (rows, columns) => setSize(master, rows, columns, () => !screen.destroyed),
    endInput: () => screen.write(END_KEY),
    close: () => screen.destroy(),
  };
}

/** The kernel hands out the slave itself: no /dev/pts is needed for it. */
function openSlave(master: number, { rows, columns, uid }: TerminalOptions): number {
  const call = ioctl();
  let slave = -1;
  try {
    if (call(master, TIOCSPTLCK, new Uint8Array(4)) === 0) {
      slave = call(master, TIOCGPTPEER, BigInt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    }
    if (slave < 0) throw new Error('no terminal is to be had');
    setSize(master, rows, columns, () => true);
    if (uid !== undefined) fchownSync(slave, uid, KEEP_ID);
    return slave;
  } catch (cause) {
    closeSync(master);
    if (slave >= 0) closeSync(slave);
    throw cause;
  }
}

const O_CLOEXEC = 0o2000000;

function setSize(master: number, rows: number, columns: number, isOpen: () => boolean): void {
  if (!isOpen()) return;
  ioctl()(master, TIOCSWINSZ, new Uint8Array(new Uint16Array([rows, columns, 0, 0]).buffer));
}

/** Not destroyed by a pause: what was typed ahead waits in the FIFO. */
function keysOf(fd: number): Socket {
  const keys = new Socket({ fd, readable: true, writable: false });
  keys.on('error', () => {});
  return keys;
}

/** No space: the program waits until there is some, or the terminal is closed. */
async function append(log: number, bytes: Buffer, isOpen: () => boolean): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    try {
      const { bytesWritten } = await writeTo(log, bytes, done, bytes.length - done, null);
      done += bytesWritten;
    } catch {
      if (!isOpen()) return;
      await sleep(RETRY_MS);
    }
  }
}

let known: { readonly buffer: Ioctl; readonly value: Ioctl } | undefined;

function ioctl(): Ioctl {
  known ??= load();
  const { buffer, value } = known;
  return (fd, request, argument) =>
    typeof argument === 'bigint' ? value(fd, request, argument) : buffer(fd, request, argument);
}

/** Loaded when the first terminal is opened; libc is opened as the program's own (`null`). */
function load(): { readonly buffer: Ioctl; readonly value: Ioctl } {
  const { dlopen } = process.getBuiltinModule('node:ffi');
  const one = (last: 'buffer' | 'u64'): Ioctl => {
    const { functions } = dlopen(null, {
      ioctl: { arguments: ['i32', 'u64', last], return: 'i32' },
    });
    return (...words) => functions['ioctl']?.(...words) ?? -1;
  };
  return { buffer: one('buffer'), value: one('u64') };
}
