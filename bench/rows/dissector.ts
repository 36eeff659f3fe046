/** The Wireshark module: what it costs to list a capture with it, and whether that stays flat. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { limits } from '../../src/base/limits.ts';
import { brokenCapture } from '../../tests/wire/mutate.ts';
import { Tshark } from '../../tests/wire/tshark.ts';
import { cpuWithChildrenMs, digits, inTurns, median, type Row, ratio } from '../measure.ts';
import { writeBulk, writeSealedTalk, writeTalk } from '../talk.ts';

const FRAMES = 100_000;
const ROUNDS = 3;
const module = join(import.meta.dirname, '../../dissector.lua');

class Scratch implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'lotc-bench-'));

  path(name: string): string {
    return join(this.#directory, name);
  }

  /** CPU time of one tshark, ms: what else the machine does is not in it. */
  async tshark(words: readonly string[], ours = true): Promise<number> {
    const begin = cpuWithChildrenMs(process.pid) - ownMs();
    const with_ = ours ? ['-X', `lua_script:${module}`] : [];
    const child = spawn('tshark', [...with_, ...words], {
      env: { ...process.env, WIRESHARK_CONFIG_DIR: this.path('config') },
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`tshark ended with ${code}`)),
    );
    await promise;
    return cpuWithChildrenMs(process.pid) - ownMs() - begin;
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function ownMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

export const dissectorList: Row = {
  name: 'dissector',
  limitMs: 900_000,
  async run() {
    using scratch = new Scratch();
    const [talk, bulk, tls, keys] = ['talk', 'bulk', 'tls', 'keys'].map((name) =>
      scratch.path(name),
    ) as [string, string, string, string];
    writeTalk(talk, FRAMES);
    writeBulk(bulk, 4_000, limits.chunkBytes);
    await writeSealedTalk(tls, keys, FRAMES / 2);
    const secrets = ['-o', `tls.keylog_file:${keys}`];
    const [full = [], light = [], bare = [], bulky = [], plain = [], open = [], shut = []] =
      await inTurns(ROUNDS, [
        () => scratch.tshark(['-r', talk]),
        () => scratch.tshark(['-r', talk, '-o', 'lotc.analysis:FALSE']),
        () => scratch.tshark(['-r', talk], false),
        () => scratch.tshark(['-r', bulk]),
        () => scratch.tshark(['-r', bulk], false),
        () => scratch.tshark(['-r', tls, ...secrets]),
        () => scratch.tshark(['-r', tls, ...secrets], false),
      ]);
    const against = 'the same capture without the module';
    const what = `tshark -r of ${FRAMES.toLocaleString('en')} LOTC frames, CPU`;
    return [
      ratio(`${what}: list with full analysis`, [full, bare], { most: 5, against }),
      ratio(`${what}: headers only`, [light, bare], { most: 2.3, against }),
      ratio('tshark -r of 65 MB in chunks of one transfer, CPU', [bulky, plain], {
        ...{ most: 1.1, against },
      }),
      ratio(
        `tshark -r of ${(FRAMES / 2).toLocaleString('en')} frames in TLS, decrypted, CPU`,
        [...([open, shut] as const)],
        { most: 2, against },
      ),
    ];
  },
};

export const dissectorFlat: Row = {
  name: 'dissector-flat',
  limitMs: 1_800_000,
  async run() {
    using scratch = new Scratch();
    const filter = 'lotc.run && lotc.response_in && lotc.seq > 5';
    const sizes = [10_000, 100_000, 1_000_000];
    const each: number[] = [];
    // What tshark and the module take to start is no part of a frame.
    const nothing = scratch.path('nothing');
    writeTalk(nothing, 1);
    const start = await scratch.tshark(['-2', '-r', nothing, '-Y', filter]);
    for (const size of sizes) {
      const file = scratch.path(String(size));
      writeTalk(file, size);
      const rounds = size === 10_000 ? ROUNDS : 1;
      const [ms = []] = await inTurns(rounds, [
        () => scratch.tshark(['-2', '-r', file, '-Y', filter]),
      ]);
      each.push(((median(ms) - start) * 1_000) / size);
    }
    const [small = 0, middle = 0, large = 0] = each;
    return [
      {
        what: 'two passes and a filter on three fields, CPU a frame',
        figure: `${digits(large)} µs a frame of 1,000,000`,
        against: `${digits(small)} µs of 10,000, ${digits(middle)} µs of 100,000`,
        result: `${(large / small).toFixed(2)}×`,
        goal: '≤ 1.3×',
        met: large / small <= 1.3,
      },
    ];
  },
};

export const dissectorFuzz: Row = {
  name: 'dissector-fuzz',
  limitMs: 1_800_000,
  async run() {
    using tshark = new Tshark();
    const batches = 25;
    const frames = 8_000;
    let errors = 0;
    for (let seed = 1_001; seed <= 1_000 + batches; seed += 1) {
      const file = tshark.path(`${seed}.pcap`);
      brokenCapture(seed, frames).write(file);
      errors += tshark.fields(file, '_ws.lua.error || lotc.expert.internal', [
        'frame.number',
      ]).length;
      rmSync(file);
    }
    return [
      {
        what: 'broken frames shown in full, twice each',
        figure: `${digits(batches * frames)} frames`,
        against: 'errors inside the module',
        result: String(errors),
        goal: '0',
        met: errors === 0,
      },
    ];
  },
};
