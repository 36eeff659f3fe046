/**
 * Where things of a run lie in the agent's data directory. Pure: names only, nothing is touched.
 *
 *   DIR                    0711  or another user could not reach its own run directory
 *   DIR/private            0700  everything of the agent
 *   DIR/private/runs/RUN   0700  what the agent knows of the run; its creation is the claim
 *   DIR/private/s/RUN      the shim's control socket: its path has to be short
 *   DIR/private/trash      0700  run directories on their way out
 *   DIR/bin                0755  what a run finds in its PATH: `lotc-notify`
 *   DIR/runs               0711
 *   DIR/runs/RUN           0700  the run's own, owned by its user: `work` (cwd), `tmp` (TMPDIR),
 *                                `notify` (NOTIFY_SOCKET; both sockets: `.N` of restart N)
 *
 * The order, the exit record, the logs and the sockets lie on the agent's side: a program must not
 * be able to forge how it ended, or to put a link where root writes.
 */
import { createHash } from 'node:crypto';
import { limits } from '../base/limits.ts';

export interface RunPaths {
  /** The agent's record of the run; what the launch writes there names itself. */
  readonly record: string;
  /** What was ordered: command, environment, limits. */
  readonly order: string;
  /** Written by the shim, durably, when the main process has ended. */
  readonly exit: string;
  /** The directory of `stdout`, `stderr` and their `index`. */
  readonly logs: string;
  /** Result files of the run on their way to the server. */
  readonly results: string;
  /** The shim's control socket, at most 107 bytes. */
  readonly socket: string;
  /** Where the shim hears the run's signs of life, at most 107 bytes. */
  readonly notify: string;
  /** Owned by the run's user. */
  readonly directory: string;
  /** The process's working directory; the bundle's content stands at its root. */
  readonly work: string;
  readonly temporary: string;
}

export interface DataPaths {
  readonly private: string;
  readonly records: string;
  readonly sockets: string;
  readonly trash: string;
  readonly runs: string;
  readonly tools: string;
  /** 0711, where the notify sockets are when their usual place is too long for them. */
  readonly notify: string | undefined;
}

/** Directories that exist once for a data directory. `dir` has to be absolute. */
export function dataPaths(dir: string, shortBase = '/run'): DataPaths {
  const secret = join(dir, 'private');
  return {
    private: secret,
    records: join(secret, 'runs'),
    sockets: socketDirectory(dir, shortBase),
    trash: join(secret, 'trash'),
    runs: join(dir, 'runs'),
    tools: join(dir, 'bin'),
    notify: notifyDirectory(dir, shortBase),
  };
}

/**
 * `launch`: a restarted run has its sockets and its exit record anew, so that no word of the launch
 * before is taken for one of this, and a shim that ends late takes away no name but its own.
 * `shortBase`: where sockets go when `dir` is too long for them
 * (0700, made by `prepareRuns`).
 */
export function paths(dir: string, run: string, launch = 0, shortBase = '/run'): RunPaths {
  const nth = launch === 0 ? '' : `.${launch}`;
  const data = dataPaths(dir, shortBase);
  const record = join(data.records, run);
  const directory = join(data.runs, run);
  return {
    record,
    order: join(record, 'order'),
    exit: join(record, `exit${nth}`),
    logs: join(record, 'logs'),
    results: join(record, 'results.tar'),
    socket: join(data.sockets, `${run}${nth}`),
    notify:
      data.notify === undefined ? join(directory, NOTIFY + nth) : join(data.notify, run + nth),
    directory,
    work: join(directory, 'work'),
    temporary: join(directory, 'tmp'),
  };
}

/** A run id as a file name: nothing that means something in a path. */
export function isRunName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(name);
}

/** With the number of the launch. */
const LONGEST = 'x'.repeat(43);
const NOTIFY = 'notify';

function socketDirectory(dir: string, shortBase: string): string {
  const usual = join(dir, 'private', 's');
  return isShort(join(usual, LONGEST)) ? usual : join(shortBase, `lotc-${digestOf(dir)}`);
}

function notifyDirectory(dir: string, shortBase: string): string | undefined {
  const usual = join(dir, 'runs', LONGEST, NOTIFY);
  return isShort(usual) ? undefined : join(shortBase, `lotc-${digestOf(dir)}-n`);
}

function isShort(path: string): boolean {
  return Buffer.byteLength(path) <= limits.socketPathBytes;
}

function digestOf(dir: string): string {
  return createHash('sha256').update(dir).digest('hex').slice(0, 12);
}

function join(first: string, ...names: readonly string[]): string {
  return [first.replace(/\/+$/, ''), ...names].join('/');
}
