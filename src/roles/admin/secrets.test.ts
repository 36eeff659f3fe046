import { expect, test } from 'vitest';
import { run } from './fake.io.ts';
import { parseEnvFile, readSecrets } from './secrets.ts';

test('a file of variables: comments, quotes, and no line of it in an error', () => {
  const text = '# c\n\nA=1\nexport B="two words"\nC=\'x=y\'\n D = z\nE=\n';
  expect(parseEnvFile(text, 'f')).toEqual({
    ...{ A: 'v:1', B: 'v:two words', C: 'v:x=y', D: 'v: z', E: 'v:' },
  });
  expect(() => parseEnvFile('A=1\nhunter2\n', 'f')).toThrow('line 2 is not NAME=VALUE');
  expect(() => parseEnvFile('1A=hunter2', 'f')).not.toThrow('hunter2');
});

test('what is given goes over what stood there; a minus takes out', async () => {
  const old = { command: ['x'], secretEnv: { A: '=1' }, secretFiles: { k: '=2', l: '=3' } };
  const read = (path: string): Promise<Uint8Array> => Promise.resolve(Buffer.from(path));
  const words = { envFiles: ['B=b'], secrets: ['k-', 'm=bytes'] };
  expect(await readSecrets(words, old, read)).toEqual({
    secretEnv: { A: '=1', B: 'v:b' },
    secretFiles: { l: '=3', m: `v:${Buffer.from('bytes').toString('base64')}` },
  });
  await expect(readSecrets({ envFiles: [], secrets: ['../x=f'] }, old, read)).rejects.toThrow(
    'NAME=FILE',
  );
});

test('task create sends them, and shows marks', async () => {
  const { ask, exitCode } = await run(
    ['task', 'create', 'web', '--secret', 'key=f', '--', './web'],
    { taskAdd: { ok: { revision: 1 } } },
  );
  expect(exitCode).toBe(0);
  expect(ask.last('taskAdd')).toMatchObject({ spec: { secretFiles: { key: 'v:' } } });
});
