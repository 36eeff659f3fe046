/**
 * Runs tshark with dissector.lua, without anybody's own settings or modules. An error inside a
 * Lua module ends neither tshark nor its exit code: it is looked for in what was printed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '../fixtures/remove.ts';

export const dissector = join(import.meta.dirname, '../../dissector.lua');

const luaError = /Lua Error|\.lua:\d|lotc\.expert\.internal|mistake in this module/iu;

/** Of address space: what no capture of a test, however it is broken, may need. */
const MEMORY_BYTES = 1024 ** 3;

export class Tshark implements Disposable {
  /** Captures go here. */
  readonly directory = mkdtempSync(join(tmpdir(), 'lotc-tshark-'));

  constructor() {
    try {
      execFileSync('tshark', ['--version'], { stdio: 'ignore', env: this.#env });
    } catch {
      throw new Error('there is no tshark; as root: scripts/need tshark');
    }
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, WIRESHARK_CONFIG_DIR: join(this.directory, 'config'), TZ: 'UTC' };
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** What it printed; with `module: false` as Wireshark is without ours. */
  run(words: readonly string[], { module = true } = {}): string {
    const ours = module ? ['-X', `lua_script:${dissector}`] : [];
    const bounded = [`--as=${MEMORY_BYTES}`, 'tshark', ...ours, ...words];
    const { status, stdout, stderr, error } = spawnSync('prlimit', bounded, {
      ...{ env: this.#env, encoding: 'utf8', maxBuffer: 1 << 30, timeout: 300_000 },
    });
    if (error) throw error;
    const bad = luaError.exec(stdout) ?? luaError.exec(stderr);
    if (bad || status !== 0) {
      const text = bad ? `${stdout}${stderr}`.slice(Math.max(0, bad.index - 500)) : stderr;
      throw new Error(`tshark ${words.join(' ')}: ended with ${status}: ${text.slice(0, 2_000)}`);
    }
    return stdout;
  }

  /** The LOTC layers of a capture, packet by packet; two passes, as a window shows it. */
  layers(file: string, filter = 'lotc'): unknown[] {
    const words = ['-2', '-r', file, '-Y', filter, '-T', 'json', '--no-duplicate-keys'];
    const packets = JSON.parse(this.run([...words, '-J', 'lotc'])) as Packet[];
    return packets.map(({ _source }) => _source.layers['lotc']);
  }

  /** One row a packet, one cell a field; values of several frames are joined by a comma. */
  fields(file: string, filter: string, names: readonly string[]): string[][] {
    const each = names.flatMap((name) => ['-e', name]);
    const words = ['-2', '-r', file, '-Y', filter, '-T', 'fields', '-E', 'separator=|'];
    const text = this.run([...words, ...each]);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('|'));
  }

  [Symbol.dispose](): void {
    removeTree(this.directory);
  }
}

interface Packet {
  readonly _source: { readonly layers: Record<string, unknown> };
}
