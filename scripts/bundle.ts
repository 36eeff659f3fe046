/**
 * The sources as CJS files: all of it, the console alone, and the sender of signs of life. What
 * comes out is a function of the sources, the lock file and the commit: not of the machine, the
 * directory or the day. `node scripts/bundle.ts OUT` makes them into a directory.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Options, build as tsup } from 'tsup';

const root = resolve(import.meta.dirname, '..');

export const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
};
export const commit = readFileSync(join(root, 'build/commit'), 'utf8').trim();

/** The index of clipanion loads its whole parser, and most of the console needs only its forms. */
const lazyClipanion: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'lazy-clipanion',
  setup(build) {
    const path = join(root, 'scripts/clipanion.cjs');
    build.onResolve({ filter: /^clipanion$/ }, () => ({ path }));
  },
};

export async function bundle(directory: string): Promise<void> {
  await tsup({
    config: false,
    entry: {
      main: join(root, 'src/main.ts'),
      console: join(root, 'src/console.ts'),
      notify: join(root, 'src/notify.io.ts'),
    },
    esbuildPlugins: [lazyClipanion],
    outDir: directory,
    format: 'cjs',
    platform: 'node',
    target: 'node26',
    noExternal: [/.*/u],
    // Without the prefix node:sqlite, node:sea and node:ffi are not found in the executable.
    removeNodeProtocol: false,
    minify: true,
    // Error names and class names are read by people, in logs and stacks.
    esbuildOptions: (options) => {
      options.keepNames = true;
      options.legalComments = 'none';
    },
    outExtension: () => ({ js: '.cjs' }),
    define: {
      LOTC_VERSION: JSON.stringify(version),
      LOTC_COMMIT: JSON.stringify(commit),
      'import.meta.dirname': '"/"',
    },
    silent: true,
  });
}

if (import.meta.main) await bundle(resolve(process.argv[2] ?? 'build/bundle'));
