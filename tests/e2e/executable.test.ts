/**
 * dist/lotc needs nothing beside it: copied alone into an empty directory it runs with an empty
 * environment, says who it is, and prints no warning.
 */

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeTree } from '../fixtures/remove.ts';

const built = resolve(import.meta.dirname, '../../dist/lotc');
const bytesMax = 130 * 1024 * 1024;
let directory = '';

function lotc(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(join(directory, 'lotc'), words, { cwd: directory, env: {}, encoding: 'utf8' });
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-executable-'));
  copyFileSync(built, join(directory, 'lotc'));
});

afterAll(() => {
  removeTree(directory);
});

test('is at most 130 MiB', () => {
  expect(statSync(built).size).toBeLessThanOrEqual(bytesMax);
});

test('says version, commit and Node version, and nothing else', () => {
  const { status, stdout, stderr } = lotc('--version');
  expect(stderr).toBe('');
  expect(stdout).toMatch(
    /^lotc \d+\.\d+\.\d+ \((?:[0-9a-f]{7,}(?:-dirty)?|unknown), node v26\.\d+\.\d+\)\n$/u,
  );
  expect(status).toBe(0);
});

test('helps on stdout, without a warning', () => {
  const { status, stdout, stderr } = lotc('--help');
  expect(stderr).toBe('');
  for (const role of ['lotc server', 'lotc agent', 'lotc admin']) expect(stdout).toContain(role);
  expect(status).toBe(0);
});

test('answers a usage error with 2, on stderr', () => {
  const { status, stdout, stderr } = lotc('cannon');
  expect(stdout).toBe('');
  expect(stderr).toContain('cannon');
  expect(status).toBe(2);
});

test.each([
  [['server'], 'option "--data" is missing', 'LOTC_DATA; see: lotc server --help'],
  [['agent'], 'option "--data" is missing', 'LOTC_DATA; see: lotc agent --help'],
  [['agent', '--data', 'd'], 'option "--server" is missing', 'LOTC_SERVER; see: lotc agent --help'],
  [['server', 'check'], 'option "--data" is missing', 'LOTC_DATA; see: lotc server check --help'],
  [
    ['server', 'restore', '--data', 'd'],
    '"--accept-loss" is missing',
    'lotc server restore --help',
  ],
  [['agent', '--data', 'd', '--server', 'x', '--heartbeat', '1ms'], 'between 100ms and 1h', ''],
])('%j: what is missing, with its remedy, and no list of all options', (words, what, remedy) => {
  const { status, stdout, stderr } = lotc(...words);
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^lotc: .*\n( {6}.*\n)?$/u);
  expect(stderr).toContain(what);
  expect(stderr).toContain(remedy);
});

test('answers a usage error as an object where JSON is asked for', () => {
  const { status, stderr } = lotc('admin', 'cannon', '--json');
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'usage' } });
  expect(status).toBe(2);
});

test('--env-file is the console’s own, not Node’s, which would take it for itself', () => {
  const line = ['task', 'create', 't', '--env-file', '/none', '--json', '--', 'true'];
  const { status, stderr } = lotc('admin', ...line);
  expect([status, JSON.parse(stderr)]).toMatchObject([2, { error: { code: 'usage' } }]);
});

test('output that a full disk cut off is no success', () => {
  const line = 'exec ./lotc admin schema >/dev/full';
  const { status, stderr } = spawnSync('sh', ['-c', line], { cwd: directory, encoding: 'utf8' });
  expect([status, stderr]).toEqual([1, expect.stringContaining('cannot write the output: ENOSPC')]);
});

test('leaves nothing beside itself', () => {
  expect(readdirSync(directory)).toEqual(['lotc']);
});
