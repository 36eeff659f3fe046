/** Which CAs somebody trusts, as one word to compare. */
import { createHash } from 'node:crypto';

/** Hex SHA-256 of a PEM text: the order of the certificates counts, how it is broken does not. */
export const trustOf = (pem: string): string =>
  createHash('sha256').update(pem.replaceAll(/\s/g, '')).digest('hex');
