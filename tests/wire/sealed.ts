/**
 * TLS 1.3 in a made capture: both ends are Node's own, joined in memory, and what they send to
 * each other is what the capture holds. So a capture of TLS needs neither a network nor rights.
 */
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { issueKeyPair, makeAuthority } from '../../src/net/certificate.io.ts';
import type { Capture, Side, StreamOptions } from './capture.ts';

export interface Words {
  readonly side: Side;
  readonly bytes: Uint8Array;
}

/** A pipe of which `tell` hears everything. */
export function pipe(tell: (side: Side, bytes: Uint8Array) => void): Record<Side, Duplex> {
  const end = (side: Side, other: () => Duplex): Duplex =>
    new Duplex({
      read: () => undefined,
      write: (bytes: Buffer, _, done) => {
        tell(side, bytes);
        other().push(bytes);
        done();
      },
    });
  const client: Duplex = end('client', () => server);
  const server: Duplex = end('server', () => client);
  return { client, server };
}

/** Says the words over TLS, one record each; returns the secrets as a key log. */
export async function sealed(
  capture: Capture,
  options: StreamOptions,
  words: Iterable<Words>,
  alpn = 'lotc/2',
): Promise<string> {
  const fleet = 'f1';
  const authority = await makeAuthority(fleet);
  const [server, agent] = await Promise.all([
    issueKeyPair(authority, { fleet, role: 'server', name: 'main' }),
    issueKeyPair(authority, { fleet, role: 'agent', name: 'n1' }),
  ]);
  const context = { ca: authority.certificate, minVersion: 'TLSv1.3', ALPNProtocols: [alpn] };
  const stream = capture.stream(options);
  const ends = pipe((side, bytes) => void stream.send(side, bytes));
  const secrets: string[] = [];
  const near = connect({
    ...{ ...context, minVersion: 'TLSv1.3', socket: ends.client, rejectUnauthorized: false },
    ...{ cert: agent.certificate, key: agent.key },
  });
  near.on('keylog', (line) => secrets.push(line.toString()));
  const far = new TLSSocket(ends.server, {
    ...{ isServer: true, requestCert: true, rejectUnauthorized: false },
    ...{ ALPNProtocols: [alpn] },
    secureContext: createSecureContext({
      ...{ ca: authority.certificate, cert: server.certificate, key: server.key },
    }),
  });
  await Promise.all([once(near, 'secureConnect'), once(far, 'secure')]);
  for (const { side, bytes } of words) {
    const [from, to] = side === 'client' ? [near, far] : [far, near];
    const arrived = once(to, 'data');
    from.write(bytes);
    await arrived;
  }
  near.destroy();
  far.destroy();
  return secrets.join('');
}
