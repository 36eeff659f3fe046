/** Placement, as a user has it: over racks, drained under load, with the server gone in between. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, type Role, until } from './fleet.ts';

let fleet: Fleet;
let server: Role;

beforeAll(async () => {
  fleet = new Fleet();
  server = await fleet.server();
  const racks = { n1: 'a', n2: 'a', n3: 'b', n4: 'c' };
  await Promise.all(
    Object.entries(racks).map(([name, rack]) =>
      fleet.agent(name, 'both', ['--label', `rack=${rack}`]),
    ),
  );
  await fleet.online('n1', 'n2', 'n3', 'n4');
}, 60_000);

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

async function running(task = 'web'): Promise<readonly string[]> {
  const rows = await fleet.json<{ node: string }[]>(['ps', task, '--state', 'running']);
  return rows.map(({ node }) => node).sort();
}

const runs = (nodes: readonly string[], task = 'web'): Promise<void> =>
  until(
    async () => (await running(task)).join() === nodes.join(),
    20_000,
    () => `${task} does not run on ${nodes.join()}`,
  );

interface Shown {
  readonly on: object;
  readonly placed: readonly string[];
  readonly missing: string | null;
  readonly places: readonly { node: string; chosen: boolean; reason: string }[];
}
const shown = (): Promise<Shown> => fleet.json<Shown>(['task', 'show', 'web']);

/** Each instance writes when it begins and when it ends, in one file. */
const script = (log: string): string =>
  `echo "$$ begin" >> ${log}; trap 'sleep 0.5; echo "$$ end" >> ${log}; exit 0' TERM; ` +
  'while :; do sleep 0.05; done';

test('instances are spread, moved by a drain one after the other, and survive the server', async () => {
  const log = fleet.path('web.log');
  const options = ['--instances', '3', '--spread', 'rack', '--restart', 'always'];
  await fleet.must(['task', 'create', 'web', ...options, '--', 'sh', '-c', script(log)]);
  expect(await shown()).toMatchObject({
    ...{ on: { instances: 3, spread: 'rack' }, placed: ['n1', 'n3', 'n4'], missing: null },
  });
  await fleet.must(['start', 'web', '--wait', '--timeout', '20s']);
  await runs(['n1', 'n3', 'n4']);

  await fleet.must(['node', 'drain', 'n1', '--wait', '--timeout', '20s']);
  expect(await fleet.nodeState('n1')).toBe('draining');
  await runs(['n2', 'n3', 'n4']);
  // Never more than three at once, whatever was on its way.
  let now = 0;
  const most = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => (now += line.endsWith('begin') ? 1 : -1));
  expect(Math.max(...most)).toBe(3);
  expect(most.at(-1)).toBe(3);
  const refused = await fleet.admin(['start', 'web@n1']);
  expect([refused.code, refused.stderr]).toEqual([8, expect.stringContaining('is draining')]);

  await fleet.must(['node', 'drain', 'n3', '--wait', '--timeout', '20s']);
  await runs(['n2', 'n4']);
  const { missing, places } = await shown();
  expect(missing).toBe('2 of 3 placed: node n1 is draining, node n3 is draining');
  expect(places.find(({ node }) => node === 'n3')).toMatchObject({
    ...{ chosen: false, reason: 'node n3 is draining' },
  });
  const why = await fleet.must(['why', 'web']);
  expect(why).toContain('2 of 3 placed: node n1 is draining, node n3 is draining');

  await server.stop('SIGKILL');
  server = await fleet.server();
  await fleet.online('n2', 'n4');
  expect(await fleet.nodeState('n3')).toBe('draining');
  await runs(['n2', 'n4']);
  await fleet.agent('n5', 'both', ['--label', 'rack=d']);
  await runs(['n2', 'n4', 'n5']);
  await fleet.must(['node', 'undrain', 'n1', 'n3', '--wait']);
  await runs(['n2', 'n4', 'n5']);
}, 90_000);

test('a drain waits for jobs, stops services until it is taken back, and skips firings', async () => {
  await fleet.must(['task', 'create', 'job', '--on', 'n3', '--', 'sleep', '2']);
  const service = ['--on', 'n3', '--restart', 'on-failure'];
  await fleet.must(['task', 'create', 'service', ...service, '--', 'sleep', '1000']);
  await fleet.must(['task', 'create', 'tock', '--on', 'n3', '--', 'true']);
  await fleet.must(['start', 'tock', '--every', '300ms', '--schedule-name', 'tick']);
  await fleet.must(['start', 'job', 'service', '--wait', '--timeout', '20s']);
  await fleet.must(['node', 'drain', 'n3', '--wait', '--timeout', '20s']);
  expect(await running('service')).toEqual([]);
  const [job] = await fleet.json<{ exitCode: number }[]>(['ps', 'job', '--all']);
  expect(job?.exitCode).toBe(0);
  await until(
    async () => {
      const fires = await fleet.json<{ result: string; reason: string }[]>([
        'fires',
        '--task',
        'tock',
      ]);
      return fires.some((f) => f.result === 'skipped' && f.reason === 'the node is draining');
    },
    20_000,
    () => 'no firing was skipped for the draining',
  );
  await fleet.must(['node', 'undrain', 'n3', '--wait']);
  await runs(['n3'], 'service');
  await fleet.must(['wait', 'tock', '--for', 'exited', '--timeout', '20s']);
  const since = new Date().toISOString();
  await until(
    async () => {
      const past = ['fires', '--task', 'tock', '--since', since];
      return (await fleet.json<{ result: string }[]>(past)).some(({ result }) => result === 'ok');
    },
    20_000,
    () => 'no firing came after the draining',
  );
}, 60_000);
