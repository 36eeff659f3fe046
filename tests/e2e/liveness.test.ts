/** Liveness of supervised programs: who is ready, who hangs, and what is done about it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable, Fleet, type Role, until } from './fleet.ts';

interface Row {
  readonly run: string;
  readonly state: string;
  readonly pid: number;
  readonly ready: boolean | null;
  readonly restarts: number;
  readonly status: string | null;
  readonly reason: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly suspendedAt: string | null;
  readonly suspendedBy: string | null;
}

interface Event {
  readonly kind: string;
  readonly text: string;
  readonly at: string;
}

let fleet: Fleet;
let agent: Role;
let speak: string;

beforeAll(async () => {
  fleet = new Fleet();
  speak = fleet.path('speak');
  execFileSync('gcc', [
    '-O1',
    '-o',
    speak,
    new URL('../fixtures/speak.c', import.meta.url).pathname,
  ]);
  await fleet.server();
  agent = await fleet.agent('n1');
  await fleet.online('n1');
});
afterAll(() => fleet[Symbol.asyncDispose]());

let count = 0;

/** A task that was started; its name. */
async function started(options: readonly string[], ...command: readonly string[]): Promise<string> {
  count += 1;
  const task = `t${count}`;
  await fleet.must([
    'task',
    'create',
    task,
    '--backoff',
    '10ms..50ms',
    ...options,
    '--',
    ...command,
  ]);
  await fleet.must(['start', task, '--wait']);
  return task;
}

const sh = (options: readonly string[], script: string): Promise<string> =>
  started(options, '/bin/sh', '-c', script);

async function row(task: string): Promise<Row> {
  const [found] = await fleet.json<Row[]>(['ps', '--all', task]);
  if (!found) throw new Error(`no process of ${task}`);
  return found;
}

async function rowWhere(task: string, what: string, holds: (row: Row) => boolean): Promise<Row> {
  let last: Row | undefined;
  await until(
    async () => {
      last = await row(task);
      return holds(last);
    },
    20_000,
    () => `${task}: ${what}; it is ${JSON.stringify(last)}`,
  );
  return last as Row;
}

async function eventsOf(task: string): Promise<Event[]> {
  const stdout = await fleet.must(['events', '--json']);
  const all = JSON.parse(stdout) as (Event & { readonly task?: string })[];
  return all.filter((event) => event.task === task);
}

const kindsOf = async (task: string): Promise<string[]> =>
  (await eventsOf(task)).map(({ kind }) => kind);

async function event(task: string, kind: string): Promise<Event> {
  let found: Event | undefined;
  await until(
    async () => {
      found = (await eventsOf(task)).find((one) => one.kind === kind);
      return found !== undefined;
    },
    20_000,
    () => `${kind} of ${task}`,
  );
  return found as Event;
}

const end = (...tasks: string[]): Promise<string> => fleet.must(['kill', ...tasks]);

describe('ready', () => {
  const python = `import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
s.sendall(b"READY=1\\nSTATUS=from python")
time.sleep(60)`;
  const says: Record<string, readonly string[]> = {
    'systemd-notify': [
      'sh',
      '-c',
      'systemd-notify --ready --status="from systemd-notify"; sleep 60',
    ],
    'lotc-notify': ['sh', '-c', 'lotc-notify READY=1 "STATUS=from lotc-notify"; sleep 60'],
    'lotc notify': ['sh', '-c', `${executable} notify READY=1 "STATUS=from lotc notify"; sleep 60`],
    python: [
      execFileSync('python3', ['-c', 'import sys; print(sys.executable)']).toString().trim(),
      '-c',
      python,
    ],
    c: ['beats'],
  };

  test.each(Object.keys(says))('%s says so', async (by) => {
    const command = by === 'c' ? [speak, 'beats', '100'] : (says[by] ?? []);
    const task = await started(['--start-timeout', '60s'], ...command);
    await fleet.must(['wait', task, '--for', 'ready', '--timeout', '20s']);
    const words = by === 'c' ? 'beating' : `from ${by}`;
    expect(await rowWhere(task, 'its status', ({ status }) => status !== null)).toMatchObject({
      ready: true,
      status: words,
    });
    await end(task);
  });

  test('wait --for ready waits; without anything that says so, who runs is ready', async () => {
    const slow = await sh(
      ['--start-timeout', '60s'],
      'until [ -e go ]; do sleep 0.1; done; lotc-notify READY=1; sleep 60',
    );
    expect(await fleet.admin(['wait', slow, '--for', 'ready', '--timeout', '300ms'])).toMatchObject(
      {
        code: 124,
      },
    );
    expect((await row(slow)).ready).toBe(false);
    const plain = await sh([], 'sleep 60');
    await fleet.must(['wait', plain, '--for', 'ready', '--timeout', '20s']);
    await end(slow, plain);
  });

  test('restart --batch stops where the new one is not ready', async () => {
    const task = await sh(
      ['--start-timeout', '1s', '--on-hang', 'abort'],
      'test -e ../old && sleep 60; touch ../old; lotc-notify READY=1; sleep 60',
    );
    await fleet.must(['wait', task, '--for', 'ready', '--timeout', '20s']);
    expect((await fleet.admin(['restart', task, '--batch', '1', '--timeout', '20s'])).code).toBe(0);
    await end(task);
    const never = await sh(['--start-timeout', '500ms', '--on-hang', 'abort'], 'sleep 60');
    const { code, stderr } = await fleet.admin(['restart', never, '--batch', '1']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('not ready within 500ms');
  });
});

describe('a hang', () => {
  test('in two steps, each with what the tree looks like; then a restart, whatever the policy', async () => {
    const task = await started(['--watchdog', '1s'], speak, 'hangs', '3');
    const again = await rowWhere(task, 'restarted', ({ restarts }) => restarts > 0);
    expect(again.reason ?? '').toMatch(/hung: no sign of life for 1(\.0)? ?s/);
    const [warned, hung] = [await event(task, 'process-warned'), await event(task, 'process-hung')];
    expect(Date.parse(hung.at)).toBeGreaterThanOrEqual(Date.parse(warned.at));
    for (const { text } of [warned, hung]) {
      expect(text).toMatch(/\d+ speak S.*, \d+ files, CPU \d\.\d\d s/);
      expect(text).toContain('nothing more to say');
    }
    expect(hung.text).toMatch(/CPU \d\.\d\d s \(\+\d\.\d\d s\)/);
    const { stdout } = await fleet.admin(['ps', '-o', 'wide', task]);
    expect(stdout).toContain('no sign of life');
    await end(task);
  });

  test('one that spins shows what CPU it used since', async () => {
    const task = await started(['--watchdog', '1s', '--on-hang', 'notify'], speak, 'spins');
    const { text } = await event(task, 'process-hung');
    const used = Number(/\(\+(\d+\.\d\d) s\)/.exec(text)?.[1]);
    expect(used).toBeGreaterThan(0.1);
    expect(text).toMatch(/ speak R/);
    expect((await row(task)).restarts).toBe(0);
    await end(task);
  });

  test('abort: SIGABRT, and the restart policy decides', async () => {
    const task = await started(['--watchdog', '400ms', '--on-hang', 'abort'], speak, 'hangs', '1');
    expect(await rowWhere(task, 'over', ({ state }) => state === 'exited')).toMatchObject({
      signal: 'SIGABRT',
      restarts: 0,
      reason: expect.stringContaining('no sign of life'),
    });
  });

  test('continue: who was stopped goes on; hung again it is restarted', async () => {
    const task = await started(['--watchdog', '1s', '--on-hang', 'continue'], speak, 'beats', '50');
    const { pid } = await row(task);
    process.kill(pid, 'SIGSTOP');
    expect((await event(task, 'process-stopped')).text).toContain('somebody else stopped it');
    expect(await row(task)).toMatchObject({
      state: 'running',
      reason: expect.stringMatching(/SIGSTOP/),
    });
    await event(task, 'process-hung');
    await event(task, 'process-continued');
    expect(await rowWhere(task, 'as before', ({ reason }) => reason === null)).toMatchObject({
      pid,
      restarts: 0,
    });
    await end(task);
    const dead = await started(
      ['--watchdog', '300ms', '--on-hang', 'continue'],
      speak,
      'hangs',
      '1',
    );
    await rowWhere(dead, 'restarted', ({ restarts }) => restarts > 0);
    await end(dead);
  });

  test('WATCHDOG=trigger, and a period that the program sets itself', async () => {
    const task = await sh(
      ['--on-hang', 'abort'],
      'lotc-notify WATCHDOG_USEC=60000000 WATCHDOG=1 && lotc-notify WATCHDOG=trigger; sleep 60',
    );
    expect(await rowWhere(task, 'over', ({ state }) => state === 'exited')).toMatchObject({
      reason: expect.stringContaining('WATCHDOG=trigger'),
    });
    const short = await sh(
      ['--on-hang', 'abort'],
      'lotc-notify WATCHDOG_USEC=200000; exec sleep 60',
    );
    expect(await rowWhere(short, 'over', ({ state }) => state === 'exited')).toMatchObject({
      signal: 'SIGABRT',
    });
  });

  test('start and run timeouts, and more time for who asks', async () => {
    const slow = await sh(['--start-timeout', '400ms', '--on-hang', 'abort'], 'exec sleep 60');
    expect(await rowWhere(slow, 'over', ({ state }) => state === 'exited')).toMatchObject({
      signal: 'SIGABRT',
      reason: expect.stringContaining('not ready within'),
    });
    const asks = await sh(
      ['--start-timeout', '400ms'],
      'lotc-notify EXTEND_TIMEOUT_USEC=60000000; sleep 1; lotc-notify READY=1; sleep 60',
    );
    await fleet.must(['wait', asks, '--for', 'ready', '--timeout', '20s']);
    expect((await row(asks)).restarts).toBe(0);
    const long = await sh(['--run-timeout', '500ms', '--restart', 'always'], 'exec sleep 60');
    expect(await rowWhere(long, 'over', ({ state }) => state === 'exited')).toMatchObject({
      signal: 'SIGTERM',
      restarts: 0,
      reason: expect.stringContaining('ran for longer than 500ms'),
    });
    await end(asks);
  });
});

describe('the agent is away', () => {
  test('stopped for three watchdogs: signs given meanwhile count, silence does too', async () => {
    const alive = await started(['--watchdog', '1s'], speak, 'beats', '100');
    const starting = await sh(
      ['--start-timeout', '1500ms'],
      'sleep 0.5; lotc-notify READY=1; exec sleep 60',
    );
    const hung = await started(['--watchdog', '1s', '--on-hang', 'notify'], speak, 'hangs', '1');
    const pid = agentPid();
    process.kill(pid, 'SIGSTOP');
    await sleep(3_500);
    process.kill(pid, 'SIGCONT');
    await event(hung, 'process-hung');
    await sleep(1_200);
    for (const task of [alive, starting]) {
      expect(await row(task)).toMatchObject({ state: 'running', restarts: 0, ready: true });
      expect((await kindsOf(task)).filter((kind) => kind === 'process-hung')).toEqual([]);
    }
    await end(alive, starting, hung);
  });

  test('killed and started again: it watches on, and knows who is ready', async () => {
    const alive = await started(['--watchdog', '1s'], speak, 'beats', '100');
    const quiet = await started(['--watchdog', '2s', '--on-hang', 'notify'], speak, 'hangs', '1');
    await fleet.must(['wait', alive, quiet, '--for', 'ready', '--timeout', '20s']);
    await agent.stop('SIGKILL');
    await sleep(2_500);
    agent = await fleet.agent('n1');
    await fleet.online('n1');
    await event(quiet, 'process-hung');
    expect(await row(alive)).toMatchObject({ state: 'running', ready: true, restarts: 0 });
    expect((await row(alive)).status).toBe('beating');
    await end(alive, quiet);
  });
});

describe('health checks', () => {
  test('exec: ready when it passes, hung when it fails; what never ends is ended', async () => {
    const task = await sh(
      [
        '--health-exec',
        'test -e well || { echo not well; exit 3; }',
        '--health-every',
        '200ms',
      ].concat(['--health-failures', '2', '--health-delay', '300ms', '--on-hang', 'abort']),
      'touch well; exec sleep 60',
    );
    await fleet.must(['wait', task, '--for', 'ready', '--timeout', '20s']);
    execFileSync('rm', [`/proc/${(await row(task)).pid}/cwd/well`]);
    const over = await rowWhere(task, 'over', ({ state }) => state === 'exited');
    expect(over.reason).toMatch(/the health check failed 2 times in a row: code 3: not well/);

    const marker = 7_777_001;
    const never = await sh(
      [
        '--health-exec',
        `(setsid sleep ${marker} &) ; sleep ${marker}`,
        '--health-every',
        '300ms',
      ].concat(['--health-timeout', '200ms', '--health-failures', '2', '--on-hang', 'notify']),
      'exec sleep 60',
    );
    expect((await event(never, 'process-hung')).text).toContain('it took longer than 200 ms');
    await end(never);
    const left = () =>
      execFileSync('sh', ['-c', `pgrep -fx "sleep ${marker}" || :`])
        .toString()
        .trim();
    await until(
      () => left() === '',
      10_000,
      () => `left: ${left()}`,
    );
  });

  test('tcp and http', async () => {
    const server = `import http.server, os, sys, time
class H(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    self.send_response(503 if os.path.exists("ill") else 204); self.end_headers()
  def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()`;
    const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'])
      .toString()
      .trim();
    const quick = ['--health-every', '200ms', '--health-failures', '2', '--on-hang', 'abort'];
    const http = await started(
      [...quick, '--start-timeout', '30s', '--health-http', 'http://127.0.0.1:8181/'],
      ...[python, '-c', server, '8181'],
    );
    const tcp = await started(
      [...quick, '--start-timeout', '30s', '--health-tcp', '127.0.0.1:8181'],
      ...['sleep', '60'],
    );
    await fleet.must(['wait', http, tcp, '--for', 'ready', '--timeout', '30s']);
    const cwd = `/proc/${(await row(http)).pid}/cwd`;
    execFileSync('touch', [`${cwd}/ill`]);
    const over = await rowWhere(http, 'over', ({ state }) => state === 'exited');
    expect(over.reason).toContain('it answered 503');
    expect(await rowWhere(tcp, 'over', ({ state }) => state === 'exited')).toMatchObject({
      reason: expect.stringMatching(/ECONNREFUSED/),
    });
  });
});

describe('suspended', () => {
  test('by whom and since when; no clock and no CPU goes on; a stop thaws it first', async () => {
    const script = 'trap "exit 9" TERM; while :; do :; done';
    const busy = await sh(['--run-timeout', '60s'], script);
    const watched = await started(['--watchdog', '500ms'], speak, 'beats', '50');
    await fleet.must(['suspend', busy, watched, '--wait']);
    const held = await row(busy);
    expect(held).toMatchObject({ state: 'suspended', suspendedBy: 'admin' });
    expect(Date.now() - Date.parse(held.suspendedAt ?? '')).toBeLessThan(60_000);
    const { stdout } = await fleet.admin(['ps', busy]);
    expect(stdout).toContain('suspended by admin');
    const ticks = () =>
      readFileSync(`/proc/${held.pid}/stat`, 'utf8').split(' ').slice(13, 15).join();
    const before = ticks();
    await sleep(1_500);
    expect(ticks()).toBe(before);
    await fleet.must(['resume', watched, '--wait']);
    await sleep(700);
    expect(await row(watched)).toMatchObject({ state: 'running', restarts: 0, suspendedBy: null });
    const news = ['process-hung', 'process-stopped', 'process-continued'];
    expect((await kindsOf(watched)).filter((kind) => news.includes(kind))).toEqual([]);
    await fleet.must(['stop', busy, '--wait']);
    expect(await row(busy)).toMatchObject({ state: 'exited', exitCode: 9 });
    await end(watched);
  });

  test('it stays so while the agent is gone, and is known to be', async () => {
    const task = await started(['--watchdog', '500ms'], speak, 'beats', '50');
    await fleet.must(['suspend', task, '--wait']);
    const { suspendedAt, pid } = await row(task);
    await agent.stop('SIGKILL');
    await sleep(1_000);
    agent = await fleet.agent('n1');
    await fleet.online('n1');
    expect(await row(task)).toMatchObject({
      state: 'suspended',
      suspendedBy: 'admin',
      suspendedAt,
      pid,
    });
    await sleep(1_000);
    await fleet.must(['resume', task, '--wait']);
    await sleep(700);
    expect(await row(task)).toMatchObject({ state: 'running', restarts: 0, pid });
    await end(task);
  });
});

describe('what a program may send', () => {
  test('a flood: few rows, the agent lives, and its last word is told', async () => {
    const task = await started(['--watchdog', '10s'], speak, 'floods', '1500');
    await rowWhere(task, 'its last status', ({ status }) => status === 'beating');
    expect(await row(task)).toMatchObject({ state: 'running', restarts: 0 });
    await end(task);
  });

  test('garbage', async () => {
    const task = await started(['--watchdog', '2s'], speak, 'garbage');
    await rowWhere(task, 'its last status', ({ status }) => status === 'beating');
    expect(await row(task)).toMatchObject({ state: 'running', restarts: 0, ready: true });
    await end(task);
  });

  test('MAINPID: the run goes on with the process it names, and ends with it', async () => {
    const task = await started(['--start-timeout', '20s'], speak, 'daemon', '5');
    await fleet.must(['wait', task, '--for', 'ready', '--timeout', '20s']);
    expect(await rowWhere(task, 'over', ({ state }) => state === 'exited')).toMatchObject({
      exitCode: 5,
    });
  });
});

test('values that nobody could mean are refused by name, with 2', async () => {
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['--watchdog', '1'], /--watchdog/],
    [['--watchdog', '-1s'], /--watchdog/],
    [['--watchdog', '10ms'], /watchdog: .* is not between/],
    [['--watchdog', '99999999d'], /watchdog: .* is longer than/],
    [['--on-hang', 'pray'], /--on-hang/],
    [['--health-every', '1s'], /there is no health check/],
    [['--health-exec', 'true', '--health-tcp', '80'], /only one of/],
    [['--health-exec', 'true', '--health-failures', '0'], /--health-failures/],
    [['--health-tcp', 'x:y:z'], /health-tcp/],
    [['--health-tcp', '70000'], /health-tcp/],
    [['--health-http', 'localhost/x'], /health-http/],
    [['--run-timeout', '0s'], /run-timeout/],
  ];
  for (const [options, text] of wrong) {
    const { code, stderr } = await fleet.admin(['task', 'create', 'bad', ...options, '--', 'true']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(text)]);
  }
  expect(existsSync(executable)).toBe(true);
});

function agentPid(): number {
  // `ip netns exec` becomes the agent.
  return agent.pid;
}
