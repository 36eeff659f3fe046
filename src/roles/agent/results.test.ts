import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Failure } from '../../net/layout.ts';
import type { Link } from '../../net/link.io.ts';
import { failureOf } from '../../net/refused.ts';
import { paths } from '../../supervisor/paths.ts';
import type { AgentAction, RunEvent } from './events.ts';
import { ResultFiles } from './results.io.ts';

const run = 'R0123456789A';
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lotc-results-'));
  const file = paths(directory, run).results;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, 'tar');
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** What becomes of a delivery, where the server answers so, one after the other. */
async function deliver(answers: readonly (Failure | undefined)[]): Promise<readonly unknown[]> {
  const left = [...answers];
  const { promise, resolve } = Promise.withResolvers<RunEvent>();
  const link = {
    end: undefined,
    ask: (_: string, __: object, asker: { ok(): void; fail(failure: Failure): void }) => {
      const failure = left.shift();
      queueMicrotask(() => (failure ? asker.fail(failure) : asker.ok()));
      return {};
    },
  };
  const log = (): void => undefined;
  const files = new ResultFiles({ directory, log, emit: (_, event) => resolve(event) });
  files.connected(link as unknown as Link);
  const delivery = { type: 'deliver', run, digest: `sha256:${'0'.repeat(64)}`, sizeBytes: 3 };
  files.carryOut(delivery as Extract<AgentAction, { type: 'deliver' }>);
  const event = await promise;
  await files.close();
  return [event.kind, left.length];
}

test('who finds the server busy waits its turn, and nothing has failed', async () => {
  const busy = failureOf('busy', '8 uploads are under way already');
  expect(await deliver([busy, undefined])).toEqual(['delivered', 0]);
});

test('what fails otherwise is told', async () => {
  const full = failureOf('disk-full', 'the server has no room for result files');
  expect(await deliver([full, undefined])).toEqual(['deliver-failed', 1]);
});
