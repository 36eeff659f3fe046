/**
 * Keys of identities under a passphrase (sealed-key.ts says how). It comes from a file
 * ($LOTC_PASSPHRASE_FILE), else it is asked for at the terminal, without an echo; it is never a
 * word of a command line.
 */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { LotcError } from '../../base/errors.ts';
import type { Identity } from './identity.ts';
import { sealKey } from './sealed-key.ts';

type Env = Readonly<Record<string, string | undefined>>;

const SALT_BYTES = 16;
const LINE_BYTES = 4_096;
const TERMINAL = '/dev/tty';

export function lock(key: string, passphrase: string): string {
  if (passphrase === '') throw new LotcError('usage', 'an empty passphrase protects nothing');
  return sealKey(key, passphrase, { salt: randomBytes(SALT_BYTES), iv: randomBytes(SALT_BYTES) });
}

/** The identity with its key as it is used; it is never written so. */
export function unlock(identity: Identity, path: string, env: Env): Identity {
  const file = env['LOTC_PASSPHRASE_FILE'];
  const passphrase =
    file === undefined || file === ''
      ? asked(`passphrase of ${path}: `, path)
      : readPassphrase(file);
  try {
    const key = createPrivateKey({ key: identity.key, passphrase });
    return { ...identity, key: key.export({ format: 'pem', type: 'pkcs8' }) };
  } catch {
    const text = `the passphrase does not open the key of ${path}`;
    throw new LotcError('unauthenticated', text, {
      hint: 'try again; where it is lost, log in anew with a token and --force',
    });
  }
}

/** The first line of a file. */
export function readPassphrase(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n')[0]?.replace(/\r$/, '') ?? '';
  } catch (cause) {
    const text = `cannot read the passphrase: ${(cause as Error).message}`;
    throw new LotcError('usage', text, { cause });
  }
}

/** Twice, for a new one. */
export function newPassphrase(): string {
  const first = asked('passphrase: ', undefined);
  if (asked('once more: ', undefined) === first) return first;
  throw new LotcError('usage', 'the passphrases differ');
}

function asked(question: string, path: string | undefined): string {
  let terminal: number;
  try {
    terminal = openSync(TERMINAL, 'r+');
  } catch {
    const what = path === undefined ? 'a passphrase' : `the key of ${path} has a passphrase, which`;
    throw new LotcError('unauthenticated', `${what} can be asked for at a terminal only`, {
      hint: 'name a file that holds it: LOTC_PASSPHRASE_FILE',
    });
  }
  const stty = (word: string): void => {
    execFileSync('stty', ['-F', TERMINAL, word], { stdio: 'ignore' });
  };
  try {
    stty('-echo');
    writeSync(terminal, question);
    return lineOf(terminal);
  } finally {
    stty('echo');
    writeSync(terminal, '\n');
    closeSync(terminal);
  }
}

function lineOf(terminal: number): string {
  const bytes = Buffer.alloc(LINE_BYTES);
  let length = 0;
  while (length < LINE_BYTES) {
    const count = readSync(terminal, bytes, length, 1, null);
    if (count === 0 || bytes[length] === 0x0a) break;
    length += count;
  }
  return bytes.toString('utf8', 0, length).replace(/\r$/, '');
}
