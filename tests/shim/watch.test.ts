/** What the shim watches for the agent: silence, the main process, who stops it. */
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Launch } from '../../src/supervisor/launch.ts';
import { removeTree } from '../fixtures/remove.ts';
import { type Built, below, buildShim, eventually, isShim, kill, proc, Run } from './rig.ts';

const MS = 1_000;

describe.each([{ build: 'shipped' }, { build: 'sanitized' }])('watch, $build', ({ build }) => {
  let built: Built;
  let run: Run;
  let tools: string;

  beforeAll(() => {
    built = buildShim(build === 'sanitized');
    tools = join(built.directory, 'bin');
    mkdirSync(tools);
    const sender = build === 'sanitized' ? `${built.path}-sanitized` : built.path;
    linkSync(sender, join(tools, 'lotc-notify'));
  });
  afterAll(() => removeTree(built.directory));
  beforeEach(() => {
    run = new Run();
    execFileSync('mkfifo', [run.path('go')]);
  });
  afterEach(async () => {
    await run.end();
    const faults = built.faults();
    if (faults !== '') throw new Error(faults);
  });

  /** `go` waits for a word from here. */
  function start(script: string, more: Partial<Launch> = {}): void {
    run.start(built.path, ['sh', '-c', `go() { read word < go; }\n${script}`], {
      notify: run.path('notify'),
      cwd: run.directory,
      env: [`PATH=/usr/bin:/bin:${tools}`, ...environment()],
      ...more,
    });
  }
  const environment = (): string[] => [`NOTIFY_SOCKET=${run.path('notify')}`];
  const go = (): void => writeFileSync(run.path('go'), 'go\n');
  const kinds = (): string[] =>
    run.events.flatMap((event) => {
      if (event.kind === 'sign') return [`${event.name}=${event.value}`];
      return event.kind === 'quiet' || event.kind === 'marked' ? [event.kind] : [];
    });
  const quietAfter = (ms: number): void => run.handle?.send({ kind: 'quiet', us: ms * MS });
  const marks = (): number => run.events.filter(({ kind }) => kind === 'marked').length;
  async function mark(): Promise<void> {
    const before = marks();
    run.handle?.send({ kind: 'mark' });
    await eventually(() => marks() > before, 'the mark');
  }

  test('of the signs that come the first is told; then silence, once', async () => {
    start('go; for i in 1 2 3; do lotc-notify WATCHDOG=1; done; lotc-notify STATUS=said; go');
    await run.event('started');
    quietAfter(600_000);
    await mark();
    run.events.length = 0;
    go();
    await eventually(() => kinds().includes('STATUS=said'), 'all four');
    expect(kinds()).toEqual(['WATCHDOG=1', 'STATUS=said']);
    run.events.length = 0;
    quietAfter(20);
    const { sinceUs, ticks } = await run.event('quiet');
    expect(sinceUs).toBeGreaterThan(0);
    expect(ticks).toBeGreaterThanOrEqual(0);
    await sleep(60);
    await mark();
    expect(kinds()).toEqual(['quiet', 'marked']);
  });

  test('a sign after silence is told; the next one is not', async () => {
    start('while go; do lotc-notify WATCHDOG=1 STATUS=said; done');
    await run.event('started');
    quietAfter(20);
    await run.event('quiet');
    quietAfter(600_000);
    run.events.length = 0;
    go();
    await eventually(() => kinds().includes('STATUS=said'), 'the first');
    expect(kinds()).toEqual(['WATCHDOG=1', 'STATUS=said']);
    go();
    await eventually(() => kinds().length === 3, 'the second');
    expect(kinds().at(-1)).toBe('STATUS=said');
  });

  test('asked again for longer, silence counts from the last sign; an agent that comes back asks', async () => {
    start('go');
    await run.event('started');
    quietAfter(50);
    const first = await run.event('quiet');
    run.handle?.close();
    run.events.length = 0;
    await run.attach();
    await sleep(30);
    quietAfter(70);
    const again = await run.event('quiet');
    expect(again.sinceUs).toBe(first.sinceUs);
    run.events.length = 0;
    quietAfter(0);
    await sleep(60);
    await mark();
    quietAfter(30);
    expect((await run.event('quiet')).sinceUs).toBeGreaterThan(first.sinceUs);
    expect(kinds()).toEqual(['marked', 'quiet']);
  });

  test('a shim that was itself stopped tells of no silence', async () => {
    start('go');
    const { pid } = await run.event('started');
    expect(pid).toBeGreaterThan(0);
    quietAfter(100);
    kill(run.shimPid ?? 0, 'SIGSTOP');
    await sleep(400);
    const back = Number(process.hrtime.bigint() / 1000n);
    kill(run.shimPid ?? 0, 'SIGCONT');
    expect((await run.event('quiet')).sinceUs).toBeGreaterThanOrEqual(back - 1_000);
  });

  test('a mark comes after what was sent before it', async () => {
    const says = `import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
open("go").read()
for n in range(5): s.sendto(b"STATUS=%d" % n, os.environ["NOTIFY_SOCKET"])
open("sent", "w").close()
open("go").read()`;
    writeFileSync(run.path('says.py'), says);
    start('python3 says.py', { env: [...environment(), `PATH=${process.env['PATH'] ?? ''}`] });
    await run.event('started');
    kill(run.shimPid ?? 0, 'SIGSTOP');
    go();
    await eventually(() => existsSync(run.path('sent')), 'what was sent');
    run.handle?.send({ kind: 'mark' });
    await sleep(20);
    kill(run.shimPid ?? 0, 'SIGCONT');
    await run.event('marked');
    expect(kinds()).toEqual([...[0, 1, 2, 3, 4].map((n) => `STATUS=${n}`), 'marked']);
    go();
  });

  test('what MAINPID names is the main process: its end is the end, with its code', async () => {
    start('(go; exit 7) & lotc-notify MAINPID=$!; exit 3');
    const { pid: first } = await run.event('started');
    const named = await eventually(
      () => run.events.find((event) => event.kind === 'sign' && event.name === 'MAINPID'),
      'MAINPID',
    );
    expect(named).toMatchObject({ pid: expect.any(Number) });
    await eventually(() => proc(first, 'stat') === '', 'the end of the first');
    expect(run.events.some(({ kind }) => kind === 'exited')).toBe(false);
    const pid = Number((named as { value: string }).value);
    expect(isShim(run.shimPid ?? 0)).toBe(true);
    run.handle?.send({ kind: 'signal', signal: 0 });
    expect(below(run.shimPid ?? 0)).toContain(pid);
    go();
    expect(await run.event('exited')).toMatchObject({ how: 'code', value: 7 });
  });

  test('also where its parent lives and takes its status; or has not yet', async () => {
    start('(exec sleep 600) & lotc-notify MAINPID=$!; wait $!; go');
    await eventually(() => kinds().length === 1, 'MAINPID');
    const pid = Number(kinds()[0]?.split('=')[1]);
    run.handle?.send({ kind: 'signal', signal: 10 });
    const end = await run.event('exited');
    if (end.how === 'unknown') expect(end.value).toBe(0);
    else expect(end).toMatchObject({ how: 'signal', value: 10 });
    expect(proc(pid, 'cmdline')).toBe('');
  });

  test('MAINPID of a stranger, of nobody, of the shim, and garbage name nobody', async () => {
    start(
      `for pid in 1 0 -1 x 99999999999999999999 4194305 ${process.pid} $PPID; do lotc-notify MAINPID=$pid; done; go; exit 5`,
    );
    await run.event('started');
    await sleep(100);
    await mark();
    expect(kinds()).toEqual(['marked']);
    go();
    expect(await run.event('exited')).toMatchObject({ how: 'code', value: 5 });
  });

  test('a program that names another and ends at once is heard first', async () => {
    const says = `import os, socket, time
pid = os.fork()
if pid == 0: time.sleep(0.3); os._exit(9)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b"MAINPID=%d" % pid, os.environ["NOTIFY_SOCKET"])
os._exit(1)`;
    run.start(built.path, ['/usr/bin/env', 'python3', '-c', says], {
      notify: run.path('notify'),
      env: [`PATH=${process.env['PATH'] ?? ''}`, `NOTIFY_SOCKET=${run.path('notify')}`],
    });
    expect(await run.event('exited')).toMatchObject({ how: 'code', value: 9 });
  });

  test('who stops and continues the main process is told, and told again', async () => {
    start('go');
    const { pid } = await run.event('started');
    kill(pid, 'SIGSTOP');
    expect(await run.event('stopped')).toMatchObject({ signal: 19 });
    run.handle?.close();
    run.events.length = 0;
    await run.attach();
    expect(await run.event('stopped')).toMatchObject({ signal: 19 });
    kill(pid, 'SIGCONT');
    expect(await run.event('continued')).toMatchObject({ signal: 18 });
  });

  test('the same under an abstract name, for who has another root directory', async () => {
    start('NOTIFY_SOCKET=@$NOTIFY_SOCKET lotc-notify READY=1; go');
    await eventually(() => kinds().length === 1, 'READY');
    expect(kinds()).toEqual(['READY=1']);
  });
});
