/**
 * The registry's own codec against cborg (its token interface) on three messages of a busy day:
 * µs each way, header and checksum included on our side only. Run: node bench/codec.ts
 */
import { decode, encode, objectToTokens, Token, Type } from 'cborg';
import { decodeFrame, encodeFrame, type Message } from '../src/net/codec.ts';
import { FrameReader } from '../src/net/frame.ts';
import { type KeyName, keys } from '../src/net/registry.ts';

const at = 1_795_478_400_000_000;
const messages: Readonly<Record<string, Message>> = {
  taskRun: {
    ...{ kind: 'taskRun', state: 'REQ', id: 12_345 },
    body: { key: new Uint8Array(16).fill(7), targets: ['crawl@n1'], mode: 'start', wait: true },
  },
  synReport: {
    ...{ kind: 'synReport', state: 'REQ', id: 7 },
    body: {
      reports: [
        {
          ...{ seq: 4711, at, entry: 'process' },
          process: {
            ...{ run: 'R0123456789A', processState: 'running', task: 'crawl', pid: 31_337 },
            ...{ startedAt: at, restarts: 0, bundle: 'crawler', wish: 'up' },
          },
        },
      ],
    },
  },
  hostSample: {
    ...{ kind: 'hostSample', state: 'REQ', id: 0 },
    body: {
      samples: [
        { at, cpuPercent: 12.5, memoryBytes: 123_456_789, load1: 0.33, diskFreeBytes: 5e10 },
        { at, run: 'R0123456789A', task: 'crawl', cpuPercent: 1.7, memoryBytes: 4_000_000 },
      ],
    },
  },
};

function tokens(value: unknown): unknown {
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(tokens);
  return new Map(
    Object.entries(value).map(([name, one]) => [keys[name as KeyName][0], tokens(one)]),
  );
}

/** As near as cborg comes: a type encoder that turns named maps into tokens of numbered ones. */
const typeEncoders = {
  Object(value: Record<string, unknown>, _type: string, options: object) {
    const names = Object.keys(value).sort((a, b) => keys[a as KeyName][0] - keys[b as KeyName][0]);
    const out: unknown[] = [new Token(Type.map, names.length)];
    for (const name of names) {
      const key = new Token(Type.uint, keys[name as KeyName][0]);
      out.push([key, objectToTokens(value[name], options)]);
    }
    return out;
  },
};

function measure(run: () => unknown): number {
  const rounds = 100_000;
  for (let n = 0; n < rounds; n += 1) run();
  let best = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 5; turn += 1) {
    const startMs = performance.now();
    for (let n = 0; n < rounds; n += 1) run();
    best = Math.min(best, performance.now() - startMs);
  }
  return (best * 1000) / rounds;
}

for (const [name, message] of Object.entries(messages)) {
  const bytes = encodeFrame(message);
  const options = { strict: true, useMaps: true, rejectDuplicateMapKeys: true };
  const body = encode(tokens(message.body));
  const reader = new FrameReader();
  const rows = {
    'ours, encode': () => encodeFrame(message),
    'ours, decode': () => {
      reader.push(bytes);
      const frame = reader.next();
      return frame && decodeFrame(frame);
    },
    'cborg, encode': () => encode(message.body, { typeEncoders: typeEncoders as never }),
    'cborg, decode': () => decode(body, options),
  };
  for (const [what, run] of Object.entries(rows)) {
    console.log(name.padEnd(12), what.padEnd(14), `${measure(run).toFixed(2)} µs`, bytes.length);
  }
}
