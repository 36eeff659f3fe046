/** What a new agent finds of a launch that an earlier one may or may not have finished. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { inspectRun } from '../../src/roles/agent/attached.io.ts';
import { asRecorded } from '../../src/roles/agent/end.io.ts';
import { writeOrder } from '../../src/roles/agent/order-file.io.ts';
import { paths } from '../../src/supervisor/paths.ts';
import { claimRun, prepareRuns } from '../../src/supervisor/run-directory.io.ts';
import { RunTrees } from '../../src/supervisor/tree.io.ts';
import { removeTree } from '../fixtures/remove.ts';
import { buildShim, Run } from '../shim/rig.ts';

const directories: string[] = [];

afterEach(() => {
  for (const one of directories.splice(0)) removeTree(one);
});

const trees = new RunTrees({ kind: 'walk', reason: 'asked for' });

async function ordered() {
  const directory = mkdtempSync(join(tmpdir(), 'lotc-inspect-'));
  directories.push(directory);
  mkdirSync(join(directory, 'private'), { mode: 0o700 });
  prepareRuns(directory);
  await claimRun(directory, 'R1');
  const places = paths(directory, 'R1');
  const spec = { command: ['/bin/true'] };
  writeOrder(places.order, { item: 'O1/0', entry: 'order', generation: 1, run: 'R1', spec }, 0);
  return {
    places,
    inspect: () => {
      return inspectRun({ directory, run: 'R1', trees, trueAt: asRecorded, hear: () => undefined });
    },
  };
}

test('an order no shim has taken up was not launched, and a late shim can start nothing', async () => {
  const { places, inspect } = await ordered();
  expect((await inspect()).found).toMatchObject({ run: 'R1', found: { kind: 'unlaunched' } });
  const built = buildShim(false);
  directories.push(built.directory);
  const late = new Run();
  directories.push(late.directory);
  late.start(built.path, ['/bin/touch', late.path('ran')], {
    socket: places.socket,
    record: places.exit,
  });
  expect(await late.event('failed')).toMatchObject({ step: 'socket' });
  await late.event('detached');
  // An agent that died right after it looked: the next one finds the same.
  expect((await inspect()).found.found.kind).toBe('unlaunched');
});
