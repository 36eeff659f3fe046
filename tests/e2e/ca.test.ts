/** The CA's rotation with the executable: an overlap, a node that is away, a server that is killed. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, type Result, type Role, until } from './fleet.ts';

let fleet: Fleet;
let server: Role;
let away: Role;
beforeAll(async () => {
  fleet = new Fleet();
  server = await fleet.server();
  await fleet.agent('n1');
  away = await fleet.agent('n2');
  await fleet.online('n1', 'n2');
  const secret = await token('viewer');
  const place = fleet.place('console');
  const words = ['login', '--token', secret, '--name', 'ann', '--identity', fleet.path('ann.json')];
  await fleet.must([...words, ...fleet.serverArgs(place)], { place });
});
afterAll(() => fleet[Symbol.asyncDispose]());

const token = async (role: string): Promise<string> =>
  (await fleet.must(['token', 'create', '--role', role, '-o', 'name'])).trim();
const ann = (): Promise<Result> =>
  fleet.admin(['ps'], {
    place: fleet.place('console'),
    env: { LOTC_IDENTITY: fleet.path('ann.json') },
  });

interface Status {
  readonly stage: string;
  readonly pin: string;
  readonly nextPin: string | null;
  readonly have: readonly string[];
  readonly lack: readonly string[];
}
const status = (): Promise<Status> => fleet.json(['ca', 'status']);
const has = (who: string): Promise<void> =>
  until(
    async () => (await status()).have.includes(who),
    20_000,
    () => `${who} has the new CA`,
  );
const authority = (file: string): string =>
  (JSON.parse(readFileSync(fleet.path(file), 'utf8')) as { authority: string }).authority;

test('a rotation loses nobody: not who is away, not over kill -9', async () => {
  const before = await status();
  expect(before).toMatchObject({ stage: 'stable', nextPin: null, lack: [] });
  const early = await token('agent');
  const old = authority('ann.json');
  await away.stop();
  expect((await ann()).code).toBe(0);

  expect((await fleet.admin(['ca', 'rotate', '--finish'])).code).toBe(8);
  await fleet.must(['ca', 'rotate']);
  expect(await status()).toMatchObject({ stage: 'overlap', pin: before.pin });
  await has('node n1');
  await has('admin admin');
  await server.stop('SIGKILL');
  server = await fleet.server();
  await fleet.online('n1');

  const refused = await fleet.admin(['ca', 'rotate', '--finish']);
  expect(refused.code).toBe(8);
  expect(refused.stderr).toContain('n2, ann');
  // It comes back with nothing but the old CA.
  await fleet.agent('n2');
  await fleet.online('n2');
  await has('node n2');
  expect(authority('ann.json')).toBe(old);
  expect((await ann()).code).toBe(0);
  expect(authority('ann.json').length).toBeGreaterThan(old.length);
  expect((await ann()).code).toBe(0);
  expect((await status()).lack).toEqual([]);

  await fleet.must(['ca', 'rotate', '--finish']);
  const after = await status();
  expect(after).toMatchObject({ stage: 'stable', nextPin: null });
  expect(after.pin).not.toBe(before.pin);
  await server.stop('SIGKILL');
  server = await fleet.server();
  await fleet.online('n1', 'n2');
  await has('node n1');
  await has('node n2');
  expect((await ann()).code).toBe(0);
  expect((await ann()).code).toBe(0);
  expect(authority('ann.json')).not.toContain(old.trim());
  expect(authority('s/admin.json')).toBe(authority('ann.json'));
  expect(authority('a-n1/private/identity.json')).toBe(authority('ann.json'));

  const place = fleet.place('late');
  const join = [
    'agent',
    '--data',
    fleet.path('late'),
    '--name',
    'late',
    ...fleet.serverArgs(place),
  ];
  const late = fleet.start(place, [...join, '--token', early]);
  expect(await late.ended()).toBe(6);
  expect(late.text()).toContain('its CA was rotated since');
  const joins = fleet.start(place, [...join, '--token', await token('agent')]);
  await fleet.online('late');
  await joins.stop();
  const kinds = (await fleet.json<{ kind: string }[]>(['events'])).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind.startsWith('ca-'))).toEqual(['ca-rotating', 'ca-rotated']);
});
