/**
 * The command line: clipanion over the commands of one role. The first word names the role, and
 * only that role's commands are loaded; where all of them are needed (help, completion, a wrong
 * first word) all are. A plain line is read without clipanion's parser (plain-line.ts), which is
 * then not even loaded. A command throws (`LotcError`, clipanion's `UsageError`) or answers with
 * its exit code; every error ends here, as one text on stderr, or as the error object of cli.md
 * where JSON was asked for, with the exit code that belongs to it. What the parser finds is a
 * usage error, 2 (clipanion itself would print it to stdout and end with 1).
 */

import { type BaseContext, Cli, type Command, type CommandClass } from 'clipanion';
import { build } from './base/build.ts';
import { findMistake, formsOf } from './base/mistake.ts';
import { plainLine } from './base/plain-line.ts';
import { describeError, wantsJson } from './fault.ts';
import { namedOutput } from './help.io.ts';
import { groupHelp, helpPath, named } from './help.ts';
import { ownContext } from './streams.io.ts';

export interface Role {
  readonly commands?: readonly CommandClass[] | undefined;
  /** Those a command line can mean: a parser for all of a role's costs more than most commands. */
  readonly commandsFor?:
    | ((words: readonly string[]) => Promise<readonly CommandClass[]>)
    | undefined;
}

const PROGRAM = 'lotc';

/** By the first word of a command line. */
export type Roles = Readonly<Record<string, () => Promise<Role>>>;

/** Clipanion asks only the environment; a pipe gets no colours whatever that says. */
function isColored(stream: object): boolean {
  return 'isTTY' in stream && stream.isTTY === true && Cli.defaultContext.colorDepth > 1;
}

async function commandsOf(roles: Roles, words: readonly string[]): Promise<CommandClass[]> {
  const wanted = roles[words[0] ?? ''];
  const all: CommandClass[] = [];
  for (const role of wanted === undefined ? Object.values(roles) : [wanted]) {
    const { commands = [], commandsFor } = await role();
    all.push(...((await commandsFor?.(words)) ?? commands));
  }
  return all;
}

function parser(commands: readonly CommandClass[]): Cli {
  const cli = new Cli({
    binaryLabel: 'Low Orbit Task Cannon',
    binaryName: PROGRAM,
    binaryVersion: build.version,
    enableColors: isColored(Cli.defaultContext.stdout),
  });
  for (const command of commands) cli.register(command);
  return cli;
}

/** Runs a command so that its error reaches us: clipanion would print it and answer 1. */
async function execute(cli: Cli, command: Command, stdout: BaseContext['stdout']): Promise<number> {
  const failures: unknown[] = [];
  const own = command.catch.bind(command);
  command.catch = async (error: unknown): Promise<void> => {
    await own(error).catch((again: unknown) => failures.push(again));
  };
  const exitCode = await cli.run(command, { ...ownContext, stdout });
  if (failures.length > 0) throw failures[0];
  return exitCode;
}

/** Runs one command line (without the program's name) and answers with its exit code. */
export async function runCli(words: readonly string[], roles: Roles): Promise<number> {
  const commands = await commandsOf(roles, words);
  let command = plainLine(commands, words, ownContext);
  let cli: Cli | undefined;
  try {
    if (command) return await command.validateAndExecute();
    cli = parser(commands);
    const { stderr, stdout } = ownContext;
    const path = helpPath(words);
    const help = path === undefined ? undefined : groupHelp(cli, path);
    if (help !== undefined) {
      stdout.write(help);
      return 0;
    }
    if (words.length === 0) {
      stderr.write(groupHelp(cli, []) ?? '');
      return 2;
    }
    command = cli.process([...words]);
    return await execute(cli, command, path === undefined ? stdout : namedOutput(stdout));
  } catch (error) {
    const { env, stderr } = ownContext;
    const { exitCode, text } = describeError(error, {
      json: wantsJson(words, env),
      mistake: () => {
        cli ??= parser(commands);
        return findMistake(formsOf(cli.definitions(), PROGRAM, commands), PROGRAM, words);
      },
      usage: (fault) => {
        cli ??= parser(commands);
        return named(cli.error(fault, { command: command ?? null, colored: isColored(stderr) }));
      },
    });
    stderr.write(text);
    return exitCode;
  }
}
