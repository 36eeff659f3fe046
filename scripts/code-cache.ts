/**
 * V8's code caches of the bundles, made after a warm-up: what ran has compiled what it needs, so
 * the executable need not compile it again at each start (Node's own cache of a SEA holds only
 * what is compiled eagerly). The console's warm-up is a few of its lines against a server of the
 * build's own, on loopback, over TLS, with the protocol and the certificates of the sources; that
 * of the roles is in warm-roles.ts.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueKeyPair, makeAuthority } from '../src/net/certificate.io.ts';
import type { AnyBody, MessageKind } from '../src/net/layout.ts';
import { Link } from '../src/net/link.io.ts';
import { type Listener, listen } from '../src/net/listen.io.ts';
import { driveRoles, rolesSource } from './warm-roles.ts';

/** What Node is started with, here and in the executable: V8 refuses a cache of other flags. */
export const nodeFlags: readonly string[] = [
  // node:ffi and node:sqlite are what LOTC is built on; their warnings tell users nothing.
  '--disable-warning=ExperimentalWarning',
  // MiB. A console ends before it has filled this; by V8's own measure it collects twice.
  '--min-semi-space-size=2',
  // Without it a thread parses all CAs that Node brings as soon as TLS is loaded; in a fleet only
  // its own CA counts, and who asks the world (NTS) names the CAs.
  '--use-openssl-ca',
];

/** How the executable starts: the cached bundle, run as the module it is. */
const wrapped =
  "'(function (exports, require, module, __filename, __dirname) {' + source + '\\n})'";
const script = (options: string): string =>
  `new vm.Script(${wrapped}, { filename: 'lotc', ${options}` +
  'importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER })';
const call = ".runInThisContext()(exports, require, module, 'lotc', '/');";

/**
 * The program of the executable: its assets are two bundles (`main.cjs`, `console.cjs`), each with
 * its cache. `--version` is answered before either is read; src/main.ts says the same. The bundles
 * are ASCII, so their bytes are their characters.
 */
export const startSource = (version: string): string => `const words = process.argv.slice(2);
if (words.length === 1 && words[0] === '--version') {
  require('node:fs').writeSync(1, ${JSON.stringify(version)} + ', node ' + process.version + ')\\n');
} else {
  const vm = require('node:vm');
  const sea = require('node:sea');
  const bundle = { admin: 'console', notify: 'notify' }[words[0]] ?? 'main';
  // OpenSSL would read the machine's CAs, to trust none of them.
  if (bundle === 'console') process.env.SSL_CERT_FILE = '/dev/null';
  const source = Buffer.from(sea.getRawAsset(bundle + '.cjs')).latin1Slice();
  // What is compiled in less time than a cache is read has none.
  const cachedData =
    bundle === 'notify' ? undefined : Buffer.from(sea.getRawAsset(bundle + '.cache'));
  ${script('cachedData, ')}${call}
}
`;

/** A bundle as the executable would run it, and what to do with its cache once it is warm. */
const warmSource = (play: string): string => `const vm = require('node:vm');
const fs = require('node:fs');
const source = fs.readFileSync(process.env.LOTC_WARM_SOURCE, 'latin1');
const script = ${script('')};
const exit = process.exit;
const run = (words) => {
  process.argv.splice(2, Infinity, ...words);
  script${call}
};
const finish = () => {
  fs.writeFileSync(process.env.LOTC_WARM_CACHE, script.createCachedData());
  exit(0);
};
${play}`;

/** Runs one line after the other in one process, each as if it were alone. */
const consoleSource = warmSource(`const lines = JSON.parse(process.env.LOTC_WARM_LINES);
const next = () => {
  if ((process.exitCode ?? 0) !== 0) exit();
  const words = lines.shift();
  if (words === undefined) finish();
  else run(words);
};
process.exit = () => void setImmediate(next);
process.on('beforeExit', next);
next();
`);

const lines: readonly (readonly string[])[] = [
  ['admin', 'ps'],
  ['admin', 'start', 'warm', '--wait'],
];
const answers: Partial<Record<MessageKind, AnyBody>> = {
  retQuery: { processes: [{ task: 'warm', node: 'n1', run: 'R1', processState: 'running' }] },
  taskRun: { operation: 'O1', answers: [{ task: 'warm', node: 'n1', run: 'R1', ok: true }] },
};

export interface Bundles {
  readonly console: string;
  readonly main: string;
  readonly shim: string;
}

/** Writes the caches of both bundles, made by the Node binary that will use them. */
export async function makeCodeCaches(
  node: string,
  bundles: Bundles,
  directory: string,
): Promise<Record<'console' | 'main', string>> {
  const inside = (name: string): string => join(directory, name);
  const caches = { console: inside('console.cache'), main: inside('main.cache') };
  const identity = inside('warm.json');
  const listener = await warmServer(identity);
  writeFileSync(inside('warm-console.cjs'), consoleSource);
  await warmUp([node, ...nodeFlags, inside('warm-console.cjs')], caches.console, {
    LOTC_WARM_SOURCE: bundles.console,
    LOTC_WARM_LINES: JSON.stringify(lines),
    LOTC_IDENTITY: identity,
  });
  await listener.close();
  writeFileSync(inside('warm-roles.cjs'), warmSource(rolesSource(bundles)));
  const console = [node, ...nodeFlags, bundles.console];
  // Of a short name, wherever LOTC is built: a node's sockets lie in its data directory.
  const home = mkdtempSync(join(tmpdir(), 'lotc-warm-'));
  try {
    await warmUp(
      [node, ...nodeFlags, inside('warm-roles.cjs')],
      caches.main,
      { LOTC_WARM_SOURCE: bundles.main },
      (roles) => driveRoles(roles, { console, directory: home }),
    );
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  return caches;
}

/** Says yes to everything; an identity it knows goes to a file. */
async function warmServer(identity: string): Promise<Listener> {
  const fleet = 'warm';
  const ca = await makeAuthority(fleet);
  const authority = ca.certificate;
  const own = await issueKeyPair(ca, { fleet, role: 'server', name: 'warm' });
  const admin = await issueKeyPair(ca, { fleet, role: 'admin', name: 'warm' });
  const listener = await listen({
    listen: ['127.0.0.1:0'],
    credentials: { authority, ...own },
    log: (_, text) => console.error(text),
    onSocket: ({ socket }) => {
      const link = new Link({ socket, side: 'acceptor' });
      link.handle({
        hello: () => link.welcome({ build: '', features: [], fleet, at: 0, heartbeatMs: 5_000 }),
        request: (kind, _, reply) => {
          if (kind === 'taskRun') reply.ack({ operation: 'O1' });
          reply.ok(answers[kind] ?? {});
        },
      });
    },
  });
  const { addresses } = listener;
  const text = JSON.stringify({
    ...{ addresses, fleet, authority, ...admin },
    ...{ name: 'warm', role: 'admin' },
  });
  writeFileSync(identity, text, { mode: 0o600 });
  return listener;
}

/** Runs a warm-up to its end, with somebody who tells it what to do where it needs one. */
async function warmUp(
  [program = '', ...words]: readonly string[],
  cache: string,
  env: Readonly<Record<string, string>>,
  drive: (child: ChildProcess) => Promise<void> = async () => undefined,
): Promise<void> {
  const child = spawn(program, words, {
    env: { ...env, LOTC_WARM_CACHE: cache },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const said: Buffer[] = [];
  child.stderr.on('data', (bytes: Buffer) => said.push(bytes));
  const closed = once(child, 'close') as Promise<[number | null]>;
  try {
    await drive(child);
    const [code] = await closed;
    if (code !== 0) throw new Error(`the warm-up for the code cache ended with ${code}`);
    if (readFileSync(cache).length === 0) throw new Error('the code cache is empty');
  } catch (error) {
    child.kill('SIGKILL');
    console.error(Buffer.concat(said).toString());
    throw error;
  }
}
