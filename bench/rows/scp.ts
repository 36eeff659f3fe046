/**
 * `scp` in parallel, beside the push to ten agents: an sshd on loopback, fetched by bench/rivals,
 * with the surroundings it insists on (a user of its own, /run/sshd) in a mount namespace.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { arch } from 'node:os';
import { join } from 'node:path';
import { until } from '../../tests/e2e/fleet.ts';
import { timeProcess } from '../measure.ts';
import type { Bare } from '../rig.ts';

const rivals = join(import.meta.dirname, '../../build/rivals');
const sshd = join(rivals, 'usr/sbin/sshd');
const libraries = join(rivals, `usr/lib/${arch() === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`);

const surroundings = `mount --bind "$1" /etc/passwd
mount -t tmpfs none /run
mkdir -m 755 /run/sshd
LD_LIBRARY_PATH=$2 exec "$3" -D -e -f "$4"`;

/** Sends a file to so many places at once; undefined where there is no sshd. */
export async function openScp(
  bare: Bare,
  count: number,
): Promise<((path: string) => Promise<number>) | undefined> {
  if (!existsSync(sshd)) return undefined;
  const [host, key, log] = [bare.path('ssh-host'), bare.path('ssh-key'), bare.path('log')];
  for (const file of [host, key]) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  }
  const port = await freePort();
  const settings = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${host}`,
    `AuthorizedKeysFile ${key}.pub`,
    ...['StrictModes no', 'UsePAM no', 'PidFile none', 'MaxStartups 100'],
    `Subsystem sftp ${join(rivals, 'usr/lib/openssh/sftp-server')}`,
  ];
  writeFileSync(bare.path('sshd'), `${settings.join('\n')}\n`);
  const own = 'sshd:x:33999:65534::/run/sshd:/usr/sbin/nologin\n';
  writeFileSync(bare.path('passwd'), `${readFileSync('/etc/passwd', 'utf8')}${own}`);
  const words = [bare.path('passwd'), libraries, sshd, bare.path('sshd')];
  bare.spawn('unshare', [
    '-m',
    '--propagation',
    'private',
    'sh',
    '-euc',
    surroundings,
    '-',
    ...words,
  ]);
  await until(
    () => readFileSync(log, 'utf8').includes('Server listening'),
    15_000,
    () => `sshd: ${bare.log()}`,
  );
  for (let at = 1; at <= count; at += 1) mkdirSync(bare.path(`scp-${at}`));
  const quiet = '-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR';
  const each = `scp -q ${quiet} -P ${port} -i "$0" "$1" "127.0.0.1:$2/scp-{}/noise"`;
  const script = `seq ${count} | xargs -P${count} -I'{}' ${each}`;
  return (path) => timeProcess('bash', ['-euc', script, key, path, bare.directory]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => void server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => void server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
