/**
 * The agent in the world: its directory locked, its runs taken up again, its core fed with what
 * happens, the core's actions carried out, the line to the server kept; in the end everything but
 * the processes closed in reverse order. No decision about a run is taken here.
 */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { build } from '../../base/build.ts';
import { runDaemon } from '../../base/daemon.io.ts';
import type { Log } from '../../base/log.io.ts';
import { announceReady, notify } from '../../base/ready.io.ts';
import type { NamedTimeServer } from '../../net/time-server.ts';
import { lockDirectory } from '../../store/lock.io.ts';
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

export interface AgentOptions {
  readonly data: string;
  readonly servers: readonly string[];
  readonly ntp: readonly NamedTimeServer[];
  readonly token: TokenSource | undefined;
  readonly name: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly heartbeatMs: number | undefined;
  readonly stopProcesses: boolean;
  readonly readyFile: string | undefined;
  readonly keylog: string | undefined;
  readonly plaintext: boolean;
}

/** Runs until it is told to stop; the exit code. */
export function runAgent(options: AgentOptions): Promise<number> {
  return runDaemon('agent', (log) => serve(options, log));
}

async function serve(options: AgentOptions, log: Log): Promise<void> {
  const data = resolve(options.data);
  const stopping = stopSignal();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => stopping.release());
  stack.use(lockDirectory(data, 'agent'));
  const instance = await openInstance(data);
  const identity = await join(options, { data, instance, log, signal: stopping.signal });
  if (!identity) return;
  const node = stack.use(await startNode({ ...options, data, instance, identity, log }));
  const { containment } = node;
  const facts = { node: identity.node, pid: process.pid, version: build.version, containment };
  await announceReady({ log, file: options.readyFile, facts });
  const why = await Promise.race([stopping.why, node.failed]);
  log('info', 'stopping', { why });
  await notify('STOPPING=1', log);
  if (options.stopProcesses) await node.stopAll();
  await node.leave(why);
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
    return { node: name, uid: '', fleet: '', authority: '', certificate: '', key: '' };
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

/** SIGHUP is no reason to end: a terminal that closes takes no agent with it. */
function stopSignal(): Stopping {
  const abort = new AbortController();
  const { promise, resolve: say } = Promise.withResolvers<string>();
  const stop = (signal: string): void => {
    abort.abort();
    say(signal);
  };
  const ignore = (): void => undefined;
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', ignore);
  return {
    why: promise,
    signal: abort.signal,
    release: () => void process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', ignore),
  };
}
