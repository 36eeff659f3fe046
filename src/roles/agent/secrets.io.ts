/**
 * Secrets of a run on its node: variables of its environment, and files of its user alone in its
 * directory (`$LOTC_SECRETS/NAME`), which go when the run is over.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LotcError } from '../../base/errors.ts';
import type { Log } from '../../base/log.io.ts';
import type { Shape } from '../../net/layout.ts';
import type { RunPaths } from '../../supervisor/paths.ts';
import { removeTree } from '../../supervisor/remove-tree.io.ts';
import { readOrder, writeOrder } from './order-file.io.ts';

const PLAIN = 'v:';
const DIRECTORY = 'secrets';
/** A name is a file's and a variable's, and nothing that means something in a path. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/;

export interface SecretFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Secrets {
  readonly variables: Readonly<Record<string, string>>;
  readonly files: readonly SecretFile[];
}

export function secretsOf({ secretEnv = {}, secretFiles = {} }: Shape<'spec'>): Secrets {
  const variables = Object.fromEntries(
    Object.entries(secretEnv).map(([name, value]) => [name, plain(name, value)]),
  );
  const files = Object.entries(secretFiles).map(([name, value]): SecretFile => {
    if (!NAME.test(name)) throw new LotcError('exec-failed', `"${name}" is no name of a secret`);
    return { name, bytes: Buffer.from(plain(name, value), 'base64') };
  });
  return { variables, files };
}

function plain(name: string, value: string): string {
  if (value.startsWith(PLAIN)) return value.slice(PLAIN.length);
  const text = `the server could not open secret ${name}: its key is another one`;
  throw new LotcError('exec-failed', text, { hint: 'give the secret again: lotc admin task set' });
}

export const secretDirectory = ({ directory }: RunPaths): string => join(directory, DIRECTORY);

export function writeSecrets(paths: RunPaths, files: readonly SecretFile[]): void {
  if (files.length === 0) return;
  const directory = secretDirectory(paths);
  mkdirSync(directory, { mode: 0o700 });
  for (const { name, bytes } of files) {
    writeFileSync(join(directory, name), bytes, { mode: 0o400, flag: 'wx' });
  }
}

/** The run is over: what was written of its secrets goes, its order is kept without them. */
export async function forgetSecrets(paths: RunPaths, log: Log): Promise<void> {
  await forget(paths).catch((error: unknown) => {
    log('warn', 'secrets of a run could not be removed', { reason: String(error) });
  });
}

async function forget(paths: RunPaths): Promise<void> {
  const known = await readOrder(paths.order);
  const { secretEnv, secretFiles, ...spec } = known?.order.spec ?? { command: [] };
  if (!known || (secretEnv === undefined && secretFiles === undefined)) return;
  await removeTree(paths.directory, DIRECTORY);
  writeOrder(paths.order, { ...known.order, spec }, known.launch);
}
