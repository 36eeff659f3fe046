/**
 * What an error looks like to the person or the script that runs `lotc`, and the exit code it
 * has (cli.md, "Exit codes"). Three kinds: an operator's mistake in the command line (2), an
 * answer with a code of its own, and a bug of ours, which keeps its stack.
 */

import { LotcError } from './base/errors.ts';
import type { Mistake } from './base/mistake.ts';

export interface FaultOptions {
  readonly json: boolean;
  /** What does not fit in a line that the parser could make nothing of. */
  mistake(): Mistake | undefined;
  /** How the parser puts its own errors into words, with the usage line. */
  usage(error: Error): string;
}

export interface Fault {
  readonly exitCode: number;
  readonly text: string;
}

const outputFlag = /^(?:-o=?|--output=)(.*)$/u;

/** Whether this command line asks for JSON; words after `--` belong to another program. */
export function wantsJson(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const end = words.indexOf('--');
  const own = end === -1 ? words : words.slice(0, end);
  let output = env['LOTC_OUTPUT'];
  for (const [index, word] of own.entries()) {
    if (word === '--json') return true;
    const value = outputFlag.exec(word)?.[1];
    if (value !== undefined && value !== '') output = value;
    else if (word === '-o' || word === '--output') output = own[index + 1];
  }
  return output === 'json';
}

function isParserError(error: unknown): error is Error {
  return error instanceof Error && 'clipanion' in error;
}

function toJson(error: { code: string; message: string; node?: string; hint?: string }): string {
  return `${JSON.stringify({ error })}\n`;
}

function parserText(error: Error, options: FaultOptions): string {
  const found = error.name === 'UnknownSyntaxError' ? options.mistake() : undefined;
  if (options.json) return toJson({ code: 'usage', message: error.message.trim(), ...found });
  return found ? `lotc: ${found.message}\n      ${found.hint}\n` : options.usage(error);
}

/** The text for stderr and the exit code of an error that ended a command. */
export function describeError(error: unknown, options: FaultOptions): Fault {
  if (isParserError(error)) return { exitCode: 2, text: parserText(error, options) };
  if (error instanceof LotcError) {
    const { code, message, node, hint } = error;
    const text = options.json
      ? toJson({
          code,
          message,
          ...(node === undefined ? {} : { node }),
          ...(hint === undefined ? {} : { hint }),
        })
      : `lotc: ${message}\n${hint === undefined ? '' : `      ${hint}\n`}`;
    return { exitCode: error.exitCode, text };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const text = options.json ? toJson({ code: 'internal', message }) : `lotc: ${message}\n`;
  return { exitCode: 1, text };
}
