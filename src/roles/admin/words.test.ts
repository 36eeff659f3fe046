import { Cli, Command, Option } from 'clipanion';
import { expect, test } from 'vitest';
import { readWords } from './words.ts';

class Start extends Command {
  static override paths = [['start'], ['task', 'start']];
  on = Option.String('--on');
  words = readWords();
  override execute = async () => Promise.resolve(0);
}
class Create extends Command {
  static override paths = [['create']];
  on = Option.String('--on');
  name = Option.String({ name: 'NAME' });
  words = readWords();
  override execute = async () => Promise.resolve(0);
}
const cli = Cli.from([Start, Create]);
const start = (...words: string[]) => cli.process(['start', ...words]) as Start;
const create = (...words: string[]) => cli.process(['create', ...words]) as Create;

test('words before and after -- are kept apart', () => {
  expect(start('a', 'b').words).toEqual({ words: ['a', 'b'], tail: undefined });
  expect(start('a', '--', 'x').words).toEqual({ words: ['a'], tail: ['x'] });
  expect(start('--', 'x').words).toEqual({ words: [], tail: ['x'] });
  expect(start('a', '--').words).toEqual({ words: ['a'], tail: [] });
  expect((cli.process(['task', 'start', 'a', '--', 'x']) as Start).words.tail).toEqual(['x']);
});

test('nothing after -- is an option', () => {
  const command = start('a', '--on', 'n1', '--', '--on', '-x', '--', '--help', '--on=n2');
  expect(command.on).toBe('n1');
  expect(command.words.tail).toEqual(['--on', '-x', '--', '--help', '--on=n2']);
});

test('a required word before --', () => {
  expect(create('web', '--', 'ls', '-l').name).toBe('web');
  expect(create('web', '--on', 'n1', '--', 'ls', '-l').words).toEqual({
    words: [],
    tail: ['ls', '-l'],
  });
  expect(create('web', 'ls').words).toEqual({ words: ['ls'], tail: undefined });
  expect(create('--', 'ls').name).toBeUndefined();
  expect(() => create()).toThrow(/Not enough/);
  expect(() => start('--nope')).toThrow(/--nope/);
  expect(() => start('a', '--on')).toThrow(/--on/);
});
