/**
 * What the executable is made of: the same sources give the same code wherever and whenever they
 * are built. (V8's code cache and the copy of Node it goes into are not compared: the one depends
 * on the processor, the other is pinned by its hash.)
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { removeTree } from '../fixtures/remove.ts';

const root = resolve(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'lotc-supply-'));
afterAll(() => removeTree(scratch));

const sha256 = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex');

/** The sources once more, in a directory of another name and depth. */
function copyOfSources(): string {
  const copy = join(scratch, 'somewhere/else');
  for (const part of ['src', 'scripts', 'package.json', 'package-lock.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  mkdirSync(join(copy, 'build'));
  cpSync(join(root, 'build/commit'), join(copy, 'build/commit'));
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

test('two builds in two directories: the same bundles and the same shim', () => {
  const outs = [root, copyOfSources()].map((directory, index) => {
    const out = join(scratch, `out${index}`);
    mkdirSync(out);
    const env = { ...process.env, TZ: index === 0 ? 'UTC' : 'Asia/Tokyo' };
    const options = { cwd: directory, env, stdio: 'pipe' } as const;
    execFileSync(process.execPath, [join(directory, 'scripts/bundle.ts'), out], options);
    execFileSync(join(directory, 'scripts/build-shim'), [join(out, 'shim')], options);
    return out;
  });
  for (const name of ['main.cjs', 'console.cjs', 'notify.cjs', 'shim']) {
    const [one, other] = outs.map((out) => sha256(join(out, name)));
    expect([name, other]).toEqual([name, one]);
    expect(readFileSync(join(outs[1] ?? '', name)).includes(scratch)).toBe(false);
  }
});

test('the papers beside the executable: its sum, and each package with the hash of the lock', () => {
  const sums = readFileSync(join(root, 'dist/SHA256SUMS'), 'utf8').trimEnd().split('\n');
  expect(sums.map((line) => line.split('  ')[1])).toEqual(['lotc', 'lotc.cdx.json']);
  for (const line of sums) {
    const [sum, name = ''] = line.split('  ');
    expect(sum).toBe(sha256(join(root, 'dist', name)));
  }
  const list = JSON.parse(readFileSync(join(root, 'dist/lotc.cdx.json'), 'utf8')) as {
    bomFormat: string;
    components: { name: string; version: string; hashes?: { content: string }[] }[];
  };
  expect(list.bomFormat).toBe('CycloneDX');
  const names = list.components.map(({ name }) => name);
  for (const name of ['cborg', 'clipanion', 'croner', 'pino', '@peculiar/x509']) {
    expect(names).toContain(name);
  }
  expect(names).toContain(`node-linux-${process.arch}`);
  expect(list.components.filter(({ hashes }) => hashes?.[0]?.content.length !== 128)).toEqual([]);
});
