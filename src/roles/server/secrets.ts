/**
 * Secrets of tasks (`--env-file`, `--secret`): on the wire to the server and to the nodes as they
 * are, inside TLS; everywhere else sealed. The journal, snapshots, history, backups of the journal
 * and every answer hold only what this file makes of them; the key lies beside the journal in a
 * file of its own.
 *
 * AES-256-GCM, the name as additional data, the nonce made of key, name and value (RFC 5869, NIST
 * SP 800-38D 8.2.1 by a PRF): so the same value is the same text, and "the same task again" can be
 * told without opening anything. That two secrets of one name are equal shows.
 *
 * Forms of a value: `v:` and the value; `s:` sealed; `=` and a mark that says which, for people and
 * for a console that hands back what it was shown.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync } from 'node:crypto';
import { LotcError } from '../../base/errors.ts';
import type { Shape } from '../../net/layout.ts';

type Spec = Shape<'spec'>;
type Values = Readonly<Record<string, string>>;

const PLAIN = 'v:';
const SEALED = 's:';
const MARK = '=';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MARK_CHARACTERS = 16;
/** Of a variable, and of a file: nothing that means something in a path. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/;

export const secretKeys = ['secretEnv', 'secretFiles'] as const;

export class Vault {
  readonly #seal: Buffer;
  readonly #nonce: Buffer;

  /** 32 random bytes. */
  constructor(key: Uint8Array) {
    const derive = (info: string): Buffer => Buffer.from(hkdfSync('sha256', key, '', info, 32));
    this.#seal = derive('lotc-secret-v1');
    this.#nonce = derive('lotc-secret-nonce-v1');
  }

  seal(name: string, value: string): string {
    const nonce = createHmac('sha256', this.#nonce)
      .update(`${name}\0${value}`)
      .digest()
      .subarray(0, NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#seal, nonce).setAAD(Buffer.from(name));
    const text = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
    return SEALED + Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url');
  }

  /** Undefined where it was sealed with another key, for another name, or was changed. */
  open(name: string, sealed: string): string | undefined {
    const bytes = Buffer.from(sealed.slice(SEALED.length), 'base64url');
    if (!isSealed(sealed) || bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
    try {
      const open = createDecipheriv('aes-256-gcm', this.#seal, bytes.subarray(0, NONCE_BYTES));
      open.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = open.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      return Buffer.concat([text, open.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }
}

export const isSealed = (value: string): boolean => value.startsWith(SEALED);

/** Says which secret it is and nothing of it. */
export const markOf = (sealed: string): string =>
  MARK + createHash('sha256').update(sealed).digest('hex').slice(0, MARK_CHARACTERS);

const hasSecrets = (spec: Spec): boolean => secretKeys.some((key) => spec[key] !== undefined);

type SecretKey = (typeof secretKeys)[number];

function mapped(spec: Spec, change: (name: string, value: string, key: SecretKey) => string): Spec {
  if (!hasSecrets(spec)) return spec;
  const sealed: Record<string, Values> = {};
  for (const key of secretKeys) {
    const values = spec[key];
    if (values === undefined) continue;
    const entries = Object.entries(values);
    sealed[key] = Object.fromEntries(entries.map(([n, v]) => [n, change(n, v, key)]));
  }
  return { ...spec, ...sealed };
}

/** What the journal gets: new values sealed; what was handed back is what stands there (`old`). */
export function sealed(spec: Spec, old: Spec | undefined, vault: Vault): Spec {
  return mapped(spec, (name, value, key) => {
    if (!NAME.test(name)) throw new LotcError('usage', `"${name}" is no name of a secret`);
    if (value.startsWith(PLAIN)) return vault.seal(name, value.slice(PLAIN.length));
    const known = old?.[key]?.[name];
    if (known !== undefined && markOf(known) === value) return known;
    throw new LotcError('usage', `the value of secret ${name} is not known here`, {
      hint: 'give it again: --secret NAME=FILE, --env-file FILE',
    });
  });
}

/** What people see. */
export const marked = (spec: Spec): Spec => mapped(spec, (_, value) => markOf(value));

/** What a node gets; a secret that cannot be opened stays sealed, and the node says so. */
export const opened = (spec: Spec, vault: Vault): Spec =>
  mapped(spec, (name, value) => {
    const open = vault.open(name, value);
    return open === undefined ? value : PLAIN + open;
  });

/** Whether a spec may be written down. */
export const isSafe = (spec: Spec): boolean =>
  secretKeys.every((key) => Object.values(spec[key] ?? {}).every(isSealed));
