/**
 * The server in the world: its directory locked, its journal replayed, its doors opened, and in
 * the end everything closed in reverse order. No decision is taken here; the core takes them.
 */
import { randomBytes } from 'node:crypto';
import { build } from '../../base/build.ts';
import { runDaemon } from '../../base/daemon.io.ts';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import { announceReady, notify } from '../../base/ready.io.ts';
import type { ChainEnd } from '../../net/audit.ts';
import { type Listener, listen } from '../../net/listen.io.ts';
import { readSigners } from '../../net/signers.io.ts';
import { Tally } from '../../net/tally.ts';
import type { NamedTimeServer } from '../../net/time-server.ts';
import { openClock, type SystemClock } from '../../scheduler/clock.io.ts';
import { type BlobStore, openBlobs } from '../../store/blobs.io.ts';
import type { ServerJournal } from '../../store/journal.ts';
import { lockDirectory } from '../../store/lock.io.ts';
import { openJournal } from '../../store/open-journal.io.ts';
import { parseKeepAudit } from './audit-retention.ts';
import { Authorities } from './authorities.io.ts';
import { SERVER } from './controller.ts';
import { ServerCore } from './core.ts';
import { type Credentials, openCredentials, openVault, serverFiles } from './data.io.ts';
import { Doors } from './door.io.ts';
import type { HookRule } from './hook-rule.ts';
import { checkPrograms, openHooks } from './hooks.io.ts';
import { neededDigests } from './model/bundles.ts';
import { loadEntries } from './model/snapshot.ts';
import type { State } from './model/state.ts';
import { makePorts } from './ports.io.ts';
import { keepPruning } from './prune.io.ts';
import { Replay } from './replay.io.ts';
import { parseRetention } from './retention.ts';
import type { Vault } from './secrets.ts';
import { SnapshotSaver } from './snapshot-saver.io.ts';
import { openSyslog } from './syslog.io.ts';
import type { SyslogTarget } from './syslog.ts';
import { Transfers } from './transfers.io.ts';

/** A push that was broken off may be gone on with for so long. */
const STALE_UPLOAD_MS = 24 * 3_600_000;
/** A lease that is over is seen within this. */
const LEASES_EVERY_MS = 100;

export interface ServerOptions {
  readonly data: string;
  readonly listen: readonly string[];
  readonly ntp: readonly NamedTimeServer[];
  readonly readyFile?: string | undefined;
  readonly keylog?: string | undefined;
  readonly keepFires?: string | undefined;
  readonly keepAudit?: string | undefined;
  readonly requireSignature?: string | undefined;
  readonly syslog?: SyslogTarget | undefined;
  readonly hooks: readonly HookRule[];
  readonly hookGiveUpMs?: number | undefined;
  readonly plaintext: boolean;
}

/** Runs until it is told to stop; the exit code. */
export function runServer(options: ServerOptions): Promise<number> {
  return runDaemon('server', (log) => serve(options, log));
}

async function serve(options: ServerOptions, log: Log): Promise<void> {
  const stopped = stopSignal();
  const retention = parseRetention(options.keepFires);
  const keepAuditMs = parseKeepAudit(options.keepAudit);
  const signers = readSigners(options.requireSignature);
  checkPrograms(options.hooks);
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  await using stack = new AsyncDisposableStack();
  stack.use(lockDirectory(options.data, 'server'));
  const credentials = await openCredentials(options.data, randomBytes(8).toString('hex'));
  const files = serverFiles(options.data);
  const journal = stack.use(
    await openJournal({
      path: files.journal,
      server: 'main',
      onWarning: (text) => log('warn', text),
      onState: (state, cause) => {
        log(state === 'open' ? 'info' : 'error', `the journal is ${state}`, {
          cause: cause?.message,
        });
        if (state === 'closed' && cause) fail(cause);
      },
    }),
  );
  const blobs = stack.use(openBlobs(files.blobs));
  const clock = await openClock({ servers: options.ntp, log });
  stack.defer(() => clock.close());
  const vault = await openVault(options.data);
  const authorities = new Authorities(options.data, credentials);
  const authority = (): string => authorities.trusted;
  const tally = new Tally();
  const parts = { journal, blobs, credentials, log, clock, vault, signers, authority, tally };
  const running = await start(parts);
  const { core, transfers } = running;
  await authorities.settle(core.state.ca);
  const doors = new Doors({ core, transfers, authorities, log, tally, now: () => clock.now() });
  const listener = await listen({
    listen: options.listen,
    credentials: authorities.listen,
    plaintext: options.plaintext,
    keylog: options.keylog,
    log,
    tally,
    onSocket: (socket) => doors.open(socket),
  });
  stack.defer(() => listener.close());
  // A listener has closed when its last connection has: also where it is a fault that ends us.
  stack.defer(() => doors.close('the server stops'));
  await keepAuthorities(authorities, { core, listener, fail });
  const timer = setInterval(() => core.tick(), 1_000);
  stack.defer(() => clearInterval(timer));
  const leases = setInterval(() => core.leases.tick(), LEASES_EVERY_MS);
  stack.defer(() => clearInterval(leases));
  const pruning = { retention, keepAuditMs, nowUs: () => core.state.at, log };
  stack.defer(keepPruning(journal, { ...pruning, anchor: (end) => anchorAudit(core, end) }));
  if (options.syslog) stack.defer(await openSyslog(options.syslog, { core, log }));
  const { hooks: rules, hookGiveUpMs: giveUpMs = limits.hookGiveUpMs } = options;
  stack.defer(openHooks({ directory: files.hooks, rules, giveUpMs, core, journal, log }));
  const facts = { listen: listener.addresses, pid: process.pid, version: build.version };
  await announceReady({ log, file: options.readyFile, facts });
  const why = await Promise.race([stopped, running.ended, failed]).catch(endAnyway);
  log('info', 'stopping', { why });
  await notify('STOPPING=1', log);
  core.agents.leave();
  doors.close('the server stops');
  await listener.close();
  await running.snapshot();
}

/** A fault ends the server, whatever its end waits for: what was answered is durable already. */
function endAnyway(fault: unknown): never {
  const end = (): never => {
    throw fault;
  };
  setTimeout(end, limits.stopMs).unref();
  return end();
}

/** The CA's files, and what the port shows, follow the journal from here on. */
async function keepAuthorities(
  authorities: Authorities,
  to: { core: ServerCore; listener: Listener; fail: (error: Error) => void },
): Promise<void> {
  const { core, listener, fail } = to;
  const renew = async (): Promise<void> => {
    await authorities.settle(core.state.ca);
    await authorities.publish(listener.addresses);
    listener.renew(authorities.listen);
  };
  await renew();
  core.controller.onChange(({ command }) => {
    if (command.kind === 'depAuthority') renew().catch(fail);
  });
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => resolve(signal));
  });
}

interface Parts {
  readonly journal: ServerJournal;
  readonly blobs: BlobStore;
  readonly credentials: Credentials;
  readonly log: Log;
  readonly clock: SystemClock;
  readonly vault: Vault;
  readonly signers: ReadonlySet<string> | undefined;
  readonly authority: () => string;
  readonly tally: Tally;
}

interface Running {
  readonly core: ServerCore;
  readonly transfers: Transfers;
  /** Rejects when the journal ends under us. */
  readonly ended: Promise<string>;
  snapshot(): Promise<void>;
}

/** Replays the journal into a core, and keeps it following. */
async function start(parts: Parts): Promise<Running> {
  const { journal, blobs, credentials, log } = parts;
  const restored = await restore(journal, log);
  const sweep = (): Promise<void> =>
    sweepBlobs(blobs, neededDigests(core.state).union(transfers.fresh));
  const ports = makePorts({ ...parts, sweep });
  const facts = { journal: Buffer.from(journal.id).toString('hex'), epoch: journal.writer.epoch };
  const core = new ServerCore(ports, {
    build: build.version,
    facts,
    state: restored,
  });
  const transfers = new Transfers(blobs, core);
  const saver = new SnapshotSaver(journal, core, log);
  const progress = new Replay(journal.head.seq, core.state.seq, log);
  const follow = async (): Promise<string> => {
    for await (const entries of journal.follow(core.state.seq)) {
      core.controller.entries(entries);
      progress.passed(core.state.seq);
      await saver.passed(entries);
    }
    return 'the journal was closed';
  };
  const ended = follow();
  ended.catch(() => undefined);
  await Promise.race([progress.done, ended]);
  await found(core, credentials, journal);
  return { core, transfers, ended, snapshot: () => saver.save() };
}

async function restore(journal: ServerJournal, log: Log): Promise<State | undefined> {
  const snapshot = await journal.loadSnapshot();
  if (!snapshot) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of snapshot.body) chunks.push(chunk);
  const state = loadEntries(Buffer.concat(chunks));
  if (!state) log('warn', 'the snapshot is of another version; replaying the whole journal');
  return state;
}

/** Removes content that no bundle and no live run needs; what is just arriving stays. */
async function sweepBlobs(blobs: BlobStore, needed: ReadonlySet<string>): Promise<void> {
  await blobs.removeStale(Date.now() - STALE_UPLOAD_MS);
  for (const { digest } of await blobs.list()) {
    if (!needed.has(`sha256:${digest}`)) await blobs.remove(digest);
  }
}

/** The first record of a journal names the fleet and its first admin; later ones must agree. */
async function found(
  core: ServerCore,
  credentials: Credentials,
  journal: ServerJournal,
): Promise<void> {
  const { fleet, adminSpki } = credentials;
  if (core.state.fleet === '' && journal.head.seq === 0) {
    const body = { fleet, spki: adminSpki, identity: 'admin' };
    await new Promise<void>((resolve, reject) => {
      core.controller.submit('found', body, SERVER, (reply) => {
        if (reply.ok) resolve();
        else reject(new LotcError(reply.code, reply.text, { hint: reply.hint }));
      });
    });
  }
  if (core.state.fleet !== fleet) {
    throw new LotcError(
      'damaged',
      `the journal is of fleet ${core.state.fleet}, the keys are of ${fleet}`,
      {
        hint: 'put back the whole data directory from one backup',
      },
    );
  }
}

function anchorAudit(core: ServerCore, end: ChainEnd): Promise<void> {
  return new Promise((resolve, reject) => {
    core.controller.submit('auditAnchor', end, SERVER, (reply) => {
      if (reply.ok) resolve();
      else reject(new LotcError(reply.code, reply.text));
    });
  });
}
