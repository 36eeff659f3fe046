/**
 * Ids of runs, operations, nodes and schedules: a letter and eleven Crockford base32 characters
 * (55 bits) of a hash of what made them. Upper case, so never a NAME; derived from the command, so
 * every replay makes the same ones and there is no global counter.
 */
import { createHash } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export function makeId(
  letter: 'R' | 'O' | 'N' | 'S',
  ...parts: readonly (Uint8Array | string)[]
): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  const bytes = hash.digest();
  let id = letter as string;
  for (let i = 0; i < 11; i += 1) id += ALPHABET.charAt((bytes[i] ?? 0) % 32);
  return id;
}
