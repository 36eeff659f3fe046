/**
 * `--env-file` and `--secret`: from files on this machine to a spec. Values go to the server inside
 * TLS and come back from it as marks only; a mark that is handed back means "as it is".
 */
import { usage } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Shape } from '../../net/layout.ts';

type Values = Readonly<Record<string, string>>;
type Spec = Shape<'spec'>;
type Read = (path: string) => Promise<Uint8Array>;

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/;

export interface SecretWords {
  readonly envFiles: readonly string[];
  readonly secrets: readonly string[];
}

/** What is given, over what stood there. */
export async function readSecrets(
  { envFiles, secrets }: SecretWords,
  old: Spec | undefined,
  read: Read,
): Promise<Pick<Spec, 'secretEnv' | 'secretFiles'>> {
  let env: Values = old?.secretEnv ?? {};
  for (const path of envFiles) {
    env = path === '' ? {} : { ...env, ...parseEnvFile(decode(await read(path), path), path) };
  }
  const files: Record<string, string> = { ...old?.secretFiles };
  for (const word of secrets) {
    const [, gone] = /^([^=]+)-$/.exec(word) ?? [];
    if (gone !== undefined) {
      delete files[gone];
      continue;
    }
    const at = word.indexOf('=');
    const name = word.slice(0, at);
    if (at < 1 || !NAME.test(name)) throw usage(`--secret: "${word}" is not NAME=FILE`);
    const bytes = await read(word.slice(at + 1));
    if (bytes.length > limits.secretBytes) {
      throw usage(
        `--secret ${name}: the file has ${bytes.length} bytes; at most ${limits.secretBytes}`,
      );
    }
    files[name] = `v:${Buffer.from(bytes).toString('base64')}`;
  }
  return { secretEnv: unlessEmpty(env), secretFiles: unlessEmpty(files) };
}

const unlessEmpty = (values: Values): Values | undefined =>
  Object.keys(values).length === 0 ? undefined : values;

function decode(bytes: Uint8Array, path: string): string {
  if (bytes.length > limits.secretBytes) {
    throw usage(`--env-file ${path}: ${bytes.length} bytes; at most ${limits.secretBytes}`);
  }
  return new TextDecoder().decode(bytes);
}

/** `NAME=VALUE` a line; blank lines and `#` lines are passed over, one pair of quotes goes. */
export function parseEnvFile(text: string, path: string): Values {
  const values: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const at = line.indexOf('=');
    const name = line
      .slice(0, at)
      .trim()
      .replace(/^export\s+/, '');
    // The line is not quoted: it may be the secret.
    if (at < 1 || !NAME.test(name))
      throw usage(`--env-file ${path}: line ${index + 1} is not NAME=VALUE`);
    values[name] = `v:${line.slice(at + 1).replace(/^(["'])(.*)\1$/, '$2')}`;
  }
  return values;
}
