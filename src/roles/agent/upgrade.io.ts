/**
 * The agent becomes the executable that now lies at its path: the same process (pid, parent,
 * standard error), another image. Its processes belong to their shims and notice nothing.
 *
 * What lies there is asked for its version first: a file that is missing, half copied or of
 * another machine leaves the agent as it is.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Log } from '../../base/log.io.ts';

const ANSWERS_MS = 20_000;

/** The program, what makes it LOTC, and the words of the command line. */
function image(): { readonly path: string; readonly before: string[]; readonly words: string[] } {
  const { isSea } = process.getBuiltinModule('node:sea');
  const [script = '', ...words] = process.argv.slice(1);
  const before = isSea() ? [] : [...process.execArgv, script];
  return { path: process.execPath, before, words };
}

/** Its version; undefined, and said why, where it cannot be become. */
export async function successor(log: Log): Promise<string | undefined> {
  const { path, before } = image();
  const options = { encoding: 'utf8', timeout: ANSWERS_MS } as const;
  try {
    const { stdout } = await promisify(execFile)(path, [...before, '--version'], options);
    const version = stdout.trim();
    if (/^lotc \d+\.\d+\.\d+ /.test(version)) return version;
    log('error', 'no upgrade: what lies at the path of the executable is not lotc', { path });
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0];
    log('error', 'no upgrade: the executable cannot be run', { path, reason });
  }
  return undefined;
}

/** Does not return. Everything this agent held is closed by then. */
export function becomeSuccessor(): never {
  const { path, before, words } = image();
  process.execve?.(path, [path, ...before, ...words], process.env);
  throw new Error('execve returned');
}
