/**
 * Makes dist/lotc: the sources become two CJS files, one of all of it and one of the console
 * alone, which go into a copy of the pinned Node binary as a single executable application.
 * Downloads nothing.
 *
 * Node is stripped before anything is injected (stripping afterwards corrupts it: the injected
 * note moves) and the finished file is renamed into place, so that dist/lotc is always whole,
 * also while it runs. Version, commit and nothing about this machine are compiled in: the same
 * commit gives the same bundle.
 */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import seaModule from '@yao-pkg/pkg/lib-es5/sea.js';
import { bundle, commit, version } from './bundle.ts';
import { makeCodeCaches, nodeFlags, startSource } from './code-cache.ts';
import { writePapers } from './papers.ts';

const root = resolve(import.meta.dirname, '..');
const executableBytesMax = 130 * 1024 * 1024;

function stripNode(directory: string): string {
  const bare = join(directory, 'node');
  const source = join(root, `node_modules/node-linux-${process.arch}/bin/node`);
  execFileSync('strip', ['-o', bare, source]);
  return bare;
}

/** The Wireshark module with this build's version, for the executable and for build/. */
function makeDissector(): string {
  const text = readFileSync(join(root, 'dissector.lua'), 'utf8');
  const own = text.replace(/^local BUILD = "[^"]*"$/mu, `local BUILD = "${version} (${commit})"`);
  if (own === text) throw new Error('dissector.lua has no place for its version');
  const made = join(root, 'build/dissector.lua');
  writeFileSync(made, own);
  return made;
}

async function compile(directory: string): Promise<string> {
  const output = join(directory, 'lotc');
  const arch = process.arch;
  const node = stripNode(directory);
  const start = join(directory, 'start.cjs');
  writeFileSync(start, startSource(`lotc ${version} (${commit}`));
  const inside = (name: string): string => join(directory, name);
  const [console, main] = [inside('console.cjs'), inside('main.cjs')];
  const shim = join(root, 'build/shim');
  const caches = await makeCodeCaches(node, { console, main, shim }, directory);
  const seaConfig = {
    // The blob records this path as it is written; pkg works in a directory of its own below
    // TMPDIR, so that this one is the same wherever LOTC is built.
    main: join('..', basename(start)),
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    useSnapshot: false,
    // Node looks for its own --env-file in the whole line; behind -- it looks for nothing.
    execArgv: [...nodeFlags, '--'],
    execArgvExtension: 'none',
    assets: {
      ...{ 'main.cjs': main, 'main.cache': caches.main },
      ...{ 'console.cjs': console, 'console.cache': caches.console },
      'notify.cjs': inside('notify.cjs'),
      'dissector.lua': makeDissector(),
      shim,
    },
  };
  process.env['TMPDIR'] = directory;
  await seaModule.default(start, {
    targets: [{ platform: 'linux', arch, nodeRange: 'node26', output }],
    nodePath: node,
    seaConfig,
  });
  chmodSync(output, 0o755);
  return output;
}

const startedAt = performance.now();
mkdirSync(join(root, 'build'), { recursive: true });
mkdirSync(join(root, 'dist'), { recursive: true });
const work = mkdtempSync(join(root, 'build/making-'));
try {
  await bundle(work);
  const executable = await compile(work);
  const bytes = statSync(executable).size;
  if (bytes > executableBytesMax) throw new Error(`dist/lotc would have ${bytes} bytes`);
  copyFileSync(join(work, 'main.cjs'), join(work, 'kept.cjs'));
  renameSync(join(work, 'kept.cjs'), join(root, 'build/main.cjs'));
  renameSync(executable, join(root, 'dist/lotc'));
  writePapers(version, commit);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`dist/lotc: ${(bytes / 1024 / 1024).toFixed(1)} MiB, made in ${seconds} s`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
