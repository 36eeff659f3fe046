/** Reads the identity file: `--identity`, `$LOTC_IDENTITY`, `~/.config/lotc/identity.json`. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Identity, noIdentity, parseIdentity } from './identity.ts';

const OTHERS = 0o077;

export function identityPath(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  if (given !== undefined && given !== '') return given;
  const config = env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config');
  return join(config, 'lotc', 'identity.json');
}

export function readIdentity(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  warn: (text: string) => void,
): Identity {
  const path = identityPath(given, env);
  let text: string;
  try {
    const file = openSync(path, 'r');
    try {
      const { mode } = fstatSync(file);
      if ((mode & OTHERS) !== 0) {
        warn(`${path} holds a key and can be read by others; make it private: chmod 600 ${path}`);
      }
      text = readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw noIdentity(path, code === 'ENOENT' ? 'there is no such file' : String(code));
  }
  return parseIdentity(text, path);
}
