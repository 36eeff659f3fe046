/** Who may what, with the executable: logins, roles, scopes, grants, revocation. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { executable, Fleet, finish, type Result, until } from './fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = new Fleet();
  await fleet.server();
  await fleet.agent('a1', 'both', ['--label', 'zone=a']);
  await fleet.agent('b1', 'both', ['--label', 'zone=b']);
  await fleet.online('a1', 'b1');
  for (const [task, on] of Object.entries({ everywhere: '@all', ina: 'zone=a', inb: 'zone=b' })) {
    await fleet.must(['task', 'create', task, '--on', on, '--', 'sleep', '1000']);
  }
  await login('ann', 'operator', ['--scope', 'zone=a']);
  await login('eve', 'operator', ['--scope', 'zone=a', '--grant', 'define', '--grant', 'run']);
  await login('vic', 'viewer');
});
afterAll(() => fleet[Symbol.asyncDispose]());

const identity = (name: string): string => fleet.path(`${name}.json`);

async function token(role: string, more: readonly string[] = []): Promise<string> {
  const secret = await fleet.must(['token', 'create', '--role', role, '-o', 'name', ...more]);
  return secret.trim();
}

const loginWith = (secret: string, name: string, more: readonly string[] = []): Promise<Result> => {
  const place = fleet.place('console');
  const where = [...fleet.serverArgs(place), '--identity', identity(name)];
  return fleet.admin(['login', '--token', secret, '--name', name, ...where, ...more], { place });
};

async function login(name: string, role: string, more: readonly string[] = []): Promise<void> {
  const { code, stderr } = await loginWith(await token(role, more), name);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

const as = (name: string, ...args: string[]): Promise<Result> => {
  const place = fleet.place('console');
  return fleet.admin(args, { place, env: { LOTC_IDENTITY: identity(name) } });
};

const events = async (): Promise<readonly { kind: string; who: string; text: string }[]> =>
  fleet.json(['events']);

test('a login: private file, one use, no token of another kind', async () => {
  expect(statSync(identity('ann')).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(identity('ann'), 'utf8'))).toMatchObject({
    ...{ name: 'ann', role: 'operator' },
  });
  const secret = await token('viewer');
  expect((await loginWith(secret, 'once')).code).toBe(0);
  const twice = await loginWith(secret, 'twice');
  expect(twice).toMatchObject({ code: 6, stdout: '' });
  expect(twice.stderr).toMatch(/used \(by identity once from .* at \d{4}-/);
  expect(existsSync(identity('twice'))).toBe(false);
  const taken = await loginWith(await token('viewer'), 'once', ['--force']);
  expect(taken).toMatchObject({ code: 8 });
  expect(await loginWith(await token('agent'), 'x')).toMatchObject({ code: 6 });
  const bound = await token('viewer', ['--name', 'somebody']);
  expect(await loginWith(bound, 'nobody')).toMatchObject({ code: 6 });
  const there = await loginWith(await token('viewer'), 'ann');
  expect(there).toMatchObject({ code: 8 });
  expect(there.stderr).toContain('--force');
});

test('an agent takes no token of a viewer, a console no certificate of an agent', async () => {
  const place = fleet.place('stranger');
  const args = ['agent', '--data', fleet.path('a-x'), '--name', 'x', ...fleet.serverArgs(place)];
  const role = fleet.start(place, [...args, '--token', await token('viewer')]);
  expect(await role.ended()).toBe(6);
  expect(role.text()).toContain('lotc admin login');
  const dir = fleet.path('a-a1/private');
  const own = JSON.parse(readFileSync(`${dir}/identity.json`, 'utf8')) as object;
  const key = readFileSync(`${dir}/node.key`, 'utf8');
  const { addresses } = JSON.parse(readFileSync(fleet.path('s/admin.json'), 'utf8')) as {
    addresses: string[];
  };
  const forged = { ...own, key, addresses, name: 'admin', role: 'admin' };
  writeFileSync(identity('forged'), JSON.stringify(forged), { mode: 0o600 });
  for (const words of [['ps'], ['stop', 'ina'], ['token', 'create', '--role', 'admin']]) {
    const { code, stderr } = await as('forged', ...words);
    expect([code, stderr]).toEqual([6, expect.stringContaining('agent "a1"')]);
  }
});

test('a viewer reads and changes nothing', async () => {
  const before = (await events()).at(-1);
  expect((await as('vic', 'ps', '--all')).code).toBe(0);
  expect((await as('vic', 'nodes')).code).toBe(0);
  expect((await as('vic', 'events')).code).toBe(0);
  const denied = [
    ...[
      ['start', 'ina'],
      ['task', 'create', 'x', '--', 'true'],
      ['task', 'rm', 'ina'],
    ],
    ...[
      ['node', 'label', 'a1', 'x=y'],
      ['node', 'rm', 'a1', '--force'],
      ['logs', 'ina'],
    ],
    ...[
      ['run', '--on', '@all', '--', 'true'],
      ['token', 'create', '--role', 'admin'],
    ],
    ...[
      ['token', 'ls'],
      ['identity', 'ls'],
      ['identity', 'revoke', 'vic'],
    ],
    ['load', '/etc/hostname', '--name', 'x'],
  ];
  for (const words of denied) {
    const { code, stderr } = await as('vic', ...words);
    expect([words[0], code]).toEqual([words[0], 6]);
    expect(stderr).toContain('viewer "vic"');
  }
  expect((await events()).at(-1)).toEqual(before);
});

test('an operator acts within its scope, and is refused whole beyond it', async () => {
  expect((await as('ann', 'start', 'ina', '--wait')).code).toBe(0);
  const beyond = await as('ann', 'start', 'everywhere');
  expect(beyond).toMatchObject({ code: 6, stdout: '' });
  expect(beyond.stderr).toMatch(/"zone=a" only, and this is also about b1/);
  expect(await fleet.json(['ps', 'everywhere'])).toEqual([]);
  expect((await as('ann', 'start', 'everywhere', '--on', 'zone=a', '--wait')).code).toBe(0);
  expect((await as('ann', 'stop', 'inb')).code).toBe(6);
  expect((await as('ann', 'node', 'label', 'b1', 'zone=a')).code).toBe(6);
  expect((await as('ann', 'node', 'label', 'a1', 'zone=b')).code).toBe(6);
  expect((await as('ann', 'task', 'create', 'x', '--on', 'a1', '--', 'true')).code).toBe(6);
  expect((await as('ann', 'run', '--on', 'a1', '--', 'true')).code).toBe(6);
  expect((await as('ann', 'logs', 'ina')).code).toBe(0);
  expect((await as('ann', 'stop', 'ina', '--wait')).code).toBe(0);
});

test('grants: define and run within the scope, users only where allowed', async () => {
  expect((await as('eve', 'task', 'create', 'hers', '--on', 'zone=a', '--', 'true')).code).toBe(0);
  expect((await as('eve', 'task', 'create', 'wide', '--', 'true')).code).toBe(6);
  const user = ['task', 'create', 'u', '--on', 'a1', '--user', 'nobody', '--', 'true'];
  expect((await as('eve', ...user)).code).toBe(6);
  expect(await as('eve', 'run', '--on', 'a1', '--', 'echo', 'hi')).toMatchObject({
    ...{ code: 0, stdout: 'hi\n' },
  });
  expect((await as('eve', 'run', '--on', '@all', '--', 'true')).code).toBe(6);
  expect((await as('eve', 'load', '/etc/hostname', '--name', 'h', '--on', 'a1')).code).toBe(0);
  expect((await as('eve', 'load', '/etc/hostname', '--name', 'w')).code).toBe(6);
});

test('a revoked identity ends at once, also what it watches, and stays so', async () => {
  await login('gone', 'operator');
  const watching = as('gone', 'events', '-f');
  await until(async () => {
    const rows = await fleet.json<{ name: string; lastSeen: string | null }[]>(['identity', 'ls']);
    return rows.some(({ name, lastSeen }) => name === 'gone' && lastSeen !== null);
  });
  await fleet.must(['identity', 'revoke', 'gone']);
  expect((await watching).code).toBe(6);
  const { code, stderr } = await as('gone', 'ps');
  expect([code, stderr]).toEqual([6, expect.stringContaining('it was revoked')]);
  const [row] = await fleet
    .json<{ name: string; revoked: boolean }[]>(['identity', 'ls'])
    .then((rows) => rows.filter(({ name }) => name === 'gone'));
  expect(row?.revoked).toBe(true);
  const last = await fleet.admin(['identity', 'revoke', 'admin']);
  expect(last).toMatchObject({ code: 8 });
  expect(last.stderr).toContain('recover-admin');
});

interface AuditRow {
  readonly number: number;
  readonly who: string;
  readonly from: string;
  readonly what: string;
  readonly targets: readonly string[];
  readonly nodes: readonly string[];
  readonly answer: string;
  readonly hash: string;
}

test('the audit: who, from where, what, with which answer, refusals too; its chain holds', async () => {
  await as('ann', 'start', 'ina', '--wait');
  await as('ann', 'start', 'inb');
  // Refusals of one key are told one by one at first only: one that has had none yet.
  await login('val', 'viewer');
  await as('val', 'stop', 'ina');
  const rows = await fleet.json<AuditRow[]>(['events', '--audit']);
  const of = (who: string): readonly AuditRow[] => rows.filter((row) => row.who === who);
  const place = fleet.place('console');
  const from = expect.stringContaining(place.ipv6 ?? '') as unknown;
  expect(of('ann').slice(-2)).toMatchObject([
    { what: 'taskRun start', targets: ['ina'], nodes: ['a1'], answer: 'ok', from },
    { what: 'taskRun start', targets: ['inb'], nodes: [], answer: 'not-allowed', from },
  ]);
  expect(of('val').at(-1)).toMatchObject({ what: 'taskKill stop', answer: 'not-allowed' });
  expect(await fleet.must(['events', '--verify'])).toMatch(/^\d+ entries, 1 to \d+: whole/);
  // Anybody can check an export with SHA-256 alone.
  const lines = (await fleet.must(['events', '--audit', '--export'])).trimEnd().split('\n');
  let hash = '0'.repeat(64);
  for (const line of lines) {
    const { hash: said, ...entry } = JSON.parse(line) as AuditRow;
    hash = createHash('sha256')
      .update(`${hash}\n${JSON.stringify(entry)}`)
      .digest('hex');
    expect(said).toBe(hash);
  }
  expect(lines.length).toBeGreaterThanOrEqual(rows.length);
});

test('an entry taken out of the database shows, also over a restart of the server', async () => {
  const [server] = [fleet.roles('server').at(-1)];
  await server?.stop();
  const db = new DatabaseSync(fleet.path('s/private/journal'));
  const kind = db.prepare('SELECT kind, seq FROM history ORDER BY kind DESC, seq LIMIT 1 OFFSET 3');
  const row = kind.get() as { kind: number; seq: number };
  db.prepare('DELETE FROM history WHERE kind = ? AND seq = ?').run(row.kind, row.seq);
  db.close();
  await fleet.server();
  const checked = await fleet.admin(['events', '--verify']);
  expect(checked).toMatchObject({ code: 1, stdout: '' });
  expect(checked.stderr).toContain('entry 4 is missing');
});

test('whoever owns the disk makes a new admin; the journal says so', async () => {
  const run = (...words: string[]): Promise<Result> =>
    finish(spawn(executable, ['server', 'recover-admin', '--data', fleet.path('s'), ...words]));
  const out = identity('saved');
  const locked = await run('--out', out);
  expect(locked).toMatchObject({ code: 1, stdout: '' });
  await fleet.roles('server').at(-1)?.stop();
  expect(await run('--out', out, '--name', 'saved')).toMatchObject({ code: 0, stderr: '' });
  expect(statSync(out).mode & 0o777).toBe(0o600);
  await fleet.server();
  expect((await as('saved', 'ps')).code).toBe(0);
  const told = (await events()).filter(({ kind }) => kind === 'identity-created').at(-1);
  expect(told).toMatchObject({ who: 'recover-admin', text: 'identity saved (admin) created' });
});

test('a directory copied beside its original is refused; the original goes on', async () => {
  const copy = fleet.path('a-copy');
  execFileSync('cp', ['-a', fleet.path('a-a1'), copy]);
  const place = fleet.place('copyist');
  const args = ['agent', '--data', copy, ...fleet.serverArgs(place)];
  const role = fleet.start(place, args);
  expect(await role.ended()).toBe(8);
  expect(role.text()).toContain('--accept-copy');
  // Said to be the only one while the other lives: here it is seen,
  expect(await fleet.start(place, [...args, '--accept-copy']).ended()).toBe(8);
  // and of a copy on another machine the server knows better, and says so.
  const file = `${copy}/private/agent.json`;
  const made = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...made, machine: 'another', path: '/elsewhere' }));
  const second = fleet.start(place, [...args, '--accept-copy']);
  await until(async () => (await events()).some(({ kind }) => kind === 'identity-used-twice'));
  await second.stop();
  await fleet.online('a1');
});

test('a node that wants signatures runs nothing that a trusted key has not signed', async () => {
  for (const name of ['trusted', 'other']) {
    const key = fleet.path(`${name}.pem`);
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', key]);
    execFileSync('openssl', ['pkey', '-in', key, '-pubout', '-out', `${key}.pub`]);
  }
  const policy = ['--require-signature', fleet.path('trusted.pem.pub')];
  await fleet.agent('strict', 'both', policy);
  await fleet.online('strict');
  writeFileSync(fleet.path('job'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
  const load = (...sign: string[]): Promise<Result> =>
    fleet.admin(['load', fleet.path('job'), '--name', 'job', '--on', 'strict', '--wait', ...sign]);
  const start = async (): Promise<Result> => {
    await fleet.admin(['start', 'job', '--wait']);
    return fleet.admin(['wait', 'job', '--timeout', '10s']);
  };
  const unsigned = await load();
  expect(unsigned.code).toBe(1);
  expect(unsigned.stderr).toContain('it is not signed');
  await fleet.must(['task', 'create', 'job', '--bundle', 'job', '--', './job']);
  expect((await start()).code).toBe(3);
  expect((await load('--sign', fleet.path('other.pem'))).stderr).toContain('not trusted');
  expect((await start()).code).toBe(3);
  expect(await load('--sign', fleet.path('trusted.pem'))).toMatchObject({ code: 0 });
  expect((await start()).code).toBe(0);
  expect(await fleet.must(['logs', 'job'])).toBe('ran\n');
  const shown = await fleet.json<{ signedBy: string }>(['bundle', 'show', 'job']);
  expect(shown.signedBy).toMatch(/^[0-9a-f]{64}$/);
});

test('a key under a passphrase: from a file or a terminal, and nothing without it', async () => {
  const secret = await token('viewer');
  writeFileSync(fleet.path('phrase'), 'correct horse\n');
  writeFileSync(fleet.path('wrong'), 'battery\n');
  const more = ['--passphrase-file', fleet.path('phrase')];
  expect(await loginWith(secret, 'locked', more)).toMatchObject({ code: 0 });
  const { key } = JSON.parse(readFileSync(identity('locked'), 'utf8')) as { key: string };
  expect(key).toContain('BEGIN ENCRYPTED PRIVATE KEY');
  const place = fleet.place('console');
  const with_ = (file: string | undefined): Promise<Result> =>
    fleet.admin(['ps'], {
      place,
      env: {
        LOTC_IDENTITY: identity('locked'),
        ...(file === undefined ? {} : { LOTC_PASSPHRASE_FILE: fleet.path(file) }),
      },
    });
  expect((await with_('phrase')).code).toBe(0);
  const wrong = await with_('wrong');
  expect(wrong).toMatchObject({ code: 6, stdout: '' });
  expect(wrong.stderr).toContain('the passphrase does not open the key');
  const none = await finish(
    spawn('setsid', ['-w', 'ip', 'netns', 'exec', place.netns, executable, 'admin', 'ps'], {
      env: { PATH: process.env['PATH'] ?? '', LOTC_IDENTITY: identity('locked') },
    }),
  );
  expect(none.code).toBe(6);
  expect(none.stderr).toContain('LOTC_PASSPHRASE_FILE');
  // At a terminal it is asked for, and not shown.
  const line = `LOTC_IDENTITY=${identity('locked')} ip netns exec ${place.netns} ${executable} admin ps`;
  const typed = spawn('script', ['-qfec', line, '/dev/null'], {
    env: { PATH: process.env['PATH'] ?? '', HOME: fleet.directory },
  });
  let shown = '';
  typed.stdout.on('data', (data: Buffer) => {
    shown += data.toString();
  });
  await until(() => shown.includes('passphrase of'));
  typed.stdin.write('correct horse\n');
  const code = await new Promise((resolve) => typed.once('close', resolve));
  expect(code).toBe(0);
  expect(shown).not.toContain('horse');
  expect(shown).toContain('TASK');
});
