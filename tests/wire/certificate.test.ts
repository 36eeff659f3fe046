/** Certificates as Node and TLS see them; identity is the hash of their key. */
import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  checkRequest,
  issueForRequest,
  issueKeyPair,
  makeAuthority,
  makeRequest,
  reissue,
  selfSigned,
} from '../../src/net/certificate.io.ts';
import { spkiOf, tokenKey, tokenSpki } from '../../src/net/token.ts';

const authority = await makeAuthority('f1');
const ca = new X509Certificate(authority.certificate);
const server = { fleet: 'f1', role: 'server', name: 'main' } as const;

test('certificates are good from 1970 to 9999, whatever the clock says', async () => {
  const { certificate } = await issueKeyPair(authority, server);
  for (const one of [ca, new X509Certificate(certificate)]) {
    expect(one.validFromDate.toISOString()).toBe('1970-01-01T00:00:00.000Z');
    expect(one.validToDate.toISOString()).toBe('9999-12-31T23:59:59.000Z');
  }
  expect([ca.ca, ca.verify(ca.publicKey)]).toEqual([true, true]);
});

test('the server is named by its URI; its addresses are there for other tools', async () => {
  const hosts = ['srv.example', '192.0.2.1', '2001:db8::1'];
  const pair = await issueKeyPair(authority, { ...server, hosts });
  const certificate = new X509Certificate(pair.certificate);
  expect(certificate.subjectAltName).toBe(
    'URI:lotc://f1/server/main, DNS:srv.example, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1',
  );
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect([certificate.ca, certificate.checkIssued(ca)]).toEqual([false, true]);
  const moved = new X509Certificate(await reissue(authority, server, pair.key));
  expect(spkiOf(moved.publicKey)).toBe(spkiOf(certificate.publicKey));
  expect(moved.subjectAltName).toBe('URI:lotc://f1/server/main');
});

test('a request is certified for its own key; a retry has the same key', async () => {
  const { key, csr } = await makeRequest('n1');
  const subject = { fleet: 'f1', role: 'agent', name: 'n1' } as const;
  const certificate = new X509Certificate(await issueForRequest(authority, subject, csr));
  expect(certificate.verify(ca.publicKey)).toBe(true);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  expect(await checkRequest(csr)).toBe(spkiOf(certificate.publicKey));
  expect(await checkRequest((await makeRequest('n1', key)).csr)).toBe(await checkRequest(csr));
  expect(await checkRequest((await makeRequest('n1')).csr)).not.toBe(await checkRequest(csr));
});

test('a request that was tampered with, or is none, is refused', async () => {
  const { csr } = await makeRequest('n1');
  for (const at of [30, csr.length - 1]) {
    const broken = Uint8Array.from(csr);
    broken[at] = (broken[at] ?? 0) ^ 1;
    expect(await checkRequest(broken)).toBeUndefined();
  }
  expect(await checkRequest(new Uint8Array(0))).toBeUndefined();
  expect(await checkRequest(new Uint8Array(500).fill(0x30))).toBeUndefined();
});

test("a token's certificate shows its key, and no CA stands behind it", async () => {
  const secret = new Uint8Array(20).fill(7);
  const { certificate } = await selfSigned(tokenKey({ secret }));
  const shown = new X509Certificate(certificate);
  expect(spkiOf(shown.publicKey)).toBe(tokenSpki({ secret }));
  expect([shown.verify(shown.publicKey), shown.checkIssued(ca)]).toEqual([true, false]);
});
