/** Which CAs somebody trusts, as one word to compare. */
import { createHash } from 'node:crypto';

/** A PEM text as one line: how it is broken says nothing. */
export const unbroken = (pem: string): string => pem.replaceAll(/\s/g, '');

/** Hex SHA-256 of a PEM text, in which the order of the certificates counts. */
export const trustOf = (pem: string): string =>
  createHash('sha256').update(unbroken(pem)).digest('hex');
