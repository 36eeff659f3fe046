/** Secrets reach the program and nothing else: no journal, log, list, command line or error. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, holding, until } from './fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = new Fleet();
  // The run's user has to get to its own directory.
  chmodSync(fleet.directory, 0o711);
  await fleet.server();
  await fleet.agent('n1');
  await fleet.online('n1');
});
afterAll(() => fleet[Symbol.asyncDispose]());

const variable = 'correct-horse-battery';
const file = 'staple-private-key';

test('a variable and a file, to the run alone; sealed everywhere else', async () => {
  writeFileSync(fleet.path('db.env'), `DB_PASSWORD=${variable}\n`);
  writeFileSync(fleet.path('key.pem'), file);
  const secret = ['--env-file', fleet.path('db.env'), '--secret', `key=${fleet.path('key.pem')}`];
  const program = 'stat -c "%a %U" $LOTC_SECRETS/key; sleep 1000';
  const create = ['task', 'create', 'db', '--user', 'nobody', ...secret];
  await fleet.must([...create, '--', 'sh', '-c', program]);
  // The same again is the same, though nobody but the server can compare.
  await fleet.must([...create, '--', 'sh', '-c', program]);
  await fleet.must(['start', 'db', '--wait']);
  await until(async () => (await fleet.must(['logs', 'db'])).includes('400 nobody'));
  const [row] = await fleet.json<{ pid: number; run: string }[]>(['ps', 'db']);
  const { pid = 0, run = '' } = row ?? {};
  expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toContain(`DB_PASSWORD=${variable}`);
  const place = fleet.path(`a-n1/runs/${run}/secrets`);
  expect(readFileSync(`${place}/key`, 'utf8')).toBe(file);

  for (const text of [variable, file, Buffer.from(file).toString('base64')]) {
    expect(holding(text, fleet.path('s'))).toEqual([]);
    const lists = [
      ...[
        ['task', 'show', 'db', '--json'],
        ['events', '--json'],
        ['events', '--audit', '--json'],
      ],
      ...[
        ['operation', 'ls', '--json'],
        ['task', 'history', 'db', '--json'],
      ],
    ];
    for (const words of lists) expect(await fleet.must(words)).not.toContain(text);
    for (const role of [...fleet.roles('server'), ...fleet.roles('agent')]) {
      expect(role.text()).not.toContain(text);
    }
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(text);
  }
  const shown = await fleet.json<{ secrets: Record<string, string> }>(['task', 'show', 'db']);
  expect(shown.secrets).toEqual({
    ...{ DB_PASSWORD: expect.stringMatching(/^=[0-9a-f]{16}$/) as unknown },
    key: expect.stringMatching(/^=[0-9a-f]{16}$/) as unknown,
  });

  // A change of something else leaves them; the end of the run takes them off the disk.
  await fleet.must(['task', 'set', 'db', '--env', 'MODE=fast']);
  expect(await fleet.json(['task', 'show', 'db'])).toMatchObject({ secrets: shown.secrets });
  await fleet.must(['stop', 'db', '--wait']);
  await until(() => !existsSync(place));
  expect(holding(file, fleet.path('a-n1/runs'))).toEqual([]);
});

test('a start after the server and the agent were killed has them still', async () => {
  await fleet.roles('server').at(-1)?.stop('SIGKILL');
  await fleet.roles('agent').at(-1)?.stop('SIGKILL');
  await fleet.server();
  await fleet.agent('n1');
  await fleet.online('n1');
  await fleet.must(['start', 'db', '--wait']);
  await until(async () => (await fleet.must(['logs', 'db'])).includes('400 nobody'));
  expect(await fleet.must(['kill', 'db', '--wait'])).toContain('db');
});
