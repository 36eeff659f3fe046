/**
 * V8's code caches of the bundles, made after a warm-up: a console command that ran to its end has
 * compiled what such commands need, so the executable need not compile it again at each start
 * (Node's own cache of a SEA holds only what is compiled eagerly). The warm-up is `lotc admin ps`
 * against a server of the build's own, on loopback, in the protocol of the sources.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { Link } from '../src/net/link.io.ts';

/** What Node is started with, here and in the executable: V8 refuses a cache of other flags. */
export const nodeFlags: readonly string[] = [
  // node:ffi and node:sqlite are what LOTC is built on; their warnings tell users nothing.
  '--disable-warning=ExperimentalWarning',
  // MiB. A console ends before it has filled this; by V8's own measure it collects twice.
  '--min-semi-space-size=2',
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
  const source = Buffer.from(sea.getRawAsset(bundle + '.cjs')).latin1Slice();
  // What is compiled in less time than a cache is read has none.
  const cachedData =
    bundle === 'notify' ? undefined : Buffer.from(sea.getRawAsset(bundle + '.cache'));
  ${script('cachedData, ')}${call}
}
`;

const warmSource = `const vm = require('node:vm');
const fs = require('node:fs');
const source = fs.readFileSync(process.env.LOTC_WARM_SOURCE, 'latin1');
const script = ${script('')};
process.once('exit', () => {
  fs.writeFileSync(process.env.LOTC_WARM_CACHE, script.createCachedData());
});
script${call}
`;

/** Writes the cache of each bundle beside it, made by the Node binary that will use it. */
export async function makeCodeCaches<Name extends string>(
  node: string,
  bundles: Readonly<Record<Name, string>>,
  directory: string,
): Promise<Record<Name, string>> {
  const warm = join(directory, 'warm.cjs');
  writeFileSync(warm, warmSource);
  const server = createServer((socket) => {
    const link = new Link({ socket, side: 'acceptor' });
    link.handle({
      hello: () =>
        link.welcome({ ...{ build: '', features: [], fleet: '' }, at: 0, heartbeatMs: 5_000 }),
      request: (_kind, _body, reply) => reply.ok({ processes: [] }),
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const words = ['admin', 'ps', '--plaintext', '--server', `127.0.0.1:${port}`];
  const caches: Partial<Record<Name, string>> = {};
  for (const name of Object.keys(bundles) as Name[]) {
    const cache = join(directory, `${name}.cache`);
    const env = { LOTC_WARM_SOURCE: bundles[name], LOTC_WARM_CACHE: cache };
    await warmUp(node, [warm, ...words], env);
    caches[name] = cache;
  }
  server.close();
  return caches as Record<Name, string>;
}

type Env = Readonly<Record<'LOTC_WARM_SOURCE' | 'LOTC_WARM_CACHE', string>>;

async function warmUp(node: string, words: readonly string[], env: Env): Promise<void> {
  const child = spawn(node, [...nodeFlags, ...words], {
    env: { ...env, LOTC_IDENTITY: '/nonexistent' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the warm-up for the code cache ended with ${code}`);
  if (readFileSync(env.LOTC_WARM_CACHE).length === 0) throw new Error('the code cache is empty');
}
