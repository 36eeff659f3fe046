import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonList, jsonText, renderList, renderOne, StreamRenderer } from './render.ts';
import { views } from './views.ts';

const AT = 1_800_000_000_123_456;
const process = {
  ...{ run: 'R0123456789A', task: 'web', node: 'n1', processState: 'running', pid: 12 },
  startedAt: AT,
};

/** The object table of the CLI contract: exactly these fields must be there. */
const fixed: Record<string, string[]> = {
  node: ['name', 'state', 'labels', 'addresses', 'version', 'lastSeen', 'clock', 'processes'],
  process: [
    ...['run', 'task', 'node', 'state', 'pid', 'startedAt', 'exitedAt', 'exitCode', 'signal'],
    ...['restarts', 'bundle', 'status', 'reason'],
  ],
  bundle: ['name', 'digest', 'size', 'nodes'],
  task: [
    ...['name', 'bundle', 'command', 'on', 'user', 'env', 'cwd', 'stop', 'keepRuns', 'keepFor'],
    ...['enabled', 'revision'],
  ],
  operation: ['id', 'verb', 'targets', 'by', 'at', 'state', 'answers'],
  stats: [
    ...['node', 'task', 'run', 'at', 'cpuPercent', 'memoryBytes', 'memoryKind', 'ioReadBytes'],
    ...['ioWriteBytes', 'threads', 'openFiles', 'uptimeMs', 'load1', 'memoryTotalBytes'],
    'diskFreeBytes',
  ],
  event: ['seq', 'at', 'clockErrorUs', 'kind', 'who', 'text'],
  token: ['id', 'role', 'scope', 'usesLeft', 'expiresAt'],
  ping: ['node', 'rttUs', 'outUs', 'backUs', 'wayErrorUs'],
  sync: ['node', 'offsetUs', 'errorUs', 'source', 'stratum', 'servers'],
  timeServer: [
    ...['host', 'offsetUs', 'delayUs', 'interval', 'truechimer', 'reach', 'stratum', 'error'],
  ],
};
const least: Record<string, unknown> = {
  node: { node: 'n1', nodeState: 'offline' },
  process: { run: 'R0123456789A', processState: 'pending' },
  bundle: { bundle: 'b', digest: `sha256:${'0'.repeat(64)}`, sizeBytes: 1 },
  task: { task: 't', spec: { command: ['x'] }, enabled: true, revision: 1 },
  operation: { operation: 'O', verb: 'start', targets: ['t'], at: AT, operationState: 'done' },
  stats: { at: AT },
  event: { seq: 1, at: AT, eventKind: 'k', text: 'x' },
  token: { token: 'ab', role: 'agent', usesLeft: 1, expiresAt: AT },
  ping: { node: 'n1' },
  sync: { node: 'n1', nodeState: 'online' },
  timeServer: { host: 't', truechimer: false, reach: 0 },
};

test.each(Object.keys(fixed))('%s has all its fixed fields, null where absent', (kind) => {
  const view = views[kind as keyof typeof views] as { json(row: unknown, nowUs: number): object };
  const json = view.json(least[kind], AT) as Record<string, unknown>;
  for (const field of fixed[kind] ?? []) {
    expect(json).toHaveProperty(field);
    expect(json[field]).not.toBeUndefined();
  }
  expect(JSON.parse(JSON.stringify(json))).toEqual(json);
});

test('nested fields are fixed too', () => {
  expect(Object.keys((views.node.json(least['node'] as never, 0) as never)['clock'])).toEqual([
    ...['synchronized', 'offsetUs', 'errorUs', 'source', 'stratum'],
  ]);
  const presences = [{ node: 'n1', bundleState: 'loading' }];
  const bundle = views.bundle.json({ ...(least['bundle'] as object), presences } as never, 0);
  expect(bundle['nodes']).toEqual([{ node: 'n1', state: 'loading', reason: null }]);
  const answers = [{ ok: false, node: 'n1', errorCode: 24, text: 'no' }];
  const operation = views.operation.json(
    { ...(least['operation'] as object), answers } as never,
    0,
  );
  expect(operation['answers']).toEqual([
    expect.objectContaining({ node: 'n1', ok: false, code: 'not-running', message: 'no' }),
  ]);
});

test('times are RFC 3339 with microseconds', () => {
  expect(views.process.json(process, AT)['startedAt']).toBe('2027-01-15T08:00:00.123456Z');
});

test('a list in each format', () => {
  const rows = [process, { run: 'R0123456789B', node: 'n2', processState: 'exited', exitCode: 3 }];
  expect(renderList(views.process, rows, 'name', AT)).toBe('web@n1\nR0123456789B\n');
  expect(JSON.parse(renderList(views.process, rows, 'json', AT))).toHaveLength(2);
  expect(renderList(views.process, [], 'json', AT)).toBe('[]\n');
  expect(renderList(views.process, rows, 'table', AT + 61_000_000)).toBe(
    [
      'TASK  NODE  RUN           STATE    PID  STARTED  END  REASON',
      'web   n1    R0123456789A  running   12     1m1s  -    -',
      '-     n2    R0123456789B  exited     -        -  3    -',
      '',
    ].join('\n'),
  );
  expect(renderList(views.process, rows, 'wide', AT)).toContain('COMMAND');
});

test('cells cannot break the table or the terminal', () => {
  const row = { ...process, reason: 'a\nb\x1b[31m' };
  const text = renderList(views.process, [row], 'table', AT);
  expect(text.split('\n')).toHaveLength(3);
  expect(text).toContain('a\\nb\\x1b[31m');
});

test('many targets do not fill the screen; in JSON all are there', () => {
  const targets = Array.from({ length: 2_000 }, (_, index) => `t${index}`);
  const row = { ...(least['operation'] as object), targets } as never;
  expect(renderList(views.operation, [row], 'table', AT)).toContain('t6,t7 and 1992 more  ');
  expect(JSON.parse(renderList(views.operation, [row], 'json', AT))[0].targets).toHaveLength(2_000);
});

test('one object', () => {
  expect(JSON.parse(renderOne(views.ping, { node: 'n1', rttUs: 5 }, 'json', 0))).toEqual({
    ...{ node: 'n1', rttUs: 5, outUs: null, backUs: null, wayErrorUs: null },
  });
  expect(renderOne(views.ping, { node: 'n1', rttUs: 5 }, 'table', 0)).toMatch(
    /^node +n1\nrttUs +5\n/,
  );
  expect(renderOne(views.ping, { node: 'n1' }, 'name', 0)).toBe('n1\n');
});

test('a stream has one head, and one object a line', () => {
  const table = new StreamRenderer(views.ping, 'table');
  expect(table.rows([{ node: 'n1', rttUs: 1500 }], 0)).toMatch(
    /^NODE  ROUND TRIP .*\nn1 +1\.500ms[ -]*\n$/,
  );
  expect(table.rows([{ node: 'n2', rttUs: 500 }], 0)).toMatch(/^n2 +0\.500ms[ -]*\n$/);
  const json = new StreamRenderer(views.ping, 'json');
  const lines = json.rows([{ node: 'n1' }, { node: 'n2' }], 0).split('\n');
  expect(lines.map((line) => line.slice(0, 13))).toEqual(['{"node":"n1",', '{"node":"n2",', '']);
});

test('an array in pieces', () => {
  const list = new JsonList();
  const text = list.items([1, 2]) + list.items([]) + list.items([3]) + list.end();
  expect(JSON.parse(text)).toEqual([1, 2, 3]);
  expect(new JsonList().end()).toBe('[]\n');
});

test('JSON keeps its value and no control character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = jsonText({ text });
      expect(JSON.parse(json)).toEqual({ text });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are the subject
      expect(json).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
    }),
  );
});
