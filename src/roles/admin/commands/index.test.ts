import { expect, test } from 'vitest';
import { allCommands, commandsFor, table } from './index.ts';

test.each(table.map(([paths, load]) => ({ paths, load })))(
  '$paths are the paths of their command',
  async ({ load, paths }) => {
    const command = await load();
    expect((command.paths ?? []).map((path) => path.join(' '))).toEqual(paths);
    expect(command.usage?.description).toBeDefined();
    expect(command.usage?.examples?.length).toBeGreaterThan(0);
  },
);

test('a command line has its own command, by the path that was written', async () => {
  const [start, ...none] = await commandsFor(['admin', 'start', 'web', '--wait']);
  expect([start?.paths, none]).toEqual([[['admin', 'start']], []]);
  const [ls] = await commandsFor(['admin', 'task', 'ls']);
  expect(ls?.paths).toEqual([['admin', 'task', 'ls']]);
});

test('help of a command knows all its paths', async () => {
  const [start] = await commandsFor(['admin', 'start', '--help']);
  expect(start?.paths).toHaveLength(2);
});

test.each([[['admin']], [['admin', 'task']], [['admin', '--json', 'ps']], [['admin', 'starts']]])(
  '%j may mean any command',
  async (words) => {
    expect(await commandsFor(words)).toEqual(await allCommands());
  },
);
