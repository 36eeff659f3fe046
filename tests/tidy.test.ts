/**
 * The shape of the sources, judged from their text: who may import whom, where side effects may
 * live, how long things are. (Function length, import cycles and globals with side effects are
 * oxlint's, .oxlintrc.json.) Each check says which file broke which rule.
 */

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const linesMax = 300;
const shimLinesMax = 600;
const columnsMax = 100;
/** A message to people stays whole, so that it can be searched for. */
const messageColumnsMax = 140;

const middle = ['net', 'scheduler', 'supervisor', 'store'];

/** From a part of src/ to the parts it may import; a part may always import itself. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  ...Object.fromEntries(middle.map((part) => [part, ['base']])),
  'roles/server': ['base', ...middle],
  'roles/agent': ['base', ...middle],
  'roles/admin': ['base', ...middle],
  // main.ts and its neighbours: the program around the roles, and the table of threads.
  program: ['base', ...middle, 'roles/server', 'roles/agent', 'roles/admin'],
};

/** Node's modules without a side effect, which a pure file may use. */
const pureModules = new Set(['node:buffer', 'node:crypto', 'node:zlib', 'node:util']);

/** Where pure and impure meet, besides the *.io.ts files themselves. */
const edges =
  /^src\/(?:main|console|cli|threads)\.ts$|^src\/roles\/[a-z]+\/(?:command|commands\/.*)\.ts$/u;

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

const importPattern = new RegExp(
  [
    /^(?:import|export)\s+(?<type>type\s)?[^'";]*?from '(?<from>[^']+)'/u,
    /\bimport\('(?<lazy>[^']+)'\)/u,
    /^import '(?<bare>[^']+)'/u,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gmu',
);

function importsOf(text: string): readonly Import[] {
  return [...text.matchAll(importPattern)].map(({ groups = {} }) => ({
    from: groups['from'] ?? groups['lazy'] ?? groups['bare'] ?? '',
    typeOnly: groups['type'] !== undefined,
  }));
}

function read(pattern: string): readonly Source[] {
  return globSync(pattern, { cwd: root })
    .toSorted()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      return { path, text, imports: importsOf(text) };
    });
}

function partOf(path: string): string {
  const [, first = '', second = '', third] = path.split('/');
  if (first === 'roles') return third === undefined ? 'program' : `roles/${second}`;
  return second === '' ? 'program' : first;
}

const sources = read('src/**/*.ts').filter(({ path }) => !path.endsWith('.test.ts'));
const texts = [
  ...read('{src,tests,scripts,bench}/**/*.{ts,c,h}'),
  ...read('scripts/*').filter(({ path }) => !path.includes('.', path.indexOf('/'))),
];

test('there is something to judge', () => {
  expect(sources.length).toBeGreaterThan(10);
  expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(10);
});

test('parts import only what lies below them, and no role another role', () => {
  const breaches = sources.flatMap(({ path, imports }) =>
    imports
      .filter(({ from }) => from.startsWith('.'))
      .map(({ from }) => ({ from, to: partOf(join(dirname(path), from)) }))
      .filter(({ to }) => to !== partOf(path) && !mayImport[partOf(path)]?.includes(to))
      .map(({ from }) => `${path} imports ${from}`),
  );
  expect(breaches).toEqual([]);
});

test("only *.io.ts files touch Node's modules with side effects", () => {
  const breaches = sources
    .filter(({ path }) => !path.endsWith('.io.ts') && path !== 'src/main.ts')
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ from, typeOnly }) => from.startsWith('node:') && !typeOnly)
        .filter(({ from }) => !pureModules.has(from))
        .map(({ from }) => `${path} imports ${from}`),
    );
  expect(breaches).toEqual([]);
});

test('a pure file imports no *.io.ts file', () => {
  const breaches = sources
    .filter(({ path }) => !path.endsWith('.io.ts') && !edges.test(path))
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ from, typeOnly }) => from.endsWith('.io.ts') && !typeOnly)
        .map(({ from }) => `${path} imports ${from}`),
    );
  expect(breaches).toEqual([]);
});

test('each source file says at its head what it is for', () => {
  expect(sources.filter(({ text }) => !text.startsWith('/**')).map(({ path }) => path)).toEqual([]);
});

test('files are short', () => {
  const breaches = [...sources, ...read('scripts/*.ts'), ...read('src/**/*.c')]
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ path, lines }) => lines > (path.endsWith('.c') ? shimLinesMax : linesMax))
    .map(({ path, lines }) => `${path} has ${lines} lines`);
  expect(breaches).toEqual([]);
});

const longest = (line: string): number => (/['"`]/u.test(line) ? messageColumnsMax : columnsMax);

test('lines are short, and nothing is left for later', () => {
  const later = new RegExp(
    `\\b${['TO', 'FIX'].map((word, n) => word + ['DO', 'ME'][n]).join('|')}\\b`,
    'u',
  );
  const breaches = texts.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      const place = `${path}:${index + 1}`;
      return [
        ...(line.length > longest(line) ? [`${place} has ${line.length} columns`] : []),
        ...(later.test(line) ? [`${place} leaves something for later`] : []),
      ];
    }),
  );
  expect(breaches).toEqual([]);
});
