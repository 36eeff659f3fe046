/** Limits of a run as this machine can hold them: each is met by a program that wants more. */
import { chmodSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { detectContainment, leaveContainment } from '../../src/supervisor/containment.io.ts';
import { Limiter } from '../../src/supervisor/limit.io.ts';
import type { ResourceLimits } from '../../src/supervisor/limit.ts';
import { RunTrees } from '../../src/supervisor/tree.io.ts';
import { removeTree } from '../fixtures/remove.ts';
import { type Built, buildShim, Run } from './rig.ts';

const instance = `limit-${process.pid}`;
const MiB = 1 << 20;

describe('limits', () => {
  let built: Built;
  let run: Run;
  let trees: RunTrees;
  let limiter: Limiter;

  beforeAll(async () => {
    built = buildShim(false);
    trees = new RunTrees(await detectContainment({ instance }));
    limiter = new Limiter({ containment: trees.containment, instance });
  });
  afterAll(() => {
    limiter.leave();
    leaveContainment(trees.containment);
    removeTree(built.directory);
  });
  beforeEach(() => {
    run = new Run();
    chmodSync(run.directory, 0o711);
  });
  afterEach(async () => {
    await run.end();
    expect(await limiter.release('R1')).toBe(true);
    expect(await trees.removeRunGroup('R1')).toBe(true);
  });

  async function python(script: string, limits: ResourceLimits) {
    const group = trees.createRunGroup('R1');
    const held = limiter.hold('R1', limits, 0);
    run.start(built.path, ['python3', '-c', script], {
      cgroups: [...(group === undefined ? [] : [group]), ...held.cgroups],
      rlimits: held.rlimits,
    });
    await run.event('gone');
    return run.event('exited');
  }

  test('memory: a process that takes more is killed, and that is named', async () => {
    const taken = await python('b = bytearray(200 << 20); print(len(b))', {
      memoryBytes: 64 * MiB,
    });
    if (limiter.support.memory === 'rlimit') expect(run.text('out')).toContain('MemoryError');
    else {
      expect(taken).toMatchObject({ how: 'signal', value: 9 });
      expect(limiter.oomKills('R1')).toBeGreaterThan(0);
    }
  });

  test('memory: one that keeps within it is not, and nothing is named', async () => {
    const limits = { memoryBytes: 256 * MiB };
    const ended = await python('b = bytearray(20 << 20); print(len(b))', limits);
    expect(ended).toMatchObject({ how: 'code', value: 0 });
    expect(limiter.oomKills('R1')).toBe(0);
  });

  test('pids: a process too many is not made', async () => {
    const { pids } = limiter.support;
    if (pids === 'rlimit') {
      expect(() => limiter.hold('R1', { pids: 5 }, 0)).toThrow(/root/);
      return;
    }
    const script = `import os, time
n = 0
try:
  while n < 20:
    if os.fork() == 0: time.sleep(0.5); os._exit(0)
    n += 1
except BlockingIOError: print("held at", n)
`;
    await python(script, { pids: 5 });
    expect(run.text('out')).toBe('held at 4\n');
  });

  test('cpu: a busy process has its share', async () => {
    if (limiter.support.cpu === undefined) {
      expect(() => limiter.hold('R1', { cpus: 0.2 }, 0)).toThrow(/CPU/);
      return;
    }
    const script = 'import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass';
    const { userUs, systemUs } = await python(script, { cpus: 0.2 });
    expect(userUs + systemUs).toBeLessThan(1_000_000);
  });

  test('nofile: of each process', async () => {
    await python('import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))', {
      nofile: 64,
    });
    expect(run.text('out')).toBe('(64, 64)\n');
  });
});
