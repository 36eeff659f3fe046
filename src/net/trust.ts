/** PEM texts with the certificates of CAs: what tokens name of them, and whether they are such. */
import { X509Certificate } from 'node:crypto';
import { spkiOf } from './token.ts';
import { unbroken } from './trust-word.ts';

/** Hex SHA-256 of the key of the first certificate in it: what tokens name. */
export const pinOf = (pem: string): string => spkiOf(new X509Certificate(pem).publicKey);

/** Whether all in it is certificates of CAs, and there is one. */
export function holdsAuthorities(pem: string): boolean {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const isAll = unbroken(pem) === unbroken(found.join(''));
  try {
    return isAll && found.length > 0 && found.every((one) => new X509Certificate(one).ca);
  } catch {
    return false;
  }
}
