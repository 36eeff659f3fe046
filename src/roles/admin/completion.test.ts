import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Cli } from 'clipanion';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allCommands } from './commands/index.ts';
import { run } from './fake.io.ts';

async function script(shell: string): Promise<string> {
  const stdout = new PassThrough();
  const context = { stdin: new PassThrough(), stdout, stderr: stdout, env: {}, colorDepth: 1 };
  const cli = Cli.from([...(await allCommands())], { binaryName: 'lotc' });
  expect(await cli.run(cli.process(['completion', shell], context), context)).toBe(0);
  return String(stdout.read());
}

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-completion-'));
  const lotc = '#!/bin/sh\n[ "$*" = "admin node ls -o name" ] && echo n1 && echo n2\ntrue\n';
  writeFileSync(join(directory, 'lotc'), lotc, { mode: 0o755 });
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** What bash offers for a line, the last word being completed. */
async function bash(...words: string[]): Promise<readonly string[]> {
  const quoted = ['lotc', ...words].map((word) => `'${word}'`).join(' ');
  const text = `${await script('bash')}
COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; compopt() { :; }
_lotc; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...process.env, PATH: `${directory}:${process.env['PATH']}` };
  const found = execFileSync('bash', ['-c', text], { encoding: 'utf8', env });
  return found.split('\n').filter((word) => word !== '');
}

test('bash offers the words of each level', async () => {
  expect(await bash('ad')).toEqual(['admin']);
  expect(await bash('admin', 'task', 're')).toEqual(['restart', 'resume']);
  expect(await bash('admin', '--json', 'op')).toEqual(['operation']);
});

test('bash offers options, values and names', async () => {
  expect(await bash('admin', 'start', 'web', '--wa')).toEqual(['--wait']);
  expect(await bash('admin', 'ps', '-o', 'n')).toEqual(['name']);
  expect(await bash('admin', 'ps', '--on', '')).toEqual(['n1', 'n2']);
  expect(await bash('admin', 'node', 'show', 'n2')).toEqual(['n2']);
  expect(await bash('admin', 'run', '--on', 'n1', '--', '--wa')).toEqual([]);
});

test.each(['zsh', 'fish'])('%s: a script that its shell reads', async (shell) => {
  const text = await script(shell);
  for (const word of ['suspend', 'bundle', '--replace', 'node ls -o name']) {
    expect(text).toContain(shell === 'zsh' ? word.replace(' -o name', '') : word);
  }
  const checked = spawnSync(shell, ['-n', '/dev/stdin'], { input: text, encoding: 'utf8' });
  if (checked.error === undefined) expect(checked.stderr).toBe('');
});

test('another shell is refused', async () => {
  await expect(script('csh')).rejects.toThrow(/expected 1 to be/);
  expect((await run(['completion'], {})).exitCode).toBe(2);
});
