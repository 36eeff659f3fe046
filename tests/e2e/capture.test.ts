/**
 * What goes over the wire is what the journal says happened: a fleet on IPv4 and on IPv6, over
 * TLS, captured at the server's port, read with the key logs of its roles and the module that
 * the executable itself prints.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { executable, Fleet, until } from './fleet.ts';

interface Told {
  readonly kind: string;
  readonly node: string | null;
}

let fleet: Fleet;
let file: string;
let events: readonly Told[];
let operations: readonly { readonly verb: string }[];

/** One row a packet; the cells of a packet's several frames are joined by commas. */
function tshark(filter: string, ...fields: string[]): string[][] {
  const module = fleet.path('lotc.lua');
  if (!existsSync(module)) writeFileSync(module, execFileSync(executable, ['dissector']));
  const each = fields.flatMap((field) => ['-e', field]);
  const words = ['-2', '-r', file, '-X', `lua_script:${module}`, '-Y', filter, '-T', 'fields'];
  const text = execFileSync('tshark', [...words, ...each, '-E', 'separator=|'], {
    env: { ...process.env, WIRESHARK_CONFIG_DIR: fleet.path('config') },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('|'));
}

beforeAll(async () => {
  fleet = new Fleet();
  const place = fleet.place('srv', 'both');
  const keys = fleet.path('keys');
  const raw = fleet.path('raw.pcapng');
  const words = ['-q', '-f', 'port 7416', '-i', 'eth0', '-i', 'lo', '-w', raw];
  const dumpcap = spawn('ip', ['netns', 'exec', place.netns, 'dumpcap', ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  dumpcap.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  await until(() => said.includes('File:'), 20_000);

  const env = { LOTC_KEYLOG: keys };
  await fleet.server('s', ['env', `LOTC_KEYLOG=${keys}`]);
  await fleet.agent('n4', 'ipv4', ['--keylog', keys]);
  await fleet.agent('n6', 'ipv6', ['--keylog', keys]);
  await fleet.online('n4', 'n6');
  await fleet.must(['task', 'create', 'nap', '--', '/bin/sleep', '1000'], { env });
  for (const verb of ['start', 'suspend', 'resume', 'kill', 'start', 'stop']) {
    await fleet.must([verb, 'nap', '--wait'], { env });
  }
  const refused = await fleet.admin(['resume', 'nap'], { env });
  expect(refused.code).toBe(8);
  await fleet.must(['wait', 'nap', '--for', 'gone'], { env });
  const ended = new Promise((resolve) => dumpcap.once('close', resolve));
  const end = join(import.meta.dirname, '../../scripts/end-dumpcap');
  execFileSync(end, [place.netns, String(dumpcap.pid), raw]);
  await ended;
  expect(said).not.toMatch(/received\/dropped on interface .*: \d+\/[1-9]/u);
  events = await fleet.json<Told[]>(['events']);
  operations = await fleet.json<{ verb: string }[]>(['operation', 'ls']);
  const ordered = fleet.path('ordered.pcapng');
  file = fleet.path('capture.pcapng');
  execFileSync('reordercap', [raw, ordered], { stdio: 'ignore' });
  execFileSync('editcap', ['--inject-secrets', `tls,${keys}`, ordered, file]);
});
afterAll(() => fleet[Symbol.asyncDispose]());

test('the module is the one of the build', () => {
  const ask = (word: string): string => execFileSync(executable, [word], { encoding: 'utf8' });
  const [, version] = /^lotc (.*), node /u.exec(ask('--version')) ?? [];
  const [, own] = /^local BUILD = "(.*)"$/mu.exec(ask('dissector')) ?? [];
  expect(version).toMatch(/^\d+\.\d+\.\d+ \(\w/u);
  expect(own).toBe(`${version})`);
});

test('every state a node reported is an event of the journal, and the other way round', () => {
  const nodes = { ipv4: 'n4', ipv6: 'n6' };
  const seen = tshark('lotc.reports', 'ip.src', 'lotc.process_state').flatMap(
    ([ipv4 = '', states = '']) =>
      states
        .split(',')
        .filter((state) => state !== '')
        .map((state) => `${ipv4 === '' ? nodes.ipv6 : nodes.ipv4} ${state}`),
  );
  const journal = events
    .filter(({ kind, node }) => kind.startsWith('process-') && node !== null)
    .map(({ kind, node }) => `${node} ${kind.slice('process-'.length)}`);
  expect(seen.length).toBeGreaterThan(8);
  expect(seen.toSorted()).toEqual(journal.toSorted());
});

test('every command is acknowledged as often as there are operations of its verb', () => {
  const verbs = { start: 'RUN', suspend: 'STOP', resume: 'CONT' };
  for (const [verb, name] of Object.entries(verbs)) {
    const acked = tshark(`lotc.message == "TASK ${name} ACK"`, 'frame.number').length;
    expect(acked, verb).toBeGreaterThan(0);
    expect(acked, verb).toBe(operations.filter((one) => one.verb === verb).length);
  }
  expect(tshark('lotc.message == "TASK CONT ERR"', 'lotc.error_code')).toHaveLength(1);
});

test('both families spoke, all of it in TLS, and nothing is amiss', () => {
  expect(tshark('lotc && ip && tls', 'frame.number').length).toBeGreaterThan(20);
  expect(tshark('lotc && ipv6 && tls', 'frame.number').length).toBeGreaterThan(20);
  expect(tshark('lotc && !tls', 'frame.number')).toEqual([]);
  const grave = ['malformed', 'wrong_type', 'missing_field', 'checksum', 'unasked', 'bad_id'];
  const graver = ['credit', 'reports_missing', 'generation', 'lost', 'internal'];
  const all = [...grave, ...graver].map((name) => `lotc.expert.${name}`);
  expect(tshark(all.join(' || '), 'frame.number', '_ws.expert.message')).toEqual([]);
});
