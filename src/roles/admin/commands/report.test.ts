/** `report` against a scripted server. */
import { expect, test } from 'vitest';
import { run, type Said } from '../fake.io.ts';

const node = { nodeState: 'online', clock: { synchronized: true, clockErrorUs: 1_500 } };
const process = {
  run: 'R0123456789A',
  task: 't',
  node: 'n1',
  processState: 'running',
  createdAt: 5,
};
const answers: Readonly<Record<string, object>> = {
  nodes: {
    nodes: [
      { ...node, node: 'n1' },
      { node: 'n2', nodeState: 'unresponsive' },
    ],
  },
  tasks: { tasks: [{ task: 't', spec: { command: ['x'] }, enabled: false, revision: 1 }] },
  processes: {
    processes: [
      process,
      { ...process, run: 'R1', createdAt: 1, processState: 'lost' },
      { ...process, run: 'R2', node: 'n2', processState: 'exited', exitCode: 3, reason: 'exit 3' },
      {
        ...process,
        run: 'R3',
        node: 'n3',
        processState: 'exited',
        signal: 'SIGTERM',
        wish: 'down',
      },
    ],
  },
  summaries: {
    summaries: [
      {
        ...{ schedule: 's', action: 'start', count: 5, okCount: 3, skippedCount: 1 },
        ...{ failedCount: 1, lostCount: 0, lateMaxUs: 2_000 },
      },
    ],
  },
  limits: { tallies: [{ text: 'handshakeMs', count: 2 }] },
  stats: {
    samples: [
      { at: 1, node: 'n1', run: 'R0123456789A', cpuPercent: 12.34, memoryBytes: 1024 },
      { at: 1, node: 'n1', memoryBytes: 4096, memoryTotalBytes: 8192, diskFreeBytes: 1 << 30 },
    ],
  },
};
const retQuery = (body: Said['body']) => ({ ok: answers[String(body['query'])] ?? {} });

test('the whole system, for people', async () => {
  const { exitCode, stdout } = await run(['report'], { retQuery });
  expect(exitCode).toBe(0);
  expect(stdout.split('\n').slice(1)).toEqual([
    'nodes      1 online, 1 unresponsive (n2)',
    'clocks     1 of 2 synchronized, worst error 1.500ms',
    'tasks      1, 1 disabled',
    'processes  2 exited, 1 running',
    'firings    3 ok, 1 skipped, 1 failed, 0 lost; latest 2.000ms',
    'resources  CPU 12.3 %, memory 1.0KiB; least disk free 1.0GiB',
    'limits     2 handshakeMs',
    'failure    t@n2 R2 exited code 3 exit 3',
    '',
  ]);
});

test('again and again, a line each, or a file that is replaced', async () => {
  const prepare = (console: { skips: boolean }): void => {
    console.skips = true;
  };
  const words = ['report', '--every', '1m', '--count', '3', '--json'];
  const lines = await run(words, { retQuery }, { prepare });
  expect(
    lines.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { at: string }).at),
  ).toHaveLength(3);
  const file = await run([...words, '--out', 'r.json'], { retQuery }, { prepare });
  expect([file.stdout, file.console.replaced.length]).toEqual(['', 3]);
  expect(JSON.parse(file.console.replaced[0]?.text ?? '')).toMatchObject({ tasks: { total: 1 } });
});

test.each([
  [['report', '--count', '2'], '--count goes with --every'],
  [['report', '--every', '0s'], '--every 0'],
])('%j is a usage error', async (words, text) => {
  const { exitCode, stderr } = await run(words, { retQuery });
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(text)]);
});
