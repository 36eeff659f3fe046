/**
 * The agent in the world: its directory locked, its runs taken up again, its core fed with what
 * happens, the core's actions carried out, the line to the server kept; in the end everything but
 * the processes closed in reverse order. No decision about a run is taken here.
 */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { build } from '../../base/build.ts';
import { runDaemon } from '../../base/daemon.io.ts';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import { announceReady, notify } from '../../base/ready.io.ts';
import { giveBackPages } from '../../base/spare-pages.io.ts';
import type { NamedTimeServer } from '../../net/time-server.ts';
import { lockDirectory } from '../../store/lock.io.ts';
import { reapChildren } from '../../supervisor/reap.io.ts';
import type { Claims } from '../../supervisor/room.ts';
import {
  type NodeIdentity,
  openInstance,
  readIdentity,
  readToken,
  type TokenSource,
} from './data.io.ts';
import { enrol } from './enrol.io.ts';
import { defaultName, needsToken } from './enrol.ts';
import { startNode } from './start.io.ts';
import { becomeSuccessor, successor } from './upgrade.io.ts';

const UPGRADE = 'upgrade';

export interface AgentOptions {
  readonly data: string;
  readonly servers: readonly string[];
  readonly ntp: readonly NamedTimeServer[];
  readonly token: TokenSource | undefined;
  readonly name: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly heartbeatMs: number | undefined;
  /** What the node's runs may ask for together, beside what the machine has. */
  readonly claims: Claims;
  readonly stopProcesses: boolean;
  readonly readyFile: string | undefined;
  readonly keylog: string | undefined;
  readonly rotateKeyMs: number;
  /** A file of public keys; without it bundles need no signature. */
  readonly requireSignature: string | undefined;
  /** Its data directory was copied, and this copy is the node from now on. */
  readonly acceptCopy: boolean;
  readonly plaintext: boolean;
}

/** Runs until it is told to stop; the exit code. */
export async function runAgent(options: AgentOptions): Promise<number> {
  let stopping: Stopping | undefined;
  let isUpgrade = false;
  const code = await runDaemon('agent', async (log) => {
    stopping = stopSignal(log, !options.stopProcesses);
    isUpgrade = await serve(options, log, stopping);
  });
  // Told to end while it made room for its successor, it ends.
  if (isUpgrade && stopping?.signal.aborted === false) becomeSuccessor();
  stopping?.release();
  return code;
}

/** Whether it ended to make room for its successor. */
async function serve(options: AgentOptions, log: Log, stopping: Stopping): Promise<boolean> {
  const data = resolve(options.data);
  await using stack = new AsyncDisposableStack();
  stack.use(lockDirectory(data, 'agent'));
  reapChildren();
  const instance = await openInstance(data, options.acceptCopy);
  const identity = await join(options, { data, instance, log, signal: stopping.signal });
  if (!identity) return false;
  const node = stack.use(await startNode({ ...options, data, instance, identity, log }));
  const { containment } = node;
  const facts = { node: identity.node, pid: process.pid, version: build.version, containment };
  await announceReady({ log, file: options.readyFile, facts });
  setTimeout(giveBackPages, limits.startedMs).unref();
  const why = await Promise.race([stopping.why, node.failed]);
  log('info', 'stopping', { why });
  await notify(why === UPGRADE ? reloading() : 'STOPPING=1', log);
  if (options.stopProcesses && why !== UPGRADE) await node.stopAll();
  await node.leave(why);
  return why === UPGRADE;
}

/** What systemd's `Type=notify-reload` waits for; READY=1 is the successor's. */
function reloading(): string {
  return `RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`;
}

/** The identity of this node: the one it has, or one of the server's making. */
async function join(
  options: AgentOptions,
  at: { data: string; instance: string; log: Log; signal: AbortSignal },
): Promise<NodeIdentity | undefined> {
  const { servers, token, labels, keylog, plaintext } = options;
  const known = await readIdentity(at.data);
  if (known) return known;
  const name = options.name ?? defaultName(hostname());
  if (plaintext) {
    throw new LotcError('usage', `${at.data}: this node has not joined a fleet yet`, {
      hint: 'join over TLS, with --token and without --plaintext; then --plaintext will do',
    });
  }
  if (token === undefined) throw needsToken(at.data);
  const secret = readToken(token);
  const identity = await enrol({ ...at, servers, token: secret, name, labels, keylog });
  if (identity) at.log('info', 'enrolled', { node: identity.node, fleet: identity.fleet });
  return identity;
}

interface Stopping {
  readonly why: Promise<string>;
  readonly signal: AbortSignal;
  release(): void;
}

/** Whatever its end waits for, all that matters is durable already: the next agent takes it up. */
function endAnyway(log: Log): void {
  log('warn', 'ended without having closed everything');
  process.exit(0);
}

/**
 * TERM and INT end the agent, also while it waits to join. HUP makes it become the executable that
 * lies at its path, once it serves; where that cannot be run it goes on as it is.
 */
function stopSignal(log: Log, isBounded: boolean): Stopping {
  const abort = new AbortController();
  const { promise, resolve: say } = Promise.withResolvers<string>();
  const stop = (signal: string): void => {
    abort.abort();
    say(signal);
    if (isBounded) setTimeout(endAnyway, limits.stopMs, log).unref();
  };
  let isAsked = false;
  const upgrade = async (): Promise<void> => {
    if (isAsked) return;
    isAsked = true;
    const version = await successor(log);
    isAsked = version !== undefined;
    if (version === undefined) return;
    log('info', 'upgrading', { from: build.version, to: version });
    say(UPGRADE);
  };
  const hangUp = (): void => void upgrade();
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', hangUp);
  return {
    why: promise,
    signal: abort.signal,
    release: () => void process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', hangUp),
  };
}
