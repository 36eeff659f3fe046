/**
 * Conversations of others, in which LOTC's own bytes are carried where they hurt most: what
 * Wireshark says of them is the same, packet by packet, with dissector.lua and without it.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { Capture, type Stream } from './capture.ts';
import { pipe, sealed } from './sealed.ts';
import { Tshark } from './tshark.ts';
import { readVectors } from './vector.ts';

const tshark = new Tshark();
afterAll(() => tshark[Symbol.dispose]());

/** Frames as they would stand on the wire. */
const frames = readVectors()
  .slice(0, 40)
  .map(({ hex }) => Buffer.from(hex, 'hex'));

/** A real exchange of Node's HTTP: frames sent up, and as many sent down, a segment each. */
async function http(stream: Stream): Promise<void> {
  const server = createServer((asked, answer) => {
    asked.on('end', () => {
      answer.writeHead(200, { 'content-length': Buffer.concat(frames).length });
      for (const frame of frames) answer.write(frame);
      answer.end();
    });
    asked.resume();
  });
  const ends = pipe((side, bytes) => void stream.send(side, bytes));
  server.emit('connection', ends.server);
  const { promise, resolve } = Promise.withResolvers<void>();
  const path = '/program.bin';
  const asking = request(
    { method: 'PUT', path, host: 'example.org', createConnection: () => ends.client },
    (answer) => answer.resume().on('end', resolve),
  );
  for (const frame of frames) asking.write(frame);
  asking.end();
  await promise;
}

/** What RFC 4253 sends before all is encrypted, and some of what comes then. */
function ssh(stream: Stream): void {
  const lists = ['curve25519-sha256', 'ssh-ed25519', ...Array<string>(2).fill('aes256-ctr')];
  const names = [...lists, 'hmac-sha2-256', 'hmac-sha2-256', 'none', 'none', '', ''];
  const texts = names.flatMap((text) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    return [length, Buffer.from(text)];
  });
  const offer = Buffer.concat([Buffer.of(20), randomBytes(16), ...texts, Buffer.alloc(5)]);
  const padding = 16 - ((offer.length + 5) % 8);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + offer.length + padding);
  head.writeUInt8(padding, 4);
  for (const side of ['client', 'server'] as const) {
    stream.send(side, Buffer.from('SSH-2.0-OpenSSH_9.2p1 LOTC\r\n'));
    stream.send(side, Buffer.concat([head, offer, Buffer.alloc(padding)]));
  }
  for (const frame of frames) stream.send('server', Buffer.concat([randomBytes(20), frame]));
}

/** A name and a text of four letters, asked for and answered. */
function dns(capture: Capture): void {
  const question = '044c4f544303636f6d0000100001';
  const answer = 'c00c00100001000000100005044c4f5443';
  capture.datagram(53, Buffer.from(`123401000001000000000000${question}`, 'hex'));
  capture.datagram(53, Buffer.from(`123481800001000100000000${question}${answer}`, 'hex'));
}

function ntp(capture: Capture): void {
  const stamp = 'e9d2a1b04c4f5443';
  const server = `240106e700000010000000204c4f5443${stamp.repeat(4)}`;
  capture.datagram(123, Buffer.from(`e30006ec${'00'.repeat(44)}`, 'hex'));
  capture.datagram(123, Buffer.from(server, 'hex'));
}

test('others are shown as they are without the module', async () => {
  const file = tshark.path('foreign.pcap');
  const keys = tshark.path('keys');
  const capture = new Capture();
  await http(capture.stream({ serverPort: 80 }));
  await http(capture.stream({ serverPort: 8_080, clientPort: 50_011, family: 'ipv6' }));
  await http(capture.stream({ serverPort: 18_000, clientPort: 50_012 }));
  ssh(capture.stream({ serverPort: 22, clientPort: 50_013 }));
  ssh(capture.stream({ serverPort: 2_222, clientPort: 50_014 }));
  const words = frames.map((bytes) => ({ side: 'client' as const, bytes }));
  await sealed(capture, { serverPort: 443, clientPort: 50_015 }, words, 'other/1');
  dns(capture);
  ntp(capture);
  // A key log of another session: nothing of this one is decrypted.
  writeFileSync(keys, await sealed(new Capture(), {}, []));
  capture.write(file);

  const shown = ['frame.number', 'frame.protocols', '_ws.col.Protocol', '_ws.col.Info'];
  const each = shown.flatMap((name) => ['-e', name]);
  const asked = ['-2', '-r', file, '-o', `tls.keylog_file:${keys}`, '-T', 'fields', ...each];
  const ours = tshark.run(asked);
  expect(ours.split('\n')).toEqual(tshark.run(asked, { module: false }).split('\n'));
  for (const kind of ['http', 'ssh', 'tls', 'dns', 'ntp']) expect(ours).toContain(`:${kind}`);
  expect(ours).not.toContain('lotc');
});
