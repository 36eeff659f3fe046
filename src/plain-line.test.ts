import { PassThrough } from 'node:stream';
import { type BaseContext, Cli, type Command, type CommandClass } from 'clipanion';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plainLine } from './base/plain-line.ts';
import { commandsFor, table } from './roles/admin/commands/index.ts';

const stream = new PassThrough();
const context: BaseContext = {
  ...{ stdin: stream, stdout: stream, stderr: stream, colorDepth: 1 },
  env: { LOTC_OUTPUT: 'wide' },
};

/** What the options of a command have become. */
function fieldsOf(command: Command | undefined): Record<string, unknown> | undefined {
  if (!command) return undefined;
  const { context: _context, path, ...fields } = command as Command & Record<string, unknown>;
  return { ...fields, path };
}

function parsed(commands: readonly CommandClass[], words: readonly string[]): Command | undefined {
  try {
    return Cli.from([...commands]).process([...words], context);
  } catch {
    return undefined;
  }
}

const paths = table.flatMap(([path]) => path).filter((path) => path.startsWith('admin '));
const word = fc.oneof(
  fc.constantFrom('web', '-', '--', '', 'a=b', '--json', '-o', 'json', '-o=json', '--output=wide'),
  fc.constantFrom('--on', 'zone=a', '--on=@all', '--wait', '--no-wait', '--wait=1', '--name', '-n'),
  fc.constantFrom('--env', 'K=V', '--env=K=V', '--timeout', '5s', '-h', '--help', '-a', '-af'),
  fc.constantFrom(
    '--nope',
    '--role',
    'agent',
    '--force',
    '--server',
    '[::1]:7',
    '-x=',
    '-5',
    '--=',
  ),
  fc.string({ maxLength: 4 }),
);

test.each(paths)('%s: what a plain line says is what clipanion reads', async (path) => {
  const line = path.split(' ');
  const commands = await commandsFor(line);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), (rest) => {
      const words = [...line, ...rest];
      const plain = plainLine(commands, words, context);
      expect(fieldsOf(plain)).toEqual(plain && fieldsOf(parsed(commands, words)));
    }),
    { numRuns: 300 },
  );
});

test.each([
  ['admin ps'],
  ['admin ps -a --state running,exited --on zone=a web cron'],
  ['admin start web --wait --env A=1 --env=B=2 -o json'],
  ['admin task show web'],
  ['admin logs web -n 5 --follow'],
  ['admin token create --role agent --uses 3'],
])('%s is plain', async (line) => {
  const words = line.split(' ');
  expect(plainLine(await commandsFor(words), words, context)).toBeDefined();
});

test.each([
  ['admin'],
  ['admin ps --help'],
  ['admin ps -ah'],
  ['admin ps --nope'],
  ['admin ps --on'],
  ['admin ps --on --all'],
  ['admin ps --no-all'],
  ['admin start web -- --depth 5'],
  ['admin task show'],
  ['admin task show web cron'],
  ['admin token create'],
])('%s is left to clipanion', async (line) => {
  const words = line.split(' ');
  expect(plainLine(await commandsFor(words), words, context)).toBeUndefined();
});
