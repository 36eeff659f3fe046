/**
 * Certificates: the fleet's CA, the server's, the nodes' and consoles'. They only carry keys; who
 * may what, and until when, stands in the server's records. So they are valid from 1970 to 9999
 * (RFC 5280 section 4.1.2.5) and a node with a wrong clock is not locked out.
 *
 * `@peculiar/x509` takes 110 ms and 25 MB to load: only what makes certificates imports it, when
 * it does. Reading them is Node's own `X509Certificate`.
 */

import { createPublicKey, type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import type * as x509Module from '@peculiar/x509';
import { spkiOf } from './token.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const NOT_BEFORE = new Date('1970-01-01T00:00:00Z');
const NOT_AFTER = new Date('9999-12-31T23:59:59Z');
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

export interface KeyPair {
  /** PKCS #8, PEM. */
  readonly key: string;
  /** PEM, with a final newline. */
  readonly certificate: string;
}

async function load(): Promise<typeof x509Module> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

const pem = (text: string): string => `${text.trimEnd()}\n`;
const serial = (): string => `00${randomBytes(16).toString('hex')}`;

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  const body = Buffer.from(der)
    .toString('base64')
    .replace(/(.{64})/g, '$1\n');
  return pem(`-----BEGIN PRIVATE KEY-----\n${body.trimEnd()}\n-----END PRIVATE KEY-----`);
}

async function importKey(key: string): Promise<CryptoKey> {
  const der = Buffer.from(key.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']);
}

/** A new fleet's CA. */
export async function makeAuthority(fleet: string): Promise<KeyPair> {
  const x509 = await load();
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=LOTC CA ${fleet}`,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { key: await exportKey(keys.privateKey), certificate: pem(certificate.toString('pem')) };
}

export interface Subject {
  readonly fleet: string;
  readonly role: 'server' | 'agent' | 'admin';
  readonly name: string;
  /** Addresses and host names, for tools that check them; LOTC checks the URI. */
  readonly hosts?: readonly string[] | undefined;
}

export const identityUri = ({ fleet, role, name }: Subject): string =>
  `lotc://${fleet}/${role}/${name}`;

async function sign(
  authority: KeyPair,
  subject: Subject,
  publicKey: webcrypto.CryptoKey,
): Promise<string> {
  const x509 = await load();
  const ca = new x509.X509Certificate(authority.certificate);
  const names = (subject.hosts ?? []).map((host) => ({
    type: /^[\d.]+$|:/.test(host) ? ('ip' as const) : ('dns' as const),
    value: host,
  }));
  const usage = subject.role === 'server' ? SERVER_AUTH : CLIENT_AUTH;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${subject.role} ${subject.name}`,
    issuer: ca.subject,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: await importKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: identityUri(subject) },
        ...names,
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(ca),
    ],
  });
  return pem(certificate.toString('pem'));
}

/** A key of our own with the CA's certificate for it: the server's, and the first admin's. */
export async function issueKeyPair(authority: KeyPair, subject: Subject): Promise<KeyPair> {
  const keys = await newKeys();
  const certificate = await sign(authority, subject, keys.publicKey);
  return { key: await exportKey(keys.privateKey), certificate };
}

/** A certificate of the CA for a key whose private half stays where it is. */
export async function reissue(authority: KeyPair, subject: Subject, key: string): Promise<string> {
  const x509 = await load();
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return sign(authority, subject, await new x509.PublicKey(spki).export());
}

export interface SigningRequest {
  readonly key: string;
  readonly csr: Uint8Array;
}

/** A node's new key, and the request to have it certified (RFC 2986). */
export async function makeRequest(name: string, oldKey?: string): Promise<SigningRequest> {
  const x509 = await load();
  const keys = oldKey === undefined ? await newKeys() : await pairOf(oldKey);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { key: oldKey ?? (await exportKey(keys.privateKey)), csr: new Uint8Array(csr.rawData) };
}

async function pairOf(key: string): Promise<webcrypto.CryptoKeyPair> {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const publicKey = await webcrypto.subtle.importKey('spki', spki, ALGORITHM, true, ['verify']);
  return { privateKey: await importKey(key), publicKey };
}

/** Hex SHA-256 of the request's key; undefined where its signature does not hold. */
export async function checkRequest(csr: Uint8Array): Promise<string | undefined> {
  const x509 = await load();
  try {
    const request = new x509.Pkcs10CertificateRequest(new Uint8Array(csr));
    if (!(await request.verify())) return undefined;
    const der = Buffer.from(request.publicKey.rawData);
    return spkiOf(createPublicKey({ key: der, format: 'der', type: 'spki' }));
  } catch {
    return undefined;
  }
}

export async function issueForRequest(
  authority: KeyPair,
  subject: Subject,
  csr: Uint8Array,
): Promise<string> {
  const x509 = await load();
  const request = new x509.Pkcs10CertificateRequest(new Uint8Array(csr));
  return sign(authority, subject, await request.publicKey.export());
}

/** What a token's key shows at the door: a certificate it signed itself. */
export async function selfSigned(key: KeyObject): Promise<KeyPair> {
  const x509 = await load();
  const der = key.export({ format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const algorithm = { name: 'Ed25519' };
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
  const publicKey = await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=LOTC join token',
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    signingAlgorithm: algorithm,
    keys: { privateKey, publicKey },
  });
  return {
    key: key.export({ format: 'pem', type: 'pkcs8' }),
    certificate: pem(certificate.toString('pem')),
  };
}
