/**
 * The environment of a run: made from nothing, never the agent's own.
 *
 * The agent's variables may carry secrets and switches (NODE_OPTIONS, LD_PRELOAD) that are not
 * meant for what it starts. So a program gets a few that every program expects, those that say
 * which run it is, and those its task names, in this order; the last word on `LOTC_*` is ours,
 * because a run is found again by them.
 */
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { RunUser } from './user.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface EnvironmentOptions {
  readonly node: string;
  /** Null for an ad-hoc run, which belongs to no task. */
  readonly task: string | null;
  readonly run: string;
  readonly bundle?: string | undefined;
  readonly user: RunUser;
  /** The run's directory for temporary files. */
  readonly temporary: string;
  /** The task's variables, then those of this start; a later one replaces an earlier. */
  readonly variables: readonly Readonly<Record<string, string>>[];
  /** More of ours, `LOTC_*` and `NOTIFY_SOCKET`. */
  readonly own?: Readonly<Record<string, string>> | undefined;
  /** A directory that comes last in PATH, whoever set that. */
  readonly tools?: string | undefined;
}

/** `NAME=value` strings, sorted by name, as execve(2) takes them. */
export function buildEnvironment(options: EnvironmentOptions): string[] {
  const { user } = options;
  const merged = new Map<string, string>();
  const add = (variables: Readonly<Record<string, string>>): void => {
    for (const [name, value] of Object.entries(variables)) merged.set(name, value);
  };
  add({
    PATH,
    LANG: 'C.UTF-8',
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: user.shell,
    TMPDIR: options.temporary,
  });
  for (const variables of options.variables) add(variables);
  for (const name of merged.keys()) if (name.startsWith('LOTC_')) merged.delete(name);
  add({ LOTC_NODE: options.node, LOTC_RUN: options.run });
  if (options.task !== null) add({ LOTC_TASK: options.task });
  if (options.bundle !== undefined) add({ LOTC_BUNDLE: options.bundle });
  add(options.own ?? {});
  if (options.tools !== undefined) add({ PATH: `${merged.get('PATH') ?? PATH}:${options.tools}` });
  return [...merged].map(([name, value]) => checked(name, value)).toSorted();
}

/** Why `name=value` cannot be in an environment; undefined when it can. */
export function variableFault(name: string, value: string): string | undefined {
  if (!/^[^=\0]+$/.test(name)) return `"${name}" is no name of a variable`;
  if (value.includes('\0')) return `the value of ${name} has a NUL in it`;
  if (Buffer.byteLength(name) + 1 + Buffer.byteLength(value) >= limits.argumentBytes) {
    return `${name} is longer than the ${limits.argumentBytes - 1} bytes Linux takes`;
  }
  return undefined;
}

function checked(name: string, value: string): string {
  const fault = variableFault(name, value);
  if (fault !== undefined) throw new LotcError('exec-failed', fault);
  return `${name}=${value}`;
}
