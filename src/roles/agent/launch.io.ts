/**
 * From an order to what a shim is told: the claim, the run's directories, its code, its user and
 * environment, its control group. Everything that can be refused is refused here, with a reason
 * a person can act on; nothing has run then.
 */
import { isAbsolute, join } from 'node:path';
import { type ErrorCode, LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { step } from '../../base/step.io.ts';
import { materialize } from '../../store/materialize.io.ts';
import { buildEnvironment } from '../../supervisor/environment.ts';
import type { Launch } from '../../supervisor/launch.ts';
import { limitsOf } from '../../supervisor/limit.ts';
import { dataPaths, paths, type RunPaths } from '../../supervisor/paths.ts';
import { claimRun, clearLaunch, giveRun } from '../../supervisor/run-directory.io.ts';
import type { RunTrees } from '../../supervisor/tree.io.ts';
import { resolveUser } from '../../supervisor/user.io.ts';
import type { RunUser } from '../../supervisor/user.ts';
import type { Item } from './events.ts';
import { makeFifo } from './fifo.io.ts';
import { writeOrder } from './order-file.io.ts';
import { type SecretFile, secretDirectory, secretsOf, writeSecrets } from './secrets.io.ts';

export class LaunchError extends LotcError {}

export interface LaunchOptions {
  readonly directory: string;
  readonly run: string;
  readonly order: Item;
  /** 0 for the first launch of the run; then its restarts. */
  readonly launch: number;
  readonly node: string;
  /** The directory of the run's code. */
  readonly bundle: string | undefined;
  readonly trees: RunTrees;
}

/** Files of a program are its user's alone unless it says otherwise. */
const UMASK = 0o077;
/** A protected agent must not make what it starts unkillable for the kernel. */
const OOM_SCORE_ADJ = 0;

/** Before a run's first launch: its directories, made once, with its code in them. */
export async function claimLaunch({ directory, run, order, bundle }: LaunchOptions): Promise<void> {
  step('launch: begun');
  try {
    const { spec } = order;
    const user = resolveUser(spec?.user);
    const owner = spec?.user === undefined ? undefined : user;
    const files = spec === undefined ? [] : secretsOf(spec).files;
    const { record } = await claim({ directory, run, bundle, files, owner });
    if (order.stdin || order.tty) await makeFifo(join(record, 'stdin'));
    step('launch: claimed');
  } catch (error) {
    throw refusal(error);
  }
}

/**
 * What the shim of the next launch is told. Nothing here waits: of a process that begins again all
 * of it lies between its end and its successor.
 */
export function planLaunch(options: LaunchOptions): Launch {
  try {
    return plan(options);
  } catch (error) {
    throw refusal(error);
  }
}

function refusal(error: unknown): LaunchError {
  const { code, message } = error as NodeJS.ErrnoException & { code?: string };
  if (error instanceof LotcError) return new LaunchError(error.code, error.message);
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  const known: ErrorCode = full ? 'disk-full' : 'exec-failed';
  return new LaunchError(known, `cannot prepare the run: ${full ? 'no space left' : message}`);
}

function plan(options: LaunchOptions): Launch {
  const { directory, run, order, launch, trees } = options;
  const { spec } = order;
  const [program, ...rest] = [...(spec?.command ?? []), ...(order.arguments ?? [])];
  if (!spec || program === undefined) throw new LotcError('exec-failed', 'there is no command');
  const user = resolveUser(spec.user);
  const places = launch > 0 ? clearLaunch(directory, run, launch) : paths(directory, run);
  step('launch: cleared');
  const stdin = order.stdin || order.tty ? join(places.record, 'stdin') : undefined;
  const group = trees.createRunGroup(run);
  const held = trees.limit(run, limitsOf(spec), user.uid);
  step('launch: grouped');
  writeOrder(places.order, order, launch);
  step('launch: ordered');
  return {
    ...surroundings(options, places, user),
    socket: places.socket,
    record: places.exit,
    notify: places.notify,
    logMaxBytes: spec.logMaxBytes ?? limits.logMaxBytes,
    argv: [program, ...rest],
    stdout: join(places.logs, 'stdout'),
    stderr: join(places.logs, 'stderr'),
    stdin,
    tty: order.tty ? { rows: order.rows ?? 24, columns: order.columns ?? 80 } : undefined,
    cgroups: [...(group === undefined ? [] : [group]), ...(held?.cgroups ?? [])],
    rlimits: held?.rlimits,
  };
}

export interface CheckOptions extends Omit<LaunchOptions, 'bundle' | 'trees'> {
  /** A command of sh(1). */
  readonly command: string;
  readonly leaseAtUs: number;
}

/** A command that looks after a run: with its user, environment and directory, beside it. */
export function prepareCheck(options: CheckOptions): Launch {
  const { directory, run, launch, order, command, leaseAtUs } = options;
  const places = paths(directory, run, launch);
  return {
    ...surroundings(options, places, resolveUser(order.spec?.user)),
    socket: `${places.socket}.check`,
    record: `${places.exit}.check`,
    stdout: join(places.record, 'check'),
    stderr: join(places.record, 'check'),
    argv: ['/bin/sh', '-c', command],
    leaseAtUs,
  };
}

type Surroundings = Pick<Launch, 'env' | 'cwd' | 'user' | 'umask' | 'oomScoreAdj'>;

function surroundings(
  { directory, run, order, launch, node }: Omit<LaunchOptions, 'bundle' | 'trees'>,
  places: RunPaths,
  user: RunUser,
): Surroundings {
  const { spec, env = {}, digest } = order;
  const { watchdogMs } = spec ?? {};
  const secrets = spec && secretsOf(spec);
  const own = {
    NOTIFY_SOCKET: places.notify,
    ...(digest === undefined ? {} : { LOTC_DIGEST: digest }),
    ...(launch === 0 ? {} : { LOTC_RESTARTS: String(launch) }),
    ...(order.term === undefined ? {} : { LOTC_TERM: String(order.term) }),
    ...(secrets?.files.length ? { LOTC_SECRETS: secretDirectory(places) } : {}),
    // What sd_watchdog_enabled(3) asks for; a WATCHDOG_PID would be nobody's yet.
    ...(watchdogMs === undefined ? {} : { WATCHDOG_USEC: String(watchdogMs * 1000) }),
  };
  const bundle = order.bundle ?? spec?.bundle;
  const { temporary } = places;
  return {
    env: buildEnvironment({
      ...{ node, run, task: order.task ?? null, bundle, user, temporary, own },
      variables: [spec?.env ?? {}, secrets?.variables ?? {}, env],
      tools: dataPaths(directory).tools,
    }),
    cwd: directoryOf(spec?.cwd, places),
    user: spec?.user === undefined ? undefined : idsOf(user),
    umask: UMASK,
    oomScoreAdj: process.geteuid?.() === 0 ? OOM_SCORE_ADJ : undefined,
  };
}

interface Claim {
  readonly directory: string;
  readonly run: string;
  readonly bundle: string | undefined;
  readonly files: readonly SecretFile[];
  readonly owner: RunUser | undefined;
}

/** A run's directories, made once: its restarts find them as the launches before left them. */
async function claim({ directory, run, bundle, files, owner }: Claim): Promise<RunPaths> {
  const { claimed, paths: places } = await claimRun(directory, run);
  if (!claimed) throw new LotcError('exists', `run ${run} was begun before`);
  if (bundle !== undefined) await materialize(bundle, places.work);
  // Before the directory is its user's: nothing of ours is ever written into that.
  writeSecrets(places, files);
  if (owner !== undefined) await giveRun(places, owner);
  return places;
}

function directoryOf(cwd: string | undefined, { work }: RunPaths): string {
  if (cwd === undefined) return work;
  return isAbsolute(cwd) ? cwd : join(work, cwd);
}

function idsOf({ uid, gid, groups }: RunUser): NonNullable<Launch['user']> {
  return { uid, gid, groups };
}
