/**
 * The edge to the shim: writes it out, starts one for a run, talks to one that is there.
 *
 * A handle is a channel, not the run: to close it, or to die with it open, changes nothing for the
 * process. The shim is started (spawn.io.ts) in a session of its own, with nothing but a socket as
 * descriptor 3. What the lines mean is in shim.ts and at the head of shim.c.
 */

import { createHash } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { asset } from '../base/asset.io.ts';
import {
  EventLines,
  type ExitRecord,
  encodeCommand,
  encodeLaunch,
  type Launch,
  parseExitRecord,
  type ShimCommand,
  type ShimEvent,
} from './shim.ts';
import { spawnShim } from './spawn.io.ts';

export interface ShimHandle {
  /** Dropped without a word when the channel is closed: `detached` has said so or will. */
  send(command: ShimCommand): void;
  /** No event comes after this; the run goes on. */
  close(): void;
}

export type ShimListener = (event: ShimEvent) => void;

const SHIM_MODE = 0o755;

/** Writes the shim into `directory` under its digest, once; the answer is its path. */
export async function installShim(directory: string): Promise<string> {
  const bytes = asset('shim');
  const digest = createHash('sha256').update(bytes).digest('hex');
  const path = join(directory, `shim-${digest}`);
  const there = await stat(path).catch(() => undefined);
  if (there?.size === bytes.length && (there.mode & 0o777) === SHIM_MODE) return path;
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'w', SHIM_MODE);
    try {
      await handle.chmod(SHIM_MODE);
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
  return path;
}

/**
 * Starts a shim for one run. Throws only for a launch that cannot be said; a shim that cannot be
 * started is a `failed` event of step `shim`. The last event is `detached`, once.
 */
export function launchShim(path: string, launch: Launch, on: ShimListener): ShimHandle {
  const bytes = encodeLaunch(launch);
  const channel = spawnShim(path, (errno) => on({ kind: 'failed', step: 'shim', errno }));
  channel.write(bytes);
  return listen(channel, on);
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
    resolve(listen(channel, on));
  });
  channel.once('error', refused);
  return promise;

  function refused(error: NodeJS.ErrnoException): void {
    if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
    else reject(error);
  }
}

/** Undefined when there is none (yet), or what is there is none. */
export async function readExitRecord(path: string): Promise<ExitRecord | undefined> {
  try {
    return parseExitRecord(await readFile(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
}

function listen(channel: Duplex, on: ShimListener): ShimHandle {
  const lines = new EventLines();
  let open = true;
  channel.setEncoding('latin1');
  channel.on('data', (text: string) => {
    for (const event of lines.receive(text)) if (open) on(event);
  });
  // What went wrong with a channel matters to nobody: it is closed, and `close` says so.
  channel.on('error', () => {});
  channel.once('close', () => {
    if (open) on({ kind: 'detached' });
    open = false;
  });
  return {
    send(command) {
      if (channel.writable) channel.write(encodeCommand(command));
    },
    close() {
      open = false;
      channel.destroy();
    },
  };
}
