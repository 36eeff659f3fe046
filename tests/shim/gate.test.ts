/** The gate: a child that is ready before its instant, and what becomes of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readExitRecord, readShimRecord } from '../../src/supervisor/shim.io.ts';
import { removeTree } from '../fixtures/remove.ts';
import { type Built, buildShim, eventually, isShim, kill, proc, Run } from './rig.ts';

const { ENOENT, EINTR, ECANCELED } = constants.errno;
const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);
const MS = 1_000;
const HOUR = 3_600 * 1_000 * MS;
/** What a busy machine may cost; that it is far less is measured by the bench. */
const LATE_US = 5_000 * MS;

describe.each([{ build: 'shipped' }, { build: 'sanitized' }])('gate, $build', ({ build }) => {
  let built: Built;
  let run: Run;

  beforeAll(() => {
    built = buildShim(build === 'sanitized');
  });
  afterAll(() => removeTree(built.directory));
  beforeEach(() => {
    run = new Run();
  });
  afterEach(async () => {
    await run.end();
    const faults = built.faults();
    if (faults !== '') throw new Error(faults);
  });

  const hold = (argv: [string, ...string[]], afterUs: number): number => {
    const gateAtUs = nowUs() + afterUs;
    run.start(built.path, argv, { gateAtUs });
    return gateAtUs;
  };

  async function expectFired(plannedUs: number): Promise<void> {
    const { monotonicUs } = await run.event('started');
    expect(monotonicUs).toBeGreaterThanOrEqual(plannedUs);
    expect(monotonicUs).toBeLessThan(plannedUs + LATE_US);
  }

  test('it is ready long before, nothing of it runs, and it runs at the instant', async () => {
    const plannedUs = hold(['sh', '-c', 'echo ran; exit 3'], 400 * MS);
    const armed = await run.event('armed');
    expect(armed.plannedUs).toBe(plannedUs);
    expect(proc(armed.pid, 'comm')).toBe('lotc-shim\n');
    expect(run.text('out')).toBe('');
    await expectFired(plannedUs);
    const exited = await run.event('exited');
    expect(exited).toMatchObject({ how: 'code', value: 3 });
    const started = await run.event('started');
    expect(started).toMatchObject({ pid: armed.pid, startTicks: armed.startTicks });
    await run.event('detached');
    expect(await readExitRecord(run.path('exit'))).toMatchObject({ armed, started, end: exited });
  });

  test('an instant of the past fires at once', async () => {
    // A machine that has only just begun has no hour behind it.
    const plannedUs = hold(['true'], -100 * MS);
    const before = nowUs();
    expect((await run.event('started')).monotonicUs).toBeGreaterThan(before - LATE_US);
    // The clock of a machine that has just begun has no such instant.
    expect((await run.event('armed')).plannedUs).toBe(Math.max(1, plannedUs));
  });

  test('what was fired is on disk while it runs', async () => {
    hold(['sleep', '60'], 50 * MS);
    const started = await run.event('started');
    await run.event('recorded');
    expect(await readShimRecord(run.path('exit'))).toMatchObject({ started, end: undefined });
    expect(await readExitRecord(run.path('exit'))).toBeUndefined();
    run.handle?.send({ kind: 'signal', signal: 9 });
    await run.event('gone');
    expect((await readExitRecord(run.path('exit')))?.end).toMatchObject({ how: 'signal' });
  });

  test('the instant moves: later, sooner, now', async () => {
    const first = hold(['true'], 300 * MS);
    await run.event('armed');
    run.handle?.send({ kind: 'gate', atUs: first + HOUR });
    await eventually(() => run.events.length > 2, 'armed again');
    await sleep(500);
    expect(run.events.map(({ kind }) => kind)).toEqual(['hello', 'armed', 'armed']);
    const sooner = nowUs() + 100 * MS;
    run.handle?.send({ kind: 'gate', atUs: sooner });
    await expectFired(sooner);
    const planned = run.events.flatMap((event) =>
      event.kind === 'armed' ? [event.plannedUs] : [],
    );
    expect(planned).toEqual([first, first + HOUR, sooner]);
    await run.end();
    run = new Run();
    hold(['true'], HOUR);
    await run.event('armed');
    const now = nowUs();
    run.handle?.send({ kind: 'fire' });
    await expectFired(now);
  });

  test('what is passed is not moved and not cancelled', async () => {
    hold(['sleep', '60'], 20 * MS);
    await run.event('started');
    run.handle?.send({ kind: 'gate', atUs: nowUs() });
    run.handle?.send({ kind: 'cancel' });
    await eventually(() => run.events.filter(({ kind }) => kind === 'error').length === 2, 'two');
    expect(await run.event('error')).toEqual({ kind: 'error', reason: 'not-armed' });
    expect(isShim(run.shimPid ?? 0)).toBe(true);
  });

  test('a cancelled one leaves no trace but the word', async () => {
    hold(['touch', run.path('ran')], 300 * MS);
    const { pid } = await run.event('armed');
    run.handle?.send({ kind: 'cancel' });
    expect(await run.event('failed')).toMatchObject({ step: 'cancelled', errno: ECANCELED });
    await run.event('detached');
    expect(proc(pid, 'comm')).toBe('');
    await sleep(400);
    expect(existsSync(run.path('ran'))).toBe(false);
    expect((await readExitRecord(run.path('exit')))?.end).toMatchObject({ step: 'cancelled' });
  });

  test('an exec that fails is known with both instants', async () => {
    const plannedUs = hold(['/no/such'], 50 * MS);
    const failed = await run.event('failed');
    expect(failed).toMatchObject({ step: 'exec', errno: ENOENT });
    expect(failed.monotonicUs).toBeGreaterThanOrEqual(plannedUs);
    await run.event('gone');
    const record = await readExitRecord(run.path('exit'));
    expect(record).toMatchObject({ armed: { plannedUs }, started: undefined, end: failed });
  });

  test('what fails before the gate fails at once', async () => {
    run.start(built.path, ['true'], { gateAtUs: nowUs() + HOUR, cwd: '/no/such' });
    expect(await run.event('failed')).toMatchObject({ step: 'cwd', errno: ENOENT });
    await run.event('detached');
    expect(run.events.map(({ kind }) => kind)).not.toContain('armed');
  });

  test('a child ended at its gate never ran', async () => {
    hold(['true'], HOUR);
    kill((await run.event('armed')).pid);
    expect(await run.event('failed')).toMatchObject({ step: 'killed', errno: EINTR });
    await run.event('detached');
    expect(run.events.map(({ kind }) => kind)).not.toContain('started');
  });

  test('the shim ended before: its child goes with it', async () => {
    hold(['touch', run.path('ran')], 300 * MS);
    const { pid } = await run.event('armed');
    kill(run.shimPid ?? 0);
    await eventually(() => !isShim(pid), 'the end of the child');
    await sleep(400);
    expect(existsSync(run.path('ran'))).toBe(false);
  });

  test('the program is none of a dead shim’s: it outlives one once it runs', async () => {
    hold(['sleep', '60'], 20 * MS);
    const { pid } = await run.event('started');
    kill(run.shimPid ?? 0);
    await run.event('detached');
    expect(proc(pid, 'comm')).toBe('sleep\n');
    kill(pid);
  });

  test.each(['SIGKILL', 'SIGSTOP'] as const)('agent after %s: fires all the same', async (how) => {
    const gateAtUs = nowUs() + 1_500 * MS;
    const launch = run.launch(['true'], { gateAtUs });
    const words = [join(import.meta.dirname, 'launcher.ts'), built.path, JSON.stringify(launch)];
    const agent = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    let heard = '';
    agent.stdout.on('data', (bytes: Buffer) => {
      heard += bytes.toString();
    });
    await eventually(() => heard.includes('armed'), 'armed');
    agent.kill(how);
    await eventually(() => existsSync(run.path('exit')), 'the record');
    const { started } = (await readShimRecord(run.path('exit'))) ?? {};
    expect(started?.monotonicUs).toBeGreaterThanOrEqual(gateAtUs);
    expect(started?.monotonicUs).toBeLessThan(gateAtUs + LATE_US);
    const ended = agent.signalCode === null ? once(agent, 'exit') : undefined;
    agent.kill('SIGKILL');
    await ended;
  });

  test('an adopting agent hears that it is armed, and moves it', async () => {
    hold(['true'], HOUR);
    const armed = await run.event('armed');
    run.handle?.close();
    run.events.length = 0;
    expect(await run.attach()).toBe(true);
    expect(await run.event('armed')).toEqual(armed);
    const at = nowUs() + 20 * MS;
    run.handle?.send({ kind: 'gate', atUs: at });
    await expectFired(at);
  });

  test('timers and signals of the program are as without a gate', async () => {
    hold(['sh', '-c', 'cat /proc/self/timerslack_ns; grep Sig /proc/self/status'], 20 * MS);
    await run.event('exited');
    expect(run.text('out')).toMatch(/^50000\n/);
    expect(run.text('out')).toMatch(/^SigBlk:\t0+$/m);
  });

  test('many cancels against the instant: each either ran or was cancelled', async () => {
    for (let n = 0; n < (build === 'shipped' ? 40 : 5); n += 1) {
      const one = new Run();
      const gateAtUs = nowUs() + 25 * MS;
      one.start(built.path, ['touch', one.path('ran')], { gateAtUs });
      await one.event('armed');
      await sleep(Math.max(0, (gateAtUs - nowUs()) / MS - 1 + (n % 5) / 2));
      one.handle?.send({ kind: 'cancel' });
      await one.event('detached');
      const ran = one.events.some(({ kind }) => kind === 'exited');
      const cancelled = one.events.some((e) => e.kind === 'failed' && e.step === 'cancelled');
      expect(ran).toBe(!cancelled);
      expect(existsSync(one.path('ran'))).toBe(ran);
      await one.end();
    }
  });
});
