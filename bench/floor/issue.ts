/**
 * The floor of joining: mutual TLS 1.3 of bare Node, one request for a certificate, issued and
 * sent back. No records, no journal, no protocol. `node issue.ts SERVER.json AUTHORITY.json`.
 */
import { readFileSync } from 'node:fs';
import { createServer, type TlsOptions } from 'node:tls';
import { issueForRequest, type KeyPair } from '../../src/net/certificate.io.ts';

const [serverFile = '', authorityFile = ''] = process.argv.slice(2);
const options = JSON.parse(readFileSync(serverFile, 'utf8')) as TlsOptions;
const authority = JSON.parse(readFileSync(authorityFile, 'utf8')) as KeyPair;
const subject = { fleet: 'bench', role: 'agent', name: 'bench' } as const;
const server = createServer(
  { ...options, requestCert: true, rejectUnauthorized: false },
  (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (csr: Buffer) => {
      void issueForRequest(authority, subject, csr).then((text) => socket.write(text));
    });
  },
);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log((server.address() as { port: number }).port);
});
