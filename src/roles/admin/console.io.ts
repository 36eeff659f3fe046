/**
 * The machine a console runs on: clock, timers, signals, terminal, and what opens a session. What
 * is costly to load (TLS, tokens, archives) is loaded by the command that uses it.
 */
import {
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { monotonicMs } from '../../base/monotonic.io.ts';
import { RealAsk } from './client.io.ts';
import type { Ask, ConnectSettings } from './client.ts';
import type {
  AdminContext,
  Console,
  MadeToken,
  NamedText,
  Packed,
  Progress,
  Terminal,
  Unpacking,
} from './context.ts';
import { setRaw } from './raw-terminal.io.ts';

const BROKEN_PIPE = 141;

export function realConsole(context: AdminContext): Console {
  endWithReader(context.stdout);
  return {
    nowUs: () => Date.now() * 1000,
    after,
    onSignal,
    terminal: () => terminalOf(context),
    atExit,
    noInput: () => Readable.from([]),
    connect: (settings: ConnectSettings, warn: (text: string) => void): Ask =>
      new RealAsk(settings, context.env, warn),
    makeToken,
    readFile: async (path) => {
      const { readFile } = await import('node:fs/promises');
      return readFile(path).catch((cause: unknown) => {
        const why = (cause as Error).message;
        throw new LotcError('usage', `cannot read ${path}: ${why}`, { cause });
      });
    },
    readToken: async (path) => (await import('./login.io.ts')).readToken(path),
    login: async (settings, request) =>
      (await import('./login.io.ts')).login(settings, request, context.env),
    readTexts,
    unpack,
    replaceFile: (path, text) => Promise.try(() => replaceFile(path, text)),
    pack,
  };

  async function makeToken(settings: ConnectSettings): Promise<MadeToken> {
    const { readIdentity } = await import('./identity.io.ts');
    const { createPublicKey, hash, randomBytes, X509Certificate } = await import('node:crypto');
    const { formatToken, isCaseSafe, tokenSpki } = await import('../../net/token.ts');
    const { authority } = readIdentity(settings.identity, context.env, () => undefined);
    const key = createPublicKey(new X509Certificate(authority).publicKey.export(PEM));
    const pin = Buffer.from(hash('sha256', key.export({ format: 'der', type: 'spki' }), 'buffer'));
    let secret = randomBytes(20);
    while (!isCaseSafe(secret)) secret = randomBytes(20);
    return { secret: formatToken({ secret, pin }), spki: tokenSpki({ secret }) };
  }
}

const PEM = { format: 'pem', type: 'spki' } as const;

/** Longer than a timer may be: in pieces, by a clock that never steps. */
function after(ms: number, callback: () => void): () => void {
  const dueMs = monotonicMs() + ms;
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    const left = dueMs - monotonicMs();
    timer = setTimeout(left <= limits.timerMs ? callback : arm, Math.min(left, limits.timerMs));
  };
  arm();
  return () => {
    clearTimeout(timer);
  };
}

function onSignal(listener: (signal: 'SIGINT' | 'SIGTERM') => void): () => void {
  const onInt = (): void => listener('SIGINT');
  const onTerm = (): void => listener('SIGTERM');
  process.on('SIGINT', onInt).on('SIGTERM', onTerm);
  return () => {
    process.removeListener('SIGINT', onInt).removeListener('SIGTERM', onTerm);
  };
}

function atExit(text: string): () => void {
  const write = (): void => {
    try {
      writeSync(1, text);
    } catch {
      // The terminal has gone: there is nothing to restore.
    }
  };
  process.once('exit', write);
  return () => void process.removeListener('exit', write);
}

/**
 * Who reads this output has gone: end as SIGPIPE would have ended us. Output that a full disk cut
 * off is no success, whatever the command itself ended with.
 */
function endWithReader(stdout: NodeJS.WritableStream): void {
  stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') process.exit(BROKEN_PIPE);
    writeSync(2, `error: cannot write the output: ${message}\n`);
    process.exit(1);
  });
}

function terminalOf({ stdin, stdout }: AdminContext): Terminal | undefined {
  const [input, output] = [stdin as typeof process.stdin, stdout as NodeJS.WriteStream];
  if (!input.isTTY || !output.isTTY) return undefined;
  return {
    raw: (isRaw) => setRaw(input, isRaw),
    size: () => ({ rows: output.rows, columns: output.columns }),
    onResize: (listener) => {
      output.on('resize', listener);
      return () => void output.removeListener('resize', listener);
    },
  };
}

function readTexts(path: string, endings: readonly string[]): Promise<readonly NamedText[]> {
  return Promise.try(() => textsOf(path, endings));
}

function textsOf(path: string, endings: readonly string[]): readonly NamedText[] {
  try {
    if (!statSync(path).isDirectory()) return [{ file: path, text: readFileSync(path, 'utf8') }];
    const names = readdirSync(path).filter((name) => endings.some((one) => name.endsWith(one)));
    const files = names.sort().map((name) => join(path, name));
    return files.map((file) => ({ file, text: readFileSync(file, 'utf8') }));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? 'there is no such file' : (error as Error).message;
    throw new LotcError(missing ? 'usage' : 'io', `cannot read ${path}: ${why}`);
  }
}

function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new LotcError('io', `cannot write ${path}: ${(error as Error).message}`);
  }
}

async function unpack(into: string): Promise<Unpacking> {
  const { LooseUnpacker } = await import('../../store/loose.io.ts');
  return LooseUnpacker.open(into);
}

async function pack(path: string, onProgress: Progress): Promise<Packed> {
  const { packBundle } = await import('../../store/pack.io.ts');
  return packBundle(path, {
    tempDirectory: tmpdir(),
    onProgress: ({ doneBytes, phase, totalBytes }) => onProgress(phase, doneBytes, totalBytes),
  });
}
