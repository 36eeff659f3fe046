/**
 * What a busy server's port says, as captures: twenty agents that report, sample, are assigned
 * work, ask for the time and are pinged. Frames are right in every respect, so that the Wireshark
 * module follows each of them and has nothing to complain of.
 */
import { writeFileSync } from 'node:fs';
import type { AnyBody } from '../src/net/bodies.ts';
import { encodeFrame } from '../src/net/codec.ts';
import type { MessageKind, State } from '../src/net/layout.ts';
import { Capture, type Side } from '../tests/wire/capture.ts';
import { sealed, type Words } from '../tests/wire/sealed.ts';

const AGENTS = 20;

interface Spoken extends Words {
  readonly agent: number;
}

function say(
  agent: number,
  side: Side,
  [kind, state]: readonly [MessageKind, State],
  id: number,
  body: AnyBody = {},
): Spoken {
  const bytes = encodeFrame({ kind, state, id, more: false, again: false, body });
  return { agent, side, bytes };
}

/** Endless: a HELLO each, then rounds of talk. */
function* talk(agents: number, now: () => number): Generator<Spoken> {
  const build = { build: '0.1.0', features: [] };
  for (let agent = 0; agent < agents; agent += 1) {
    const who = { role: 'agent', instance: 'i', node: `n${agent}`, generation: 3 };
    yield say(agent, 'client', ['hostHello', 'REQ'], 1, { ...build, ...who });
    const welcome = { ...build, fleet: 'f', at: now(), heartbeatMs: 3_600_000 };
    yield say(agent, 'server', ['hostHello', 'OK'], 1, welcome);
  }
  for (let round = 0; ; round += 1) {
    for (let agent = 0; agent < agents; agent += 1) yield* exchange(agent, round, now());
  }
}

function* exchange(agent: number, round: number, at: number): Generator<Spoken> {
  const asked = 2 * round + 3;
  const told = 2 * round + 2;
  const run = `R${agent}x${round}`;
  const ours = { run, task: 'crawl' };
  const row = {
    ...ours,
    node: `n${agent}`,
    processState: 'running',
    pid: 4_242,
    startedAt: at,
    restarts: 0,
  };
  const reports = [{ seq: round + 1, at, entry: 'process', process: row }];
  yield say(agent, 'client', ['synReport', 'REQ'], asked, { reports });
  yield say(agent, 'server', ['synReport', 'OK'], asked, { seq: round + 1 });
  const spec = { command: ['./crawl', '--depth', '3'], bundle: 'crawler' };
  const order = { entry: 'order', order: `O${round}`, operation: `O${round}`, verb: 'start' };
  const item = { item: `order:${round}`, generation: round + 4, ...order, ...ours, spec };
  const change = { generation: round + 4, base: round + 3, items: [item] };
  yield say(agent, 'server', ['synAssign', 'REQ'], told, change);
  yield say(agent, 'client', ['synAssign', 'OK'], told, { generation: round + 4 });
  const figures = { cpuPercent: 12.5, memoryBytes: 1e8, memoryKind: 'pss', threads: 4 };
  const samples = [{ at, ...ours, ...figures, openFiles: 13, uptimeMs: 12_345 }];
  yield say(agent, 'client', ['hostSample', 'REQ'], 0, { samples, running: 1 });
  yield say(agent, 'client', ['ping', 'REQ'], asked + 1e9);
  yield say(agent, 'server', ['ping', 'OK'], asked + 1e9);
}

function* first<T>(count: number, all: Iterable<T>): Generator<T> {
  let left = count;
  for (const one of all) {
    if (left === 0) return;
    left -= 1;
    yield one;
  }
}

export function writeTalk(file: string, frames: number): void {
  const capture = new Capture();
  capture.stepUs = 50;
  const streams = Array.from({ length: AGENTS }, (_, agent) =>
    capture.stream({ clientPort: 40_000 + agent, family: agent % 2 === 0 ? 'ipv6' : 'ipv4' }),
  );
  for (const { agent, side, bytes } of first(
    frames,
    talk(AGENTS, () => capture.nowUs),
  )) {
    streams[agent]?.send(side, bytes);
  }
  capture.write(file);
}

/** One agent's talk over TLS; the secrets go to `keys`. */
export async function writeSealedTalk(file: string, keys: string, frames: number): Promise<void> {
  const capture = new Capture();
  const words = first(
    frames,
    talk(1, () => capture.nowUs),
  );
  writeFileSync(keys, await sealed(capture, {}, words));
  capture.write(file);
}

/** One upload, credit always ahead of it. */
export function writeBulk(file: string, chunks: number, chunkBytes: number): void {
  const capture = new Capture();
  const sizeBytes = chunks * chunkBytes;
  const stream = capture.stream();
  const send = (side: Side, kind: MessageKind, state: State, body: AnyBody, more = false): void => {
    stream.send(side, encodeFrame({ kind, state, id: 1, more, again: false, body }));
  };
  send('client', 'filePut', 'REQ', { digest: 'sha256:0', sizeBytes });
  send('server', 'filePut', 'ACK', { offset: 0, credit: sizeBytes });
  const data = Buffer.alloc(chunkBytes, 'lotc');
  for (let n = 0; n < chunks; n += 1) {
    send('client', 'fileChunk', 'REQ', { offset: n * chunkBytes, data }, n < chunks - 1);
  }
  send('server', 'filePut', 'OK', { digest: 'sha256:0' });
  capture.write(file);
}
