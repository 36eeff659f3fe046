/**
 * dissector.lua in Wireshark 4.4 with Lua 5.4: line by line what tshark 4.0 with Lua 5.2 shows,
 * which dissector.test.ts holds against the codec; and broken frames do no harm there either.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Capture } from './capture.ts';
import { brokenCapture } from './mutate.ts';
import { Tshark } from './tshark.ts';
import { readBadVectors, readVectors } from './vector.ts';
import { Wiregasm } from './wiregasm.ts';

const tshark = new Tshark();
let wiregasm: Wiregasm;
beforeAll(async () => {
  wiregasm = await Wiregasm.load();
});
afterAll(() => tshark[Symbol.dispose]());

/** The lines of the LOTC layers; long bytes are cut at different places. */
const cut = (line: string): string => line.trimEnd().replace(/^(\w+: [0-9a-f]{60}).*$/u, '$1');

function linesOfTshark(file: string): string[] {
  const text = tshark.run(['-2', '-r', file, '-Y', 'lotc', '-V']);
  const lines = text.split('\n');
  const found: string[] = [];
  let ours = false;
  for (const line of lines) {
    if (/^\S/u.test(line)) ours = line.startsWith('Low Orbit Task Cannon');
    if (ours && line !== '') found.push(line.trim().replace(/^\[(.*)\]$/u, '$1'));
  }
  return found.map(cut);
}

function write(name: string, fill: (capture: Capture) => void): string {
  const file = tshark.path(name);
  const capture = new Capture();
  fill(capture);
  capture.write(file);
  return file;
}

test('every golden vector looks the same in both', () => {
  const file = write('vectors.pcap', (capture) => {
    for (const [number, { state, hex }] of readVectors().entries()) {
      const side = state === 'REQ' ? 'client' : 'server';
      capture.stream({ clientPort: 10_000 + number }).send(side, Buffer.from(hex, 'hex'));
    }
  });
  const lines = linesOfTshark(file);
  expect(lines.length).toBeGreaterThan(4_000);
  expect(wiregasm.lines(file).map(cut)).toEqual(lines);
});

test('so does every refused one', () => {
  const file = write('refused.pcap', (capture) => {
    for (const [number, { hex, answer }] of readBadVectors().entries()) {
      const stream = capture.stream({ clientPort: 10_000 + number });
      stream.send('client', Buffer.from(hex, 'hex')).send('server', Buffer.from(answer, 'hex'));
    }
  });
  expect(wiregasm.lines(file).map(cut)).toEqual(linesOfTshark(file));
});

test('one conversation, with its links and times', () => {
  const file = write('conversation.pcap', (capture) => {
    const stream = capture.stream({ family: 'ipv6' });
    for (const { kind, state, hex } of readVectors()) {
      if (!['taskRun', 'retQuery', 'synReport', 'filePut', 'ping'].includes(kind)) continue;
      stream.send(state === 'REQ' ? 'client' : 'server', Buffer.from(hex, 'hex'), { mss: 90 });
    }
  });
  expect(wiregasm.lines(file).map(cut)).toEqual(linesOfTshark(file));
});

test.each([11, 12])(
  '4000 broken frames of seed %i do no harm',
  (seed) => {
    const file = tshark.path(`${seed}.pcap`);
    brokenCapture(seed, 4_000).write(file);
    const found = wiregasm.open(file, (session) =>
      ['_ws.lua.error || lotc.expert.internal', 'lotc'].map(
        (filter) => session.getFrames(filter, 0, 0).matched,
      ),
    );
    expect(found[0]).toBe(0);
    expect(found[1]).toBeGreaterThan(2_000);
  },
  300_000,
);
