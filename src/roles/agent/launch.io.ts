/**
 * From an order to what a shim is told: the claim, the run's directories, its code, its user and
 * environment, its control group. Everything that can be refused is refused here, with a reason
 * a person can act on; nothing has run then.
 */
import { isAbsolute, join } from 'node:path';
import { type ErrorCode, LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { materialize } from '../../store/materialize.io.ts';
import { buildEnvironment } from '../../supervisor/environment.ts';
import type { Launch } from '../../supervisor/launch.ts';
import { limitsOf } from '../../supervisor/limit.ts';
import { dataPaths, type RunPaths } from '../../supervisor/paths.ts';
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

export async function prepareLaunch(options: LaunchOptions): Promise<Launch> {
  try {
    return await prepare(options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException & { code?: string };
    if (error instanceof LotcError) throw new LaunchError(error.code, error.message);
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    const known: ErrorCode = full ? 'disk-full' : 'exec-failed';
    throw new LaunchError(known, `cannot prepare the run: ${full ? 'no space left' : message}`);
  }
}

async function prepare({
  directory,
  run,
  order,
  launch,
  node,
  bundle,
  trees,
}: LaunchOptions): Promise<Launch> {
  const { spec, env = {}, digest } = order;
  const [program, ...rest] = [...(spec?.command ?? []), ...(order.arguments ?? [])];
  if (!spec || program === undefined) throw new LotcError('exec-failed', 'there is no command');
  const user = resolveUser(spec.user);
  const paths =
    launch > 0
      ? await clearLaunch(directory, run, launch)
      : await claim({
          ...{ directory, run, bundle, files: secretsOf(spec).files },
          owner: spec.user === undefined ? undefined : user,
        });
  const { variables: secretVariables, files } = secretsOf(spec);
  const own = {
    ...(digest === undefined ? {} : { LOTC_DIGEST: digest }),
    ...(launch === 0 ? {} : { LOTC_RESTARTS: String(launch) }),
    ...(files.length === 0 ? {} : { LOTC_SECRETS: secretDirectory(paths) }),
  };
  const stdin = order.stdin || order.tty ? join(paths.record, 'stdin') : undefined;
  if (stdin !== undefined && launch === 0) await makeFifo(stdin);
  // A run that begins again begins to count again what the kernel kills for want of memory.
  if (launch > 0 && spec.memoryMaxBytes !== undefined) await trees.removeRunGroup(run);
  const group = await trees.createRunGroup(run);
  const held = trees.limit(run, limitsOf(spec), user.uid);
  const variables = [spec.env ?? {}, secretVariables, env];
  const temporary = paths.temporary;
  const environment = buildEnvironment({
    ...{ node, run, task: order.task ?? null, bundle: order.bundle ?? spec.bundle },
    ...{ user, temporary, variables, own: { ...own, NOTIFY_SOCKET: paths.notify } },
    tools: dataPaths(directory).tools,
  });
  writeOrder(paths.order, order, launch);
  return {
    socket: paths.socket,
    record: paths.exit,
    notify: paths.notify,
    logMaxBytes: spec.logMaxBytes ?? limits.logMaxBytes,
    argv: [program, ...rest],
    env: environment,
    cwd: directoryOf(spec.cwd, paths),
    user: spec.user === undefined ? undefined : idsOf(user),
    umask: UMASK,
    stdout: join(paths.logs, 'stdout'),
    stderr: join(paths.logs, 'stderr'),
    stdin,
    tty: order.tty ? { rows: order.rows ?? 24, columns: order.columns ?? 80 } : undefined,
    cgroups: [...(group === undefined ? [] : [group]), ...(held?.cgroups ?? [])],
    rlimits: held?.rlimits,
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
  const { claimed, paths } = await claimRun(directory, run);
  if (!claimed) throw new LotcError('exists', `run ${run} was begun before`);
  if (bundle !== undefined) await materialize(bundle, paths.work);
  // Before the directory is its user's: nothing of ours is ever written into that.
  writeSecrets(paths, files);
  if (owner !== undefined) await giveRun(paths, owner);
  return paths;
}

function directoryOf(cwd: string | undefined, { work }: RunPaths): string {
  if (cwd === undefined) return work;
  return isAbsolute(cwd) ? cwd : join(work, cwd);
}

function idsOf({ uid, gid, groups }: RunUser): NonNullable<Launch['user']> {
  return { uid, gid, groups };
}
