/** The files of a CA's rotation, with the server killed at every step of it. */
import { spawnSync } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { removeTree } from '../fixtures/remove.ts';

interface Stands {
  readonly pin: string;
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly clients: string;
  readonly trusted: string;
}

const directories: string[] = [];
afterEach(() => {
  for (const path of directories.splice(0)) removeTree(path);
});

function fresh(): string {
  const path = mkdtempSync(join(tmpdir(), 'lotc-ca-'));
  directories.push(path);
  return path;
}

/** One life; killed at step `dieAt`, if there is one. */
function life(data: string, what: string, dieAt = 0): Stands | undefined {
  const here = import.meta.dirname;
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    ['--import', join(here, '../agent/die-at.ts'), join(here, 'rotate-ca.ts'), data, what],
    {
      encoding: 'utf8',
      env: { ...process.env, LOTC_DIE_AT: String(dieAt), LOTC_STEPS: join(data, 'steps') },
    },
  );
  if (signal === 'SIGKILL') return undefined;
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Stands;
}

/** The server's certificate holds under its CA and is of its key; the admin's file trusts it. */
function check(data: string, { authority, certificate, key, trusted }: Stands): void {
  const shown = new X509Certificate(certificate);
  expect(shown.verify(new X509Certificate(authority).publicKey)).toBe(true);
  const own = createPublicKey(key).export({ format: 'pem', type: 'spki' });
  expect(shown.publicKey.export({ format: 'pem', type: 'spki' })).toBe(own);
  const admin = JSON.parse(readFileSync(join(data, 'admin.json'), 'utf8')) as { authority: string };
  expect(admin.authority).toBe(trusted);
  expect(trusted).toContain(authority);
  expect(
    createPublicKey(readFileSync(join(data, 'ca.key'), 'utf8')).equals(
      new X509Certificate(authority).publicKey,
    ),
  ).toBe(true);
}

test('both are trusted in the overlap, then the new one; clients of the old one are known', () => {
  const data = fresh();
  const first = life(data, 'overlap') as Stands;
  check(data, first);
  const during = life(data, 'prepare') as Stands;
  check(data, during);
  expect(during.pin).toBe(first.pin);
  expect(during.trusted.startsWith(first.trusted)).toBe(true);
  expect(during.trusted.length).toBeGreaterThan(first.trusted.length);
  const after = life(data, 'finish') as Stands;
  check(data, after);
  expect(after.pin).not.toBe(first.pin);
  expect(after.trusted).toBe(during.trusted.slice(first.trusted.length));
  expect(after.clients).toBe(after.authority + first.authority);
  expect(existsSync(join(data, 'ca.next.key'))).toBe(false);
});

test('killed at any step, the next life is where the journal is', () => {
  let deaths = 0;
  const prepared = fresh();
  life(prepared, 'prepare');
  for (let at = 2; ; at += 1) {
    const data = fresh();
    cpSync(prepared, data, { recursive: true });
    if (life(data, 'finish', at) !== undefined) break;
    deaths += 1;
    const journal = JSON.parse(readFileSync(join(data, 'journal.json'), 'utf8')) as {
      pin: string;
      stage: string;
    };
    const next = life(data, 'overlap') as Stands;
    check(data, next);
    expect(next.pin).toBe(journal.pin);
    if (journal.stage === 'overlap') continue;
    expect(existsSync(join(data, 'ca.next.key'))).toBe(false);
  }
  expect(deaths).toBeGreaterThan(6);
});
