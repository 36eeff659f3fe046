/** Real trees of processes under both means of containment. Needs root and gcc; takes seconds. */

import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Containment, detectContainment } from '../../src/supervisor/containment.io.ts';
import { readAllStats, readStat } from '../../src/supervisor/proc.io.ts';
import { RunTrees } from '../../src/supervisor/tree.io.ts';
import { descendants, hasEnded } from '../../src/supervisor/tree.ts';
import { sleep } from '../../src/supervisor/until.io.ts';
import { type Compiled, compileTree, type Started } from './fixtures/tree.ts';

let fixture: Compiled;
let found: Containment;
const instance = `test-${process.pid}`;
let serial = 0;

beforeAll(async () => {
  fixture = compileTree();
  found = await detectContainment({ instance });
});

afterAll(() => {
  fixture[Symbol.dispose]();
  if (found.kind !== 'cgroup') return;
  rmdirSync(found.base);
  try {
    rmdirSync(dirname(found.base));
  } catch {
    // Another agent of this machine has its groups there.
  }
});

interface Case extends AsyncDisposable {
  readonly trees: RunTrees;
  readonly tree: { readonly run: string; readonly shim: Started['shim'] };
  readonly started: Started;
}

async function begin(kind: Containment['kind'], mode: string, count: number): Promise<Case> {
  expect(found.kind, 'this machine has a writable cgroup v2').toBe('cgroup');
  const trees = new RunTrees(kind === 'cgroup' ? found : { kind: 'walk', reason: 'asked for' });
  serial += 1;
  const run = `R${process.pid}X${serial}`;
  const procs = trees.createRunGroup(run);
  const started = await fixture.start(mode, count, procs ?? '', { LOTC_RUN: run });
  return {
    trees,
    started,
    tree: { run, shim: started.shim },
    [Symbol.asyncDispose]: async () => {
      await trees.killTree({ run, shim: started.shim });
      await started[Symbol.asyncDispose]();
      expect(await trees.removeRunGroup(run)).toBe(true);
    },
  };
}

async function livingBelow(pid: number): Promise<number> {
  const below = descendants((await readAllStats()).values(), pid);
  return below.filter((stat) => !hasEnded(stat)).length;
}

async function cpuTicks(trees: RunTrees, tree: Case['tree']): Promise<number> {
  const stats = (await trees.members(tree)).map(readStat);
  return stats.reduce((sum, stat) => sum + (stat?.ownTicks ?? 0), 0);
}

describe.each(['cgroup', 'walk'] as const)('%s', (kind) => {
  test.each([
    ['plain', 10, 11],
    ['double', 5, 6],
    ['group', 5, 6],
    ['ignore', 3, 4],
    ['selfstop', 3, 4],
    ['headless', 0, 1],
    ['exit', 4, 4],
  ] as const)('finds and kills all of %s %i', async (mode, count, living) => {
    await using run = await begin(kind, mode, count);
    await expect.poll(() => run.trees.members(run.tree), { timeout: 10_000 }).toHaveLength(living);
    expect(await run.trees.hasMembers(run.tree)).toBe(true);
    await run.trees.killTree(run.tree);
    expect(await livingBelow(run.tree.shim.pid)).toBe(0);
    expect(await run.trees.members(run.tree)).toEqual([]);
    expect(await run.trees.hasMembers(run.tree)).toBe(false);
  });

  test.each(['spin', 'double', 'storm', 'headless'])(
    'freezes %s and its CPU time stands',
    async (mode) => {
      await using run = await begin(kind, mode, mode === 'storm' ? 400 : 2);
      await run.trees.freeze(run.tree);
      expect(await run.trees.isFrozen(run.tree)).toBe(true);
      const before = {
        ticks: await cpuTicks(run.trees, run.tree),
        members: await run.trees.members(run.tree),
      };
      await sleep(300);
      expect(await cpuTicks(run.trees, run.tree)).toBe(before.ticks);
      expect(await run.trees.members(run.tree)).toEqual(before.members);
      await run.trees.thaw(run.tree);
      expect(await run.trees.isFrozen(run.tree)).toBe(false);
      if (mode === 'spin') {
        await sleep(200);
        expect(await cpuTicks(run.trees, run.tree)).toBeGreaterThan(before.ticks);
      }
    },
  );

  test('kills a frozen tree without a thaw', async () => {
    await using run = await begin(kind, 'spin', 3);
    await run.trees.freeze(run.tree);
    await run.trees.killTree(run.tree);
    expect(await livingBelow(run.tree.shim.pid)).toBe(0);
  });

  test('TERM reaches all; who ignores it stays; CONT lets the stopped act on it', async () => {
    await using deaf = await begin(kind, 'ignore', 3);
    expect(await deaf.trees.signalTree(deaf.tree, 'SIGTERM')).toBe(4);
    await sleep(50);
    expect(await deaf.trees.members(deaf.tree)).toHaveLength(4);
    await using stopped = await begin(kind, 'selfstop', 3);
    expect(await stopped.trees.signalTree(stopped.tree, 'SIGTERM', true)).toBe(4);
    await expect.poll(() => stopped.trees.members(stopped.tree)).toEqual([]);
  });

  test('a fork storm does not outrun kill', async () => {
    await using run = await begin(kind, 'storm', 3000);
    await sleep(50);
    await run.trees.killTree(run.tree);
    expect(await livingBelow(run.tree.shim.pid)).toBe(0);
  });

  test('200 processes are gone soon, and frozen as fast; the bench says how soon', async () => {
    const best = { freeze: Infinity, thaw: Infinity, kill: Infinity };
    for (let round = 0; round < 3; round += 1) {
      await using run = await begin(kind, 'plain', 200);
      const at = [performance.now()];
      for (const act of ['freeze', 'thaw', 'killTree'] as const) {
        await run.trees[act](run.tree);
        at.push(performance.now());
      }
      const [t0 = 0, t1 = 0, t2 = 0, t3 = 0] = at;
      best.freeze = Math.min(best.freeze, t1 - t0);
      best.thaw = Math.min(best.thaw, t2 - t1);
      best.kill = Math.min(best.kill, t3 - t2);
      expect(await livingBelow(run.tree.shim.pid)).toBe(0);
    }
    console.log(kind, best);
    expect(Math.max(...Object.values(best))).toBeLessThan(500);
  });

  test('after the death of the shim the tree is still found, and nothing else', async () => {
    await using run = await begin(kind, 'double', 3);
    await using stranger = await fixture.start('plain', 2);
    process.kill(run.tree.shim.pid, 'SIGKILL');
    await sleep(20);
    expect(await run.trees.members(run.tree)).toHaveLength(4);
    await run.trees.killTree(run.tree);
    expect(await run.trees.members(run.tree)).toEqual([]);
    expect(await livingBelow(stranger.shim.pid)).toBe(3);
  });
});

test('a chain that forks and exits faster than it can be listed is ended', async () => {
  await using run = await begin('cgroup', 'comet', 4000);
  await sleep(20);
  await run.trees.killTree(run.tree);
  expect(await livingBelow(run.tree.shim.pid)).toBe(0);
  await using chased = await begin('walk', 'comet', 4000);
  // A walk may be outrun; the process table repeats a KILL that was not seen to work.
  for (let turn = 0; turn < 5; turn += 1) {
    await chased.trees.killTree(chased.tree);
    if ((await livingBelow(chased.tree.shim.pid)) === 0) break;
  }
  expect(await livingBelow(chased.tree.shim.pid)).toBe(0);
});

test('groups are found again by name, and go when nobody is in them', async () => {
  await using run = await begin('cgroup', 'plain', 1);
  const again = new RunTrees(await detectContainment({ instance }));
  expect(await again.listRunGroups()).toContain(run.tree.run);
  expect(await again.members({ run: run.tree.run, shim: undefined })).toHaveLength(2);
  expect(await again.removeRunGroup(run.tree.run)).toBe(false);
  await again.killTree({ run: run.tree.run, shim: undefined });
  expect(await again.removeRunGroup(run.tree.run)).toBe(true);
  expect(existsSync(again.groupPath(run.tree.run) ?? '')).toBe(false);
  await expect(again.freeze(run.tree)).rejects.toMatchObject({ code: 'not-running' });
});

test('a delegated group holds a tree of its own', async () => {
  const mount = dirname(dirname(found.kind === 'cgroup' ? found.base : ''));
  const delegated = `${mount}/test-unit-${process.pid}`;
  mkdirSync(delegated);
  try {
    const inside = await detectContainment({ instance, mounts: ['/proc', delegated] });
    expect(inside).toMatchObject({ kind: 'cgroup', base: `${delegated}/lotc/${instance}` });
    const trees = new RunTrees(inside);
    await using started = await fixture.start('double', 2, trees.createRunGroup('R1'));
    expect(await trees.members({ run: 'R1', shim: undefined })).toHaveLength(3);
    expect(await trees.hasMembers({ run: 'R1', shim: undefined })).toBe(true);
    await trees.killTree({ run: 'R1', shim: started.shim });
    expect(await trees.removeRunGroup('R1')).toBe(true);
    // Nothing runs, and somebody tidies up: the next run gets its group all the same.
    const base = `${delegated}/lotc/${instance}`;
    const granted = readFileSync(`${base}/cgroup.subtree_control`, 'utf8');
    for (const path of [base, dirname(base)]) rmdirSync(path);
    expect(existsSync(dirname(trees.createRunGroup('R2') ?? ''))).toBe(true);
    expect(readFileSync(`${base}/cgroup.subtree_control`, 'utf8')).toBe(granted);
    expect(await trees.removeRunGroup('R2')).toBe(true);
  } finally {
    for (const path of [`lotc/${instance}`, 'lotc', '']) rmdirSync(`${delegated}/${path}`);
  }
});

test('without a writable cgroup v2 the tree is walked, and nothing is left there', async () => {
  expect(await detectContainment({ instance, mounts: [] })).toMatchObject({ kind: 'walk' });
  expect(await detectContainment({ instance, mounts: ['/proc'] })).toMatchObject({ kind: 'walk' });
  expect(await detectContainment({ instance, mounts: ['/tmp'] })).toMatchObject({ kind: 'walk' });
  expect(existsSync('/tmp/lotc')).toBe(false);
});
