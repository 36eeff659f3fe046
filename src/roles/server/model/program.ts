/**
 * What Linux will not start is refused when it is asked for, not when it is due: strings that are
 * too long for execve(2) (MAX_ARG_STRLEN), and NUL bytes, which end a string there.
 */
import { limits } from '../../../base/limits.ts';
import { Refusal } from './change.ts';

interface Program {
  readonly command?: readonly string[] | undefined;
  readonly arguments?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export function checkProgram(program: Program): void {
  const { command, arguments: more = [], env = {} } = program;
  if (command?.[0] === '') throw new Refusal('usage', 'the command is an empty string');
  for (const [index, word] of [...(command ?? []), ...more].entries()) {
    check(word, index === 0 && command ? 'the command' : 'an argument');
  }
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('=')) {
      throw new Refusal('usage', `"${name}" is no name of an environment variable`);
    }
    check(`${name}=${value}`, `environment variable ${name}`);
  }
}

function check(text: string, what: string): void {
  const most = limits.argumentBytes - 1;
  if (text.includes('\0')) throw new Refusal('usage', `${what} has a NUL byte in it`);
  const bytes = Buffer.byteLength(text);
  if (bytes > most) {
    const hint = 'put it into a file of the bundle';
    throw new Refusal('usage', `${what} has ${bytes} bytes; Linux takes at most ${most}`, hint);
  }
}
