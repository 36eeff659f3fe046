/** The shim's parsers under sanitizers (fuzz.c): how it is built, what each begins with, one run. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeLaunch, type Launch } from '../../src/supervisor/launch.ts';
import { encodeCommand } from '../../src/supervisor/shim-command.ts';
import { removeTree } from '../fixtures/remove.ts';
import { root } from './rig.ts';

const smallest: Launch = { socket: '/s', record: '/r', argv: ['true'], env: [], umask: 0o22 };
const whole: Launch = {
  ...smallest,
  ...{ cwd: '/c', stdin: '/in', stdout: '/out', stderr: '/err', notify: '/n', oomScoreAdj: -7 },
  ...{ gateAtUs: 1_234_567, leaseAtUs: 5_000, logMaxBytes: 65_536 },
  user: { uid: 1001, gid: 1002, groups: [1002, 4] },
  rlimits: [
    { name: 'nofile', soft: 1024, hard: 4096 },
    { name: 'core', soft: 0, hard: 'unlimited' },
  ],
  cgroups: ['/g/cgroup.procs', '/h/cgroup.procs'],
  argv: ['echo', '', 'x'.repeat(300)],
  env: ['A=ü', 'B='],
};
/** Lists that say they are longer than there is room. */
const counts = ['65537', '4294967296', '18446744073709551615'].flatMap((count) =>
  [14, 15, 16, 17, 19].map((place) => {
    const fields = Buffer.from(encodeLaunch(smallest).subarray(4)).toString().split('\0');
    return Buffer.from(fields.with(place, count).join('\0'));
  }),
);
const texts = (...all: string[]): Uint8Array[] => all.map((one) => Buffer.from(one));

/** Without their own length, which the harness puts before them. */
export const shimParsers: Readonly<Record<string, readonly Uint8Array[]>> = {
  launch: [
    ...[smallest, whole, { ...whole, tty: { rows: 1, columns: 1 } }].map((one) =>
      encodeLaunch(one).subarray(4),
    ),
    ...counts,
  ],
  commands: texts(
    ...[encodeCommand({ kind: 'signal', signal: 15 }), encodeCommand({ kind: 'mark' })],
    ...[encodeCommand({ kind: 'signal-group', signal: 64 }), encodeCommand({ kind: 'fire' })],
    ...[encodeCommand({ kind: 'gate', atUs: 1e15 }), encodeCommand({ kind: 'cancel' })],
    ...[encodeCommand({ kind: 'at', act: 'lease', atUs: 1e15 }), 'at freeze 18446744073709551615'],
    ...[encodeCommand({ kind: 'close-stdin' }), encodeCommand({ kind: 'quiet', us: 250_000 })],
    'quit\nmark\nsignal 9\nquiet 0\n',
  ),
  signs: texts(
    ...['READY=1\nSTATUS=half way\nMAINPID=1', 'WATCHDOG=1', 'WATCHDOG=trigger\nERRNO=2'],
    ...[
      `STATUS=${'x'.repeat(500)}`,
      `STATUS=${'y'.repeat(4_080)}`,
      'EXTEND_TIMEOUT_USEC=1000\nWATCHDOG_USEC=18446744073709551615',
    ],
    ...['RELOADING=1\nMONOTONIC_USEC=5', 'FDSTORE=1\nFDNAME=a', 'BARRIER=1', 'STOPPING=1\n\n'],
  ),
  names: texts(') R 1 1 1', '((((', 'a\nb', '1 (x) S 0 0'),
};

export class ShimFuzz implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'lotc-shim-fuzz-'));
  readonly #program = join(this.#directory, 'fuzz');

  constructor() {
    const strict = ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-g', '-O1'];
    const sanitized = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    const source = join(root, 'tests/shim/fuzz.c');
    execFileSync('gcc', [...strict, ...sanitized, '-o', this.#program, source]);
  }

  /** How many were taken; throws with the input that is a fault and what was found. */
  run(name: string, inputs: number, seed: number): number {
    const corpus = join(this.#directory, 'corpus');
    const items = shimParsers[name] ?? [];
    writeFileSync(corpus, Buffer.concat(items.flatMap((item) => [lengthOf(item), item])));
    const words = [name, String(inputs), String(seed), corpus];
    const env = { ASAN_OPTIONS: 'detect_leaks=0' };
    const { status, stdout, stderr } = spawnSync(this.#program, words, { encoding: 'utf8', env });
    const taken = /^taken (\d+)$/m.exec(stdout)?.[1];
    if (status === 0 && taken !== undefined) return Number(taken);
    throw new Error(`${name}, SEED=${seed}, ${inputs} inputs: ${stdout}${stderr}`);
  }

  [Symbol.dispose](): void {
    removeTree(this.#directory);
  }
}

function lengthOf(item: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(item.length);
  return bytes;
}
