/** Waiting, watching, logs, ad-hoc commands and batches against a scripted server. */
import { expect, test } from 'vitest';
import { errorCodes, LotcError } from '../../../base/errors.ts';
import { failure, Refused } from '../client.ts';
import type { FakeConsole } from '../fake.io.ts';
import { run, settle } from '../fake.io.ts';

const operation = 'O0123456789A';
const process = (node: string, more: object = {}) => ({
  ...{ run: `R012345678${node.toUpperCase().replace('N', 'N')}`, task: 'web', node },
  ...{ processState: 'exited', exitCode: 0, ...more },
});
const data = (text: string): Uint8Array => Buffer.from(text);

test('wait ends as the program did', async () => {
  const waited = async (...processes: object[]) =>
    (await run(['wait', 'web'], { retWait: { ok: { processes } } })).exitCode;
  expect(await waited(process('n1'))).toBe(0);
  expect(await waited(process('n1', { exitCode: 9 }))).toBe(9);
  expect(await waited(process('n1', { exitCode: undefined, signal: 'SIGKILL' }))).toBe(137);
  expect(await waited(process('n1'), process('n2', { exitCode: 9 }))).toBe(7);
  expect(await waited(process('n1', { processState: 'lost' }))).toBe(3);
});

test('wait asks for what it is told to wait for', async () => {
  const { ask, exitCode, stdout } = await run(
    ['wait', 'web', '--for', 'running', '--on', 'n1', '--json'],
    { retWait: { ok: { processes: [process('n1', { processState: 'running' })] } } },
  );
  expect(exitCode).toBe(0);
  expect(ask.last('retWait')).toEqual({ targets: ['web'], waitFor: 'running', on: 'n1' });
  expect(JSON.parse(stdout)).toHaveLength(1);
});

test('wait has no limit but --timeout', async () => {
  const script = { retWait: { silent: true } };
  const { exitCode } = await run(['wait', 'web', '--timeout', '5s'], script, {
    during: async (console) => {
      await settle();
      console.pass(5_000);
    },
  });
  expect(exitCode).toBe(124);
  let timers = -1;
  const dropped = await run(['wait', 'web'], script, {
    during: async (console) => {
      await settle();
      timers = console.timers.length;
      await console.ask.then_('retWait', { ok: { processes: [process('n1')] } });
    },
  });
  expect([timers, dropped.exitCode]).toEqual([0, 0]);
});

test('logs of one node: bytes as they are', async () => {
  const { ask, exitCode, stdout } = await run(
    ['logs', 'web', '-n', '5', '--since', '1m', '--stderr'],
    {
      retQuery: { ok: { processes: [process('n1')] } },
      retLog: { more: [{ node: 'n1', run: 'R1', stream: 'stderr', data: data('a\nb') }], ok: {} },
    },
  );
  expect([exitCode, stdout]).toEqual([0, 'a\nb']);
  expect(ask.last('retLog')).toEqual({
    ...{ targets: ['web'], tail: 5, since: 1_800_000_000_000_000 - 60_000_000 },
    streams: ['stderr'],
  });
});

test('logs of several nodes are prefixed; what could not be had is named', async () => {
  const { exitCode, stderr, stdout } = await run(['logs', 'web', '-f'], {
    retQuery: { ok: { processes: [process('n1'), process('n2')] } },
    retLog: {
      more: [
        { node: 'n1', run: 'R1', stream: 'stdout', data: data('a\n'), at: 2 },
        { node: 'n2', run: 'R2', stream: 'stdout', data: data('b'), at: 1 },
      ],
      ok: { text: 'node n3 is not online' },
    },
  });
  expect([exitCode, stdout]).toEqual([7, 'n1| a\nn2| b\n']);
  expect(stderr).toBe('error: node n3 is not online\n');
});

test('logs --run asks for that run alone, and --raw obeys', async () => {
  const script = {
    retLog: { more: [{ node: 'n1', run: 'R1', stream: 'stdout', data: data('\x1b[31m') }], ok: {} },
  };
  const words = ['logs', '--run', 'R0123456789A'];
  expect((await run(words, script, { tty: true })).stdout).toBe('\\x1b[31m');
  expect((await run([...words, '--raw'], script, { tty: true })).stdout).toBe('\x1b[31m');
  expect((await run(words, script)).ask.said).toHaveLength(1);
});

const began = (...nodes: string[]) => ({
  operation,
  processes: nodes.map((node) => process(node, { task: undefined, processState: 'pending' })),
});

test('run on one node: streams apart, the own exit code', async () => {
  const { ask, exitCode, stderr, stdout } = await run(
    ['run', '--on', 'n1', '--user', 'www', '--bundle', 'b', '--', 'sh', '-c', 'exit 3'],
    {
      retExec: {
        ack: began('n1'),
        more: [
          { node: 'n1', run: 'R1', stream: 'stdout', data: data('out') },
          { node: 'n1', run: 'R1', stream: 'stderr', data: data('err\n') },
        ],
        ok: { processes: [process('n1', { exitCode: 3 })] },
      },
    },
  );
  expect([exitCode, stdout, stderr]).toEqual([3, 'out', 'err\n']);
  expect(ask.last('retExec')).toEqual({
    ...{ spec: { command: ['sh', '-c', 'exit 3'], user: 'www', bundle: 'b' }, on: 'n1' },
  });
});

test('run on several nodes: prefixed, 7 where one failed, failures named', async () => {
  const { exitCode, stderr, stdout } = await run(['run', '--on', '@all', '--', 'x'], {
    retExec: {
      ack: began('n1', 'n2'),
      more: [
        { node: 'n1', run: 'R1', stream: 'stdout', data: data('a\nb') },
        { node: 'n2', run: 'R2', stream: 'stdout', data: data('c\n') },
      ],
      ok: {
        processes: [
          process('n1'),
          process('n2', { processState: 'failed', reason: 'ENOENT', task: undefined }),
        ],
        answers: [
          { ok: false, node: 'n3', errorCode: errorCodes.unresponsive.number, text: 'n3 away' },
        ],
      },
    },
  });
  expect([exitCode, stdout]).toEqual([7, 'n1| a\nn2| c\nn1| b\n']);
  expect(stderr).toContain('error: n3 away');
  expect(stderr).toContain('the command did not start: ENOENT');
});

test('run: stdin goes on in pieces and then ends', async () => {
  const { ask } = await run(
    ['run', '--on', 'n1', '--stdin', '--', 'cat'],
    { retExec: { ack: began('n1'), silent: true }, retInput: { ok: {} } },
    {
      stdin: 'x'.repeat(20_000),
      during: async (console) => {
        for (let turn = 0; turn < 20; turn += 1) await settle();
        await console.ask.then_('retExec', { ok: { processes: [process('n1')] } });
      },
    },
  );
  expect(ask.last('retExec')).toMatchObject({ stdin: true });
  const inputs = ask.said.filter(({ kind }) => kind === 'retInput').map(({ body }) => body);
  const sizes = inputs.map((input) => (input['data'] as Uint8Array | undefined)?.length);
  expect(sizes).toEqual([16_320, 3_680, undefined]);
  expect(inputs.at(-1)).toEqual({ operation, last: true });
});

test('run: Ctrl-C goes to the program; the third time the console leaves', async () => {
  const during = async (console: FakeConsole): Promise<void> => {
    await settle();
    console.signal?.('SIGINT');
    console.signal?.('SIGTERM');
    await settle();
    console.signal?.('SIGINT');
  };
  const { ask, exitCode, stderr } = await run(
    ['run', '--on', 'n1', '--', 'x'],
    { retExec: { ack: began('n1'), silent: true }, retInput: { ok: {} } },
    { during },
  );
  const signals = ask.said.filter(({ kind }) => kind === 'retInput').map(({ body }) => body);
  expect(signals).toEqual([
    { operation, signal: 'SIGINT' },
    { operation, signal: 'SIGTERM' },
  ]);
  expect([exitCode, ask.dropped]).toEqual([130, ['retExec']]);
  expect(stderr).toContain('once more to leave');
});

test('run: the time is up, and it says where the command has not ended', async () => {
  const { exitCode, stderr } = await run(
    ['run', '--on', '@all', '--timeout', '5s', '--', 'x'],
    {
      retExec: { ack: began('n1', 'n2', 'n3'), more: [{ process: process('n2') }], silent: true },
    },
    {
      during: async (console) => {
        await settle();
        console.pass(5_000);
      },
    },
  );
  expect([exitCode, stderr]).toEqual([
    124,
    'error: the command has not ended within 5s on n1, n3\nhint: it is stopped there; see --timeout\n',
  ]);
});

test('run -t: raw terminal, its size, and the size when it changes', async () => {
  const raw: boolean[] = [];
  let resize = (): void => undefined;
  const { ask, stdout } = await run(
    ['run', '--on', 'n1', '-t', '--', 'bash'],
    { retExec: { ack: began('n1'), silent: true }, retInput: { ok: {} } },
    {
      tty: true,
      prepare: (console) => {
        console.tty = {
          raw: (on) => void raw.push(on),
          size: () => ({ rows: 24, columns: 80 }),
          onResize: (listener) => {
            resize = listener;
            return () => undefined;
          },
        };
      },
      during: async (console) => {
        await settle();
        resize();
        const part = { node: 'n1', run: 'R1', stream: 'stdout', data: data('\x1b[31m') };
        await console.ask.then_('retExec', { more: [part], ok: { processes: [process('n1')] } });
      },
    },
  );
  expect(ask.last('retExec')).toMatchObject({ tty: true, stdin: true, rows: 24, columns: 80 });
  expect(ask.said).toContainEqual({ kind: 'retInput', body: { operation, rows: 24, columns: 80 } });
  expect(stdout).toBe('\x1b[31m');
  expect(raw).toEqual([true, false]);
});

test('run --batch --fail-fast: groups in turn, until one fails', async () => {
  const nodes = ['n1', 'n2', 'n3'].map((node) => ({ node, nodeState: 'online' }));
  const { ask, exitCode, stderr } = await run(
    ['run', '--on', '@all', '--batch', '1', '--fail-fast', '--', 'x'],
    {
      retQuery: { ok: { nodes } },
      retExec: ({ on }) => ({
        ack: began(on as string),
        ok: { processes: [process(on as string, { exitCode: on === 'n2' ? 1 : 0 })] },
      }),
    },
  );
  const groups = ask.said.filter(({ kind }) => kind === 'retExec').map(({ body }) => body['on']);
  expect([exitCode, groups]).toEqual([7, ['n1', 'n2']]);
  expect(stderr).toMatch(/@n2 ended with code 1\nnot started on n3\n$/);
});

test('run: lotc failing is 125, no such node 4', async () => {
  const ended = async (error: Error) =>
    (await run(['run', '--on', 'n1', '--', 'x'], { retExec: { error } })).exitCode;
  expect(await ended(new LotcError('unreachable', 'down'))).toBe(125);
  expect(await ended(new Refused(failure('no-such-node', 'there is no node "n1"')))).toBe(4);
});

test('ping: each node as it answers, and who does not', async () => {
  const missing = {
    ok: false,
    node: 'n2',
    errorCode: errorCodes.unresponsive.number,
    text: 'n2 away',
  };
  const script = {
    pingNode: {
      more: [{ nodes: [{ node: 'n1', nodeState: 'online', rttUs: 532 }] }],
      ok: { nodes: [], answers: [missing] },
    },
  };
  const { ask, exitCode, stderr, stdout } = await run(['ping', '--json'], script);
  expect(ask.last('pingNode')).toEqual({ on: '@all' });
  expect([exitCode, JSON.parse(stdout)]).toMatchObject([7, { node: 'n1', rttUs: 532 }]);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'unresponsive', node: 'n2' } });
  const rounds = await run(
    ['ping', '--on', 'n1', '-c', '3'],
    { pingNode: { ok: { nodes: [] } } },
    {
      prepare: (console) => {
        console.after = (ms, callback) => {
          if (ms === 1_000) queueMicrotask(callback);
          return () => undefined;
        };
      },
    },
  );
  expect(rounds.ask.said.filter(({ kind }) => kind === 'pingNode')).toHaveLength(3);
});

test.each([
  ['ping', 'pingNode', ['n1', 'n2', 'n3'], 'nodes n2, n3'],
  ['sync', 'synNode', ['n1', 'n2'], 'node n2'],
  ['sync', 'synNode', ['n1'], undefined],
])('%s: the time is up, and it says who has not answered (%#)', async (verb, kind, all, named) => {
  const rows = (names: readonly string[]) =>
    names.map((node) => ({ node, nodeState: 'online', clock: { synchronized: false } }));
  const { exitCode, stderr, stdout } = await run(
    [verb, '--timeout', '3s', '-o', 'name'],
    {
      retQuery: { ok: { nodes: rows(all) } },
      [kind]: { more: [{ nodes: rows(['n1']) }], silent: true },
    },
    {
      during: async (console) => {
        await settle();
        console.pass(3_000);
      },
    },
  );
  expect([exitCode, stdout]).toEqual([124, 'n1\n']);
  expect(stderr).toContain(named ? `error: no answer within 3s of ${named}\n` : 'within 3s\n');
});

const event = (seq: number) => ({ seq, at: seq, eventKind: 'k', text: `event ${seq}` });

test('events in pages; -f goes on', async () => {
  const pages = {
    retQuery: ({ after }: Readonly<Record<string, unknown>>) =>
      after === undefined
        ? { ok: { events: [event(1)], after: 1 } }
        : { ok: { events: [event(2)] } },
  };
  const { stdout } = await run(['events', '--json', '--since', '1h'], pages);
  expect((JSON.parse(stdout) as { seq: number }[]).map(({ seq }) => seq)).toEqual([1, 2]);
  const follow = await run(['events', '-f', '--json'], {
    retWatch: { more: [{ events: [event(1)] }, { events: [event(2)] }], ok: {} },
  });
  expect(
    follow.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toHaveLength(2);
});

test('stats, once and watched', async () => {
  const samples = [{ at: 1_800_000_000_000_000 - 2_000_000, node: 'n1', cpuPercent: 1.25 }];
  const once = await run(['stats', '--json'], { retQuery: { ok: { samples } } });
  expect(JSON.parse(once.stdout)).toEqual([
    expect.objectContaining({
      node: 'n1',
      task: null,
      cpuPercent: 1.25,
      ageMs: 2_000,
      load1: null,
    }),
  ]);
  const watch = await run(['stats', 'web', '--watch'], {
    retWatch: { more: [{ samples }], ok: {} },
  });
  expect(watch.ask.last('retWatch')).toEqual({ query: 'stats', names: ['web'] });
  expect(watch.stdout).toContain('CPU %');
});

const batchScripts = {
  retQuery: { ok: { nodes: [{ node: 'n1', nodeState: 'online' }] } },
  taskRun: ({ targets }: Readonly<Record<string, unknown>>) =>
    (targets as string[])[0] === 'bad'
      ? { error: new Refused(failure('no-such-task', 'there is no task "bad"')) }
      : { ok: { operation, answers: [] } },
};

test('batch: one connection, stops at the first failure', async () => {
  const stdin = `# orders\nnode ls -o name\n\nstart 'web' -- "a b"\nstart bad\nstart web\n`;
  const { ask, exitCode, stderr, stdout } = await run(['batch'], batchScripts, { stdin });
  expect([exitCode, stdout]).toEqual([4, `n1\n${operation}\n`]);
  expect(stderr).toContain('there is no task "bad"');
  expect(ask.said).toHaveLength(3);
  expect(ask.said[1]?.body).toMatchObject({ targets: ['web'], arguments: ['a b'] });
});

test('batch --keep-going: every line, 7 where some failed', async () => {
  const stdin = 'start bad\nstart web\nnope\nstart "web\nbatch';
  const { ask, exitCode, stderr } = await run(['batch', '--keep-going'], batchScripts, { stdin });
  expect(exitCode).toBe(7);
  expect(ask.said).toHaveLength(2);
  expect(stderr).toContain('line 3: there is no command "lotc admin nope"');
  expect(stderr).toContain('line 4: a quote or backslash has no end');
  expect(stderr).toContain('line 5: batch: a batch within a batch');
  const same = await run(['batch', '--keep-going'], batchScripts, {
    stdin: 'start bad\nstart bad',
  });
  expect(same.exitCode).toBe(4);
});

test('batch hands its output format on', async () => {
  const { stdout } = await run(['batch', '--json'], batchScripts, { stdin: 'nodes\nstart web' });
  expect(stdout).toMatch(/^\[\n\{"name":"n1"/);
  expect(stdout).toContain(`{"operation":"${operation}","answers":[]}`);
});

test('sync shows each clock, what each time server proves, and who does not answer', async () => {
  const servers = [
    { host: 'good', truechimer: true, reach: 255, offsetUs: 12, lowUs: -90, highUs: 110 },
    { host: 'bad', truechimer: false, reach: 0, reason: 'does not resolve (ENOTFOUND)' },
  ];
  const clock = { synchronized: true, offsetUs: 12, clockErrorUs: 99, source: 'ntp', servers };
  const script = {
    synNode: {
      more: [{ nodes: [{ node: 'n1', nodeState: 'online', clock }] }],
      ok: {
        nodes: [],
        clock: { synchronized: false },
        answers: [{ ok: false, node: 'n2', text: 'node n2 does not answer', errorCode: 16 }],
      },
    },
  };
  const json = await run(['sync', '--on', 'zone=a', '--json'], script);
  expect(json.ask.last('synNode')).toEqual({ on: 'zone=a' });
  expect(JSON.parse(json.stdout)).toMatchObject([
    {
      ...{ node: 'n1', offsetUs: 12, errorUs: 99, source: 'ntp', stratum: null },
      servers: [
        { host: 'good', interval: { lowUs: -90, highUs: 110 }, truechimer: true, error: null },
        { host: 'bad', interval: null, error: 'does not resolve (ENOTFOUND)' },
      ],
    },
  ]);
  expect(json.exitCode).not.toBe(0);
  const table = await run(['sync'], script);
  expect(table.stdout).toMatch(/n1 +0\.012ms +0\.099ms +ntp/);
  expect(table.stdout).toMatch(/n1 +bad +no .*does not resolve/);
  expect(table.stderr).toContain('relative');
});
