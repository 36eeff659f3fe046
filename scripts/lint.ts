/**
 * The linter, asked about what has changed. What it says of a file, with types, depends on the
 * file, on what that imports, directly or not, and on the tools and their settings; so a file that
 * was in order is in order while all of these are the same. build/check/lint has the keys of such
 * files. Where the settings, the lock or a file of declarations change, all files are asked about.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const kept = join(root, 'build/check/lint');
const settings = ['.oxlintrc.json', 'tsconfig.json', 'package-lock.json'];
const imported = /(?:from|import|import\()\s*'(\.{1,2}\/[^']+)'/gu;

const hash = (...texts: readonly string[]): string => {
  const sum = createHash('sha256');
  for (const text of texts) sum.update(`${text.length} ${text}`);
  return sum.digest('hex');
};

function listFiles(): readonly string[] {
  const others = ['node_modules', 'dist', 'build'];
  return globSync('**/*.{ts,mjs,cjs}', { cwd: root, exclude: others });
}

/** The key of each file: of its own text and of all that it reaches. */
export function keysOf(
  texts: ReadonlyMap<string, string>,
  common: string,
): ReadonlyMap<string, string> {
  const sums = new Map([...texts].map(([name, text]) => [name, hash(name, text)]));
  const next = new Map([...texts].map(([name, text]) => [name, importsOf(name, text)]));
  const keyOf = (name: string): string => {
    const reached = new Set([name]);
    for (const one of reached) for (const other of next.get(one) ?? []) reached.add(other);
    return hash(common, ...[...reached].toSorted().map((one) => sums.get(one) ?? 'missing'));
  };
  return new Map([...texts.keys()].map((name) => [name, keyOf(name)]));
}

function importsOf(name: string, text: string): readonly string[] {
  return [...text.matchAll(imported)].map(([, path = '']) => join(dirname(name), path));
}

function lint(): number {
  const texts = new Map(
    listFiles().map((name) => [name, readFileSync(join(root, name), 'utf8')] as const),
  );
  const declared = [...texts].filter(([name]) => name.endsWith('.d.ts')).flat();
  const common = hash(
    ...settings.map((name) => readFileSync(join(root, name), 'utf8')),
    ...declared,
  );
  const keys = keysOf(texts, common);
  const known = new Set(existsSync(kept) ? readFileSync(kept, 'utf8').split('\n') : []);
  const asked = [...keys].filter(([, key]) => !known.has(key)).map(([name]) => name);
  if (asked.length === 0) return 0;
  const files = asked.length === keys.size ? [] : asked;
  const words = ['--type-aware', '--deny-warnings', ...files];
  const { status } = spawnSync(join(root, 'node_modules/.bin/oxlint'), words, {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) return status ?? 1;
  mkdirSync(dirname(kept), { recursive: true });
  writeFileSync(kept, [...keys.values()].join('\n'));
  return 0;
}

if (import.meta.main) process.exitCode = lint();
