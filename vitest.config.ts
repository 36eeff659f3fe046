/**
 * One project a ring of tests (scripts/run-tests.ts runs them in order): `tidy` judges the
 * sources' shape and what is generated from them, `unit` sits beside the files, `sim` and `wire`
 * need nothing but CPU (and tshark), `system` is whatever needs the executable, root, processes
 * or seconds; its files run one at a time.
 */

import { defineConfig } from 'vitest/config';

const tidy = ['tidy', 'generated', 'lint-keys'].map((name) => `tests/${name}.test.ts`);
const elsewhere = [...tidy, 'tests/sim/**', 'tests/wire/**'];

export default defineConfig({
  test: {
    slowTestThreshold: 200,
    projects: [
      { test: { name: 'tidy', include: tidy } },
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts'],
          // None takes a second; a machine that is busy with something else may take many.
          testTimeout: 60_000,
          // Its ESM build imports a directory, which only a bundler understands.
          server: { deps: { inline: ['clipanion'] } },
        },
      },
      {
        test: { name: 'sim', include: ['tests/sim/**/*.test.ts'], testTimeout: 300_000 },
      },
      {
        test: {
          name: 'wire',
          include: ['tests/wire/**/*.test.ts'],
          testTimeout: 180_000,
          // Wireshark's WASM build takes seconds to load, many on a busy machine.
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['tests/**/*.test.ts'],
          exclude: elsewhere,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
