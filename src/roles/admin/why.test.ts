/** Why, by table: facts in, one chain of sentences out. */
import { expect, test } from 'vitest';
import { explain, type Facts } from './why.ts';

const AT = 1_800_000_000_000_000;
const process = {
  ...{ run: 'R0123456789A', task: 't', node: 'n1', processState: 'running' },
  ...{ createdAt: AT, startedAt: AT + 1_000_000, operation: 'O0123456789A' },
};
const facts: Facts = {
  task: { task: 't', spec: { command: ['x'] }, enabled: true, revision: 1 },
  nodes: [{ node: 'n1', nodeState: 'online', labels: { zone: 'a' } }],
  ...{ processes: [], bundle: undefined, schedules: [], fires: [], events: [] },
  operations: [
    {
      ...{ operation: 'O0123456789A', verb: 'start', targets: ['t'], at: AT, who: 'ann' },
      operationState: 'done',
    },
  ],
  nowUs: AT + 61_000_000,
};
const start = 'ann asked for start at 2027-01-15T08:00:00Z (operation O0123456789A)';
const suspended = { ...process, processState: 'suspended', suspendedAt: AT + 5_000_000 };
const exited = { ...process, processState: 'exited', exitedAt: AT + 9_000_000, exitCode: 3 };
const order = (verb: string, at: number) => ({
  ...{ operation: 'O0000000000B', verb, targets: ['t@n1'], at, who: 'bob', operationState: 'done' },
});
const schedule = {
  ...{ schedule: 's', action: 'start', task: 't', sinceUs: 1, revision: 1, missed: 'skip' },
  overlap: 'forbid',
};
const bundled = { ...facts.task, spec: { command: ['x'], bundle: 'b' } } as Facts['task'];
const bundle = (bundleState: string, reason?: string): Facts['bundle'] => ({
  ...{ bundle: 'b', digest: 'sha256:1', sizeBytes: 1 },
  presences: [{ node: 'n1', bundleState, reason }],
});

test.each<[string, Partial<Facts>, readonly string[]]>([
  [
    'was moved',
    {
      processes: [process],
      events: [
        {
          ...{ seq: 1, at: AT, eventKind: 'task-moved', run: process.run },
          text: 'task "t" moved to n1 from n2: its lease ended: the node did not renew it',
        },
      ],
    },
    [
      'run R0123456789A has been running for 1m',
      'at 2027-01-15T08:00:00Z: task "t" moved to n1 from n2: its lease ended: the node did not renew it',
    ],
  ],
  ['runs', { processes: [process] }, ['run R0123456789A has been running for 1m', start]],
  [
    'was restarted',
    {
      processes: [{ ...process, restarts: 2 }],
      events: [
        {
          ...{ seq: 1, at: AT, eventKind: 'process-pending', run: process.run },
          text: 'restarts in 2 s: exited with code 1',
        },
      ],
    },
    [
      'run R0123456789A has been running for 1m',
      'it was restarted by its policy 2 times',
      'last: restarts in 2 s: exited with code 1',
      start,
    ],
  ],
  [
    'waits for a node that is away',
    {
      processes: [{ ...process, processState: 'pending', startedAt: undefined }],
      nodes: [{ node: 'n1', nodeState: 'unresponsive', lastSeen: AT }],
    },
    [
      'run R0123456789A is pending',
      'node n1 is unresponsive; it was last seen at 2027-01-15T08:00:00Z',
      start,
    ],
  ],
  [
    'is placed there',
    {
      task: {
        ...{ task: 'crawl', enabled: true, revision: 1 },
        ...{ spec: { command: ['x'], instances: 2 }, placed: ['n1'] },
        places: [{ ok: true, node: 'n1', text: 'chosen: 1 instance' }],
      },
      processes: [{ ...process, processState: 'pending', reason: 'waits for node n1' }],
    },
    ['run R0123456789A is pending', 'waits for node n1', start, 'node n1 was chosen: 1 instance'],
  ],
  [
    'waits for its bundle',
    {
      task: bundled,
      bundle: bundle('loading', 'no space left'),
      processes: [{ ...process, processState: 'pending', reason: 'waits for bundle b' }],
    },
    [
      'run R0123456789A is pending',
      'waits for bundle b',
      'its bundle "b" is loading there: no space left',
      start,
    ],
  ],
  [
    'was suspended by somebody',
    {
      processes: [suspended],
      operations: [
        ...facts.operations,
        order('suspend', AT + 4_000_000),
        order('suspend', AT + 6e6),
      ],
    },
    [
      'run R0123456789A is suspended since 2027-01-15T08:00:05Z',
      'bob asked for suspend at 2027-01-15T08:00:04Z (operation O0000000000B)',
      start,
    ],
  ],
  [
    'was suspended by a schedule',
    {
      processes: [suspended],
      fires: [
        {
          ...{ schedule: 'freeze', action: 'suspend', node: 'n1', plannedUs: AT + 5_000_000 },
          result: 'ok',
        },
      ],
    },
    [
      'run R0123456789A is suspended since 2027-01-15T08:00:05Z',
      'schedule "freeze" fired suspend for 2027-01-15T08:00:05Z',
      start,
    ],
  ],
  [
    'was stopped',
    {
      processes: [{ ...exited, exitCode: undefined, signal: 'SIGTERM', wish: 'down' }],
      operations: [...facts.operations, order('stop', AT + 8_000_000)],
    },
    [
      'run R0123456789A ended by SIGTERM at 2027-01-15T08:00:09Z',
      'bob asked for stop at 2027-01-15T08:00:08Z (operation O0000000000B)',
    ],
  ],
  [
    'ended by itself, and a schedule starts it again',
    { processes: [exited], schedules: [{ ...schedule, next: [AT + 3_600_000_000] }] },
    [
      'run R0123456789A ended with code 3 at 2027-01-15T08:00:09Z',
      'its restart policy is "no": it does not begin again by itself',
      'schedule "s" starts it next at 2027-01-15T09:00:00Z',
    ],
  ],
  [
    'never ran: disabled, skipped, paused',
    {
      task: { ...facts.task, enabled: false } as Facts['task'],
      schedules: [{ ...schedule, paused: true }],
      events: [{ seq: 1, at: AT, eventKind: 'task-disabled', text: '', who: 'bob' }],
      fires: [
        {
          ...{ schedule: 's', action: 'start', node: 'n1', plannedUs: AT, result: 'skipped' },
          reason: 'the clock is not known as well as 50ms',
        },
      ],
    },
    [
      'it has not run on node n1',
      'the task is disabled (bob at 2027-01-15T08:00:00Z): it does not start',
      'the firing of schedule "s" for 2027-01-15T08:00:00Z was skipped: the clock is not known as well as 50ms',
      'schedule "s" is paused',
    ],
  ],
  [
    'never ran: nobody asked',
    {},
    ['it has not run on node n1', 'nobody has started it there, and no schedule does'],
  ],
  [
    'failed',
    { processes: [{ ...process, processState: 'failed', reason: 'ENOENT: ./x', exitedAt: AT }] },
    ['run R0123456789A is failed at 2027-01-15T08:00:00Z', 'ENOENT: ./x', start],
  ],
  [
    'is lost with its node',
    {
      processes: [{ ...process, processState: 'lost', reason: 'the shim died', exitedAt: AT }],
      nodes: [],
    },
    ['run R0123456789A is lost at 2027-01-15T08:00:00Z', 'the shim died', 'node n1 was removed'],
  ],
])('%s', (_, some, chain) => {
  const [found] = explain({ ...facts, ...some });
  expect(found?.chain).toEqual(chain);
});

test('a node that is not selected is told of when it is asked about', () => {
  const task = { ...facts.task, spec: { command: ['x'], on: 'zone=b' } } as Facts['task'];
  expect(explain({ ...facts, task })).toMatchObject([{ node: undefined, state: 'none' }]);
  expect(explain({ ...facts, task }, new Set(['n1']))[0]?.chain).toEqual([
    'it has not run on node n1',
    'its selector "zone=b" does not match the node (labels: zone=a)',
  ]);
});

test('each node has its own chain', () => {
  const nodes = [...facts.nodes, { node: 'n2', nodeState: 'online', labels: {} }];
  const found = explain({
    ...facts,
    nodes,
    processes: [process, { ...process, run: 'R2', node: 'n2' }],
  });
  expect(found.map(({ node, run }) => [node, run])).toEqual([
    ['n1', 'R0123456789A'],
    ['n2', 'R2'],
  ]);
});

test('what waits for room names who has it, and who is suspended for it', () => {
  const rival = (task: string, spec: object, more: object = {}) => ({
    process: { ...process, run: 'R2', task, ...more },
    spec: { command: ['x'], ...spec },
  });
  const rivals = [
    rival('a', { priority: 1 }),
    rival('b', { priority: 7, slots: 2, cpuMax: 0.5 }, { processState: 'suspended' }),
    rival('service', { restart: 'always' }),
    rival('gone', {}, { processState: 'exited' }),
    rival('away', {}, { processState: 'suspended', preemptedBy: 'R9' }),
    rival('elsewhere', {}, { node: 'n2' }),
  ];
  const waits = 'waits for room: needs 1 slot, 0 of 3 free';
  const chainOf = (row: Partial<Facts['processes'][number]>) =>
    explain({ ...facts, rivals, processes: [{ ...process, ...row }] })[0]?.chain;
  const held =
    'the room of n1 is held by task "b" (suspended, priority 7, 2 slots, 0.5 cores), ' +
    'task "a" (running, priority 1, 1 slot)';
  expect(chainOf({ processState: 'pending', reason: waits })).toEqual([
    ...['run R0123456789A is pending', waits, held, start],
  ]);
  const reason = 'made room for task "b" (priority 7); goes on when there is room';
  const row = { processState: 'suspended', suspendedAt: AT, reason, preemptedBy: 'R2' };
  expect(chainOf(row)).toEqual([
    ...['run R0123456789A is suspended since 2027-01-15T08:00:00Z', reason, held, start],
  ]);
});

test('instances that have no node are told of first, and of a node why it was not chosen', () => {
  const task: Facts['task'] = {
    ...{ task: 't', spec: { command: ['x'], instances: 2 }, enabled: true, revision: 1 },
    ...{ placed: ['n1'], reason: '1 of 2 placed: node n2 is draining' },
    places: [{ ok: false, node: 'n2', text: 'node n2 is draining' }],
  };
  const nodes = [...facts.nodes, { node: 'n2', nodeState: 'draining', labels: {} }];
  const ended = { ...process, node: 'n2', run: 'R2', processState: 'exited', wish: 'down' };
  const event = { seq: 1, at: AT, eventKind: 'task-placed', text: 'task "t" leaves n2: drained' };
  const all = { ...facts, task, nodes, processes: [ended], events: [event], operations: [] };
  expect(explain(all).map(({ node, chain }) => [node, chain[0]])).toEqual([
    ['n1', 'it has not run on node n1'],
    [undefined, '1 of 2 placed: node n2 is draining'],
  ]);
  expect(explain({ ...all, processes: [] }, new Set(['n2']))[0]).toMatchObject({
    state: 'not placed',
    chain: ['it has not run on node n2', 'it is not placed there: node n2 is draining'],
  });
  expect(explain(all, new Set(['n2']))[0]?.chain).toContain(
    'at 2027-01-15T08:00:00Z: task "t" leaves n2: drained',
  );
});
