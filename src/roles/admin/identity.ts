/**
 * The identity file of an admin: who it is, and where its server listens. Pure: the edge reads
 * the file. Written by the server as `admin.json` and copied by people, so it is read with care.
 */
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';

export interface Identity {
  readonly addresses: readonly string[];
  readonly fleet: string;
  /** PEM of the fleet's CA, of the own certificate and of its key. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly name: string;
  readonly role: string;
}

const texts = ['fleet', 'authority', 'certificate', 'key', 'name', 'role'] as const;

const HINT =
  "copy admin.json of the server's data directory here and give it by --identity FILE, " +
  '$LOTC_IDENTITY or ~/.config/lotc/identity.json';

export function noIdentity(path: string, reason: string): LotcError {
  return new LotcError('unauthenticated', `no identity: ${path}: ${reason}`, { hint: HINT });
}

export function parseIdentity(text: string, path: string): Identity {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw noIdentity(path, 'not JSON');
  }
  if (value === null || typeof value !== 'object') throw noIdentity(path, 'not an identity');
  const fields = value as Record<string, unknown>;
  for (const key of texts) {
    if (typeof fields[key] !== 'string') throw noIdentity(path, `"${key}" is missing`);
  }
  const { addresses } = fields;
  if (!Array.isArray(addresses) || !addresses.every((one) => typeof one === 'string')) {
    throw noIdentity(path, '"addresses" is missing');
  }
  return value as Identity;
}

/** `ann-laptop`: the user on its machine, as far as that makes a name; else `admin`. */
export function defaultIdentityName(user: string, hostname: string): string {
  const machine = hostname.split('.')[0] ?? '';
  const text = `${user}-${machine}`.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-');
  const name = text.replaceAll(/\.{2,}/g, '.').slice(0, limits.nameBytes);
  const trimmed = name.replace(/^[._-]+/, '').replace(/[._-]+$/, '');
  return trimmed === '' ? 'admin' : trimmed;
}
