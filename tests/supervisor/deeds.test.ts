/** Deeds at instants by the thread for them: on time while this thread does nothing but turn. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Deed, DeedKind } from '../../src/supervisor/deed.thread.io.ts';
import { DeedThread } from '../../src/supervisor/deed-thread.io.ts';
import { pidsBelow, processStart, readStat } from '../../src/supervisor/proc.io.ts';

/** A machine that does other things as well may be late; the turning takes much longer. */
const LATE_US = 1_000_000;
const BUSY_MS = 1_500;
const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

let parent: ChildProcess;
let child = 0;
let done: { kind: DeedKind; atUs: number }[] = [];
let thread: DeedThread;

beforeEach(async () => {
  parent = spawn('sh', ['-c', 'sleep 60 & wait'], { stdio: 'ignore' });
  for (child = 0; !child; await sleep(5)) [child = 0] = await pidsBelow(parent.pid ?? 0);
  while (readStat(child)?.state !== 'S') await sleep(5);
  done = [];
  thread = new DeedThread({
    containment: { kind: 'walk', reason: 'for this test' },
    log: () => undefined,
    monotonicOf: (trueUs) => trueUs,
    done: ({ kind }, atUs) => done.push({ kind, atUs }),
  });
  // Its start is not what is measured.
  thread.plan(deed('thaw'), nowUs());
  while (done.length === 0) await sleep(5);
  done = [];
});

afterEach(async () => {
  await thread.close();
  for (const pid of [child, parent.pid ?? 0]) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
});

function deed(kind: DeedKind): Deed {
  const shim = processStart(parent.pid ?? 0);
  const startTicks = readStat(child)?.startTicks ?? 0;
  const main = { pid: child, startTicks };
  const signal = kind === 'signal' ? 10 : 15;
  return { kind, tree: { run: 'R0', shim }, signal, main };
}

function turn(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

test.each<[DeedKind, string | undefined]>([
  ['freeze', 'T'],
  ['stop', undefined],
  ['kill', undefined],
  ['signal', undefined],
])('%s: at its instant, however busy this thread is', async (kind, state) => {
  const atUs = nowUs() + 200_000;
  const ended = once(parent, 'exit');
  thread.plan(deed(kind), atUs);
  await sleep(20);
  turn(BUSY_MS);
  expect(await thread.hasDone('R0', kind)).toBe(true);
  expect(done).toMatchObject([{ kind }]);
  expect(done[0]?.atUs).toBeGreaterThanOrEqual(atUs);
  expect(done[0]?.atUs).toBeLessThan(atUs + LATE_US);
  if (state === undefined) await ended;
  else expect(readStat(child)?.state).toBe(state);
  // Once it was asked for, the next is another.
  expect(await thread.hasDone('R0', kind)).toBe(false);
});

test('who wants to do it himself takes it back, also in its last moments', async () => {
  thread.plan(deed('kill'), nowUs() + 60_000);
  turn(20);
  expect(await thread.hasDone('R0', 'kill')).toBe(false);
  thread.plan(deed('stop'), nowUs() + 100_000);
  thread.plan(deed('stop'), undefined);
  await sleep(150);
  expect(done).toEqual([]);
  expect(readStat(child)?.state).toBe('S');
});

test('who asks what it has done waits for what it is doing, and for nothing else', async () => {
  thread.plan(deed('stop'), nowUs() + 3_600_000_000);
  await thread.told('R0');
  expect(done).toEqual([]);
  const ended = once(parent, 'exit');
  thread.plan(deed('stop'), nowUs() + 150_000);
  await sleep(20);
  turn(400);
  // It has been done, and nobody here has heard of it yet.
  expect(done).toEqual([]);
  await thread.told('R0');
  expect(done).toMatchObject([{ kind: 'stop' }]);
  await ended;
});

test('an instant that is moved', async () => {
  let aheadUs = 0;
  await thread.close();
  thread = new DeedThread({
    containment: { kind: 'walk', reason: 'for this test' },
    log: () => undefined,
    monotonicOf: (trueUs) => trueUs - aheadUs,
    done: ({ kind }, atUs) => done.push({ kind, atUs }),
  });
  const atUs = nowUs() + 3_000_000;
  thread.plan(deed('freeze'), atUs);
  aheadUs = 2_000_000;
  thread.moved();
  while (done.length === 0) await sleep(5);
  expect(done[0]?.atUs).toBeGreaterThanOrEqual(atUs - aheadUs);
  expect(done[0]?.atUs).toBeLessThan(atUs);
});
