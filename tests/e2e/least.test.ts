/** Who has little: an agent that is not root, and a thief of the server's disk. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { executable, Fleet, holding } from './fleet.ts';

const NOBODY = 65_534;

let fleet: Fleet;
beforeAll(async () => {
  fleet = new Fleet();
  chmodSync(fleet.directory, 0o711);
  await fleet.server();
});
afterAll(() => fleet[Symbol.asyncDispose]());

test('an agent that is not root works for its own user, and says what it cannot do', async () => {
  // Wherever the tests stand, nobody may enter the fleet's own directory.
  const own = fleet.path('lotc');
  copyFileSync(executable, own);
  mkdirSync(fleet.path('a-n1'), { mode: 0o700 });
  chownSync(fleet.path('a-n1'), NOBODY, NOBODY);
  const ids = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'];
  const instead = ['sh', '-c', `shift; exec ${own} "$@"`, 'sh'];
  await fleet.agent('n1', 'both', [], ['setpriv', ...ids, ...instead]);
  await fleet.online('n1');
  expect(await fleet.must(['run', '--on', 'n1', '--', 'id', '-u'])).toContain(String(NOBODY));

  await fleet.must(['task', 'create', 'own', '--', 'sleep', '1000']);
  for (const verb of ['start', 'suspend', 'resume', 'kill']) {
    await fleet.must([verb, 'own', '--wait']);
  }
  await fleet.must(['task', 'create', 'other', '--user', 'root', '--', 'true']);
  const started = await fleet.admin(['start', 'other', '--wait']);
  expect(started.code).not.toBe(0);
  const [row] = await fleet.json<{ state: string; reason: string }[]>(['ps', '--all', 'other']);
  expect(row).toMatchObject({ state: 'failed' });
  expect(row?.reason).toContain('is not root and cannot become "root"');
});

test('a stolen disk of the server has what the documents say, and nothing else', async () => {
  const secret = 'stolen-or-not-7416';
  const token = (await fleet.must(['token', 'create', '--role', 'agent', '-o', 'name'])).trim();
  const person = (await fleet.must(['token', 'create', '--role', 'viewer', '-o', 'name'])).trim();
  const place = fleet.place('console');
  const where = [...fleet.serverArgs(place), '--identity', fleet.path('viewer.json')];
  await fleet.must(['login', '--token-file', '-', ...where], { place, stdin: person });
  await fleet.agent('n2');
  await fleet.online('n2');
  writeFileSync(fleet.path('sealed.env'), `KEY=${secret}\n`);
  const create = ['task', 'create', 'sealed', '--on', 'n2', '--env-file'];
  await fleet.must([...create, fleet.path('sealed.env'), '--', 'sleep', '1000']);
  await fleet.must(['start', 'sealed', '--wait']);
  await fleet.roles('server').at(-1)?.stop();

  const disk = fleet.path('s');
  // Keys: of the CA, the server itself and the first admin; none of a node or of who has logged in.
  expect(holding('PRIVATE KEY', disk)).toEqual(['admin.json', 'ca.key', 'server.key']);
  const said = readFileSync(join(import.meta.dirname, '../../docs/SECURITY.md'), 'utf8');
  const told = /\*\*A stolen disk or backup of the server\*\*.*/.exec(said)?.[0] ?? '';
  for (const file of ['ca.key', 'server.key', 'admin.json', 'secrets.key']) {
    expect(told).toContain(`\`${file}\``);
  }
  // No token that is still good, whole or its secret; no value of a secret.
  const parts = [token, person, secret].flatMap((text) => [text, text.split('.')[1] ?? text]);
  for (const part of parts) expect([part, holding(part, disk)]).toEqual([part, []]);
});
