import { Cli, Command, type CommandClass, UsageError } from 'clipanion';
import { expect, test } from 'vitest';
import { groupHelp, helpPath, named } from './help.ts';

function commandAt(path: string, description: string, example: string): CommandClass {
  return class extends Command {
    static override paths = [path.split(' ')];
    static override usage = Command.Usage({ description, examples: [['An example', example]] });
    execute(): Promise<number> {
      return Promise.reject(new UsageError('never run here'));
    }
  };
}

const cli = new Cli({ binaryName: 'lotc' });
cli.register(commandAt('server', 'Run the server.', 'lotc server --data /srv/lotc'));
cli.register(commandAt('server check', 'Check a data directory.', 'lotc server check --data d'));
cli.register(commandAt('admin task create', 'Create a task.', 'lotc admin task create web'));
cli.register(commandAt('admin ps', 'List processes.', 'lotc admin ps --state running'));

test.each([
  [['--help'], []],
  [
    ['admin', 'task', '-h'],
    ['admin', 'task'],
  ],
  [['admin', 'run', '--', 'prog', '--help'], undefined],
  [['admin', 'ps'], undefined],
])('%j asks for the help of %j', (words, path) => {
  expect(helpPath(words)).toEqual(path);
});

test('a level shows what is below it, with examples', () => {
  const help = groupHelp(cli, ['admin']) ?? '';
  expect(help).toMatch(/^Usage: lotc admin <command>\n/u);
  expect(help).toMatch(/^ {2}lotc admin ps +List processes\.$/mu);
  expect(help).toMatch(/^ {2}lotc admin task create web$/mu);
  expect(help).not.toContain('lotc server');
});

test('a command with others below it shows both', () => {
  const help = groupHelp(cli, ['server']) ?? '';
  expect(help).toMatch(/^ {2}lotc server check +Check a data directory\.$/mu);
  expect(help).toMatch(/^ {2}lotc server --data \/srv\/lotc$/mu);
});

test('a single command, and what does not exist, is no level', () => {
  expect(groupHelp(cli, ['admin', 'ps'])).toBeUndefined();
  expect(groupHelp(cli, ['admin', 'nothing'])).toBeUndefined();
});

test('what follows an option stands in one column, with a value or without', () => {
  const text =
    '  --data #0       the directory\n  --plaintext     no TLS\n  -a,--all        all of it\n';
  const columns = named(text)
    .trimEnd()
    .split('\n')
    .map((line) => line.search(/(the directory|no TLS|all of it)$/u));
  expect(columns).toEqual([21, 21, 21]);
  expect(named(text)).toContain('--data VALUE');
});
