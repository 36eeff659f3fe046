/**
 * Starts the shim without copying the agent: posix_spawn(3) of libc, through `node:ffi`.
 *
 * Node's own spawn forks: for a process of the agent's size the kernel copies its page tables and
 * then takes a fault for each page that is touched next, which together costs more than all else
 * a start does. glibc's posix_spawn shares the memory until the exec instead. What that does not
 * offer to Node is done here: the socket pair. Whoever waits for what has ended is reap.io.ts.
 *
 * Where libc or FFI has not what it takes, child_process does it.
 * Reference: posix_spawn(3); sizes of glibc's structures on 64-bit machines are below 512 bytes.
 */
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { reapChildren } from './reap.io.ts';

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const O_RDWR = 2;
const CONTROL_FD = 3;
const HELD_FD = 4;
/** POSIX_SPAWN_SETSIGDEF, SETSIGMASK and SETSID. */
const FLAGS = 0x04 | 0x08 | 0x80;
const EMFILE = 24;

const i32 = 'i32' as const;
const buffer = 'buffer' as const;
const string = 'string' as const;

function open() {
  const { dlopen, getRawPointer } = process.getBuiltinModule('node:ffi');
  const { functions } = dlopen(null, {
    socketpair: { arguments: [i32, i32, i32, buffer], return: i32 },
    close: { arguments: [i32], return: i32 },
    sigfillset: { arguments: [buffer], return: i32 },
    posix_spawn: { arguments: [buffer, string, buffer, buffer, buffer, buffer], return: i32 },
    posix_spawnattr_init: { arguments: [buffer], return: i32 },
    posix_spawnattr_setflags: { arguments: [buffer, 'i16'], return: i32 },
    posix_spawnattr_setsigdefault: { arguments: [buffer, buffer], return: i32 },
    posix_spawnattr_setsigmask: { arguments: [buffer, buffer], return: i32 },
    posix_spawn_file_actions_init: { arguments: [buffer], return: i32 },
    posix_spawn_file_actions_destroy: { arguments: [buffer], return: i32 },
    posix_spawn_file_actions_addopen: { arguments: [buffer, i32, string, i32, 'u32'], return: i32 },
    posix_spawn_file_actions_adddup2: { arguments: [buffer, i32, i32], return: i32 },
    posix_spawn_file_actions_addchdir_np: { arguments: [buffer, string], return: i32 },
  });
  return { libc: functions, getRawPointer };
}

/** What the shim gets as 0 to 2 (none: /dev/null) and as 4; they stay open here. */
export interface Inherited {
  readonly descriptors: readonly (number | undefined)[];
  readonly held: number | undefined;
}

type Library = ReturnType<typeof open>;

/** Memory that does not move: larger than what V8 keeps on its heap. */
const memory = (): Buffer => Buffer.from(new ArrayBuffer(4_096));

class Libc {
  readonly #libc: Library['libc'];
  readonly #attributes = memory();
  readonly #actions = memory();
  readonly #small = memory();
  readonly #name = memory();
  readonly #arguments = memory();
  readonly #environment = memory();

  constructor({ libc, getRawPointer }: Library) {
    this.#libc = libc;
    this.#name.write('lotc-shim\0');
    this.#arguments.writeBigUInt64LE(getRawPointer(this.#name), 0);
    const set = memory();
    libc.posix_spawnattr_init(this.#attributes);
    libc.posix_spawnattr_setflags(this.#attributes, FLAGS);
    libc.posix_spawnattr_setsigmask(this.#attributes, set);
    libc.sigfillset(set);
    libc.posix_spawnattr_setsigdefault(this.#attributes, set);
  }

  /** Throws an error with the `errno` of what failed. */
  spawn(path: string, { descriptors, held }: Inherited): Socket {
    const libc = this.#libc;
    const pair = this.#small;
    if (libc.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair) !== 0) throw failure(EMFILE);
    const [ours, theirs] = [pair.readInt32LE(0), pair.readInt32LE(4)];
    const actions = this.#actions;
    libc.posix_spawn_file_actions_init(actions);
    for (const [fd, from] of descriptors.entries()) {
      if (from !== undefined) libc.posix_spawn_file_actions_adddup2(actions, from, fd);
      else libc.posix_spawn_file_actions_addopen(actions, fd, '/dev/null', O_RDWR, 0);
    }
    // Node itself has 3 and 4 open: neither is one of those that are handed over.
    if (held !== undefined) libc.posix_spawn_file_actions_adddup2(actions, held, HELD_FD);
    libc.posix_spawn_file_actions_adddup2(actions, theirs, CONTROL_FD);
    libc.posix_spawn_file_actions_addchdir_np(actions, '/');
    const rest = [this.#attributes, this.#arguments, this.#environment] as const;
    const errno = libc.posix_spawn(this.#small, path, actions, ...rest);
    libc.posix_spawn_file_actions_destroy(actions);
    libc.close(theirs);
    if (errno !== 0) {
      libc.close(ours);
      throw failure(errno);
    }
    return new Socket({ fd: ours, readable: true, writable: true });
  }
}

const failure = (errno: number): Error & { errno: number } =>
  Object.assign(new Error(`posix_spawn: ${errno}`), { errno });

/** One for the process: its children are. Null: there can be none. */
let libc: Libc | null | undefined;

function openLibc(): Libc | null {
  try {
    reapChildren();
    return new Libc(open());
  } catch {
    return null;
  }
}

/**
 * In a session of its own, without environment, with nothing open but what is handed over and its
 * end of the socket as descriptor 3. What failed is told later, never during the call.
 */
export function spawnShim(
  path: string,
  inherited: Inherited,
  failed: (errno: number) => void,
): Duplex {
  libc ??= openLibc();
  if (libc === null) return fork(path, inherited, failed);
  try {
    return libc.spawn(path, inherited);
  } catch (error) {
    const channel = new Socket();
    process.nextTick(() => {
      failed((error as { errno: number }).errno);
      channel.destroy();
    });
    return channel;
  }
}

function fork(
  path: string,
  { descriptors, held }: Inherited,
  failed: (errno: number) => void,
): Duplex {
  const [input, output, errors] = descriptors.map((fd) => fd ?? ('ignore' as const));
  const child = spawn(path, [], {
    argv0: 'lotc-shim',
    cwd: '/',
    env: {},
    detached: true,
    stdio: [input, output, errors, 'pipe', ...(held === undefined ? [] : [held])],
  });
  child.unref();
  const channel = child.stdio[CONTROL_FD] as Duplex;
  child.once('error', (error: NodeJS.ErrnoException) => {
    failed(Math.abs(error.errno ?? 0));
    channel.destroy();
  });
  return channel;
}
