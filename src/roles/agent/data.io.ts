/**
 * The agent's data directory: which machine it was made on, who this node is, where its things
 * lie. A directory that is a copy of another is refused before anything is done with it:
 * two agents of one identity would fight over the same runs.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LotcError } from '../../base/errors.ts';
import { removeFileDurably, writeFileDurably } from '../../store/durable.io.ts';
import { isHeld } from '../../store/lock.io.ts';
import { readText } from '../../supervisor/proc.io.ts';
import { type InstanceFile, judgePlace } from './place.ts';

export interface AgentFiles {
  readonly instance: string;
  readonly identity: string;
  readonly key: string;
  readonly nextKey: string;
  readonly tables: string;
  /** Outside of `private`: runs of other users read their larger files through it. */
  readonly bundles: string;
}

export function agentFiles(data: string): AgentFiles {
  const secret = join(data, 'private');
  return {
    instance: join(secret, 'agent.json'),
    identity: join(secret, 'identity.json'),
    key: join(secret, 'node.key'),
    nextKey: join(secret, 'node.key.next'),
    tables: join(secret, 'tables.log'),
    bundles: join(data, 'bundles'),
  };
}

/** Who this node is, as the server granted it. */
export interface NodeIdentity {
  readonly node: string;
  readonly uid: string;
  readonly fleet: string;
  /** PEM. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  /** Since when it has this key, µs of true time; absent: since it joined, by the file's age. */
  readonly keySinceUs?: number | undefined;
}

/**
 * The id of this very directory on this very machine; `copied` where it is a copy of another.
 * `acceptCopy`: the other one is gone for good, and this one is the node from now on.
 */
export async function openInstance(data: string, acceptCopy = false): Promise<string> {
  const files = agentFiles(data);
  mkdirSync(files.bundles, { recursive: true, mode: 0o711 });
  const here = {
    machine: (readText('/etc/machine-id') ?? '').trim(),
    inode: inodeOf(data) ?? '',
    path: realpathSync(data),
  };
  const known = await readJson<InstanceFile>(files.instance);
  const original = inodeOf(known?.path ?? '');
  const judged = judgePlace(known, here, original);
  // Beside one that lives it would take over, and end, what that one runs.
  const lives = known !== undefined && original === known.inode && isHeld(known.path);
  if (judged === 'copied' && (!acceptCopy || lives)) throw copied(data, known?.path);
  const isSame = known !== undefined && judged !== 'copied';
  const instance = isSame ? known.instance : randomBytes(8).toString('hex');
  const file = { instance, ...here };
  if (judged !== 'same') await writeFileDurably(files.instance, JSON.stringify(file));
  return instance;
}

function inodeOf(path: string): string | undefined {
  try {
    return String(statSync(path, { bigint: true }).ino);
  } catch {
    return undefined;
  }
}

function copied(data: string, from: string | undefined): LotcError {
  const what = from === undefined ? '' : ` of ${from}`;
  return new LotcError('copied', `the data directory ${data} is a copy${what}`, {
    hint: `remove it and join as a node of its own: rm -r ${data}; or, where the other one is gone for good: lotc agent --accept-copy`,
  });
}

/** Undefined where this node has not enrolled yet. */
export async function readIdentity(data: string): Promise<NodeIdentity | undefined> {
  const files = agentFiles(data);
  const granted = await readJson<Omit<NodeIdentity, 'key'> & { key?: string }>(files.identity);
  if (granted === undefined) return undefined;
  // A key that was renewed lies beside its certificate, replaced with it in one step.
  const key = granted.key ?? (await readIfThere(files.key));
  if (key === undefined) throw damaged(files.key, 'it is missing');
  return { ...granted, key };
}

export async function storeIdentity(data: string, identity: NodeIdentity): Promise<void> {
  const { key: _, ...granted } = identity;
  await writeFileDurably(agentFiles(data).identity, `${JSON.stringify(granted, null, 2)}\n`);
}

/** A renewed key with its certificate, in one step; then the request for it is over. */
export async function storeRenewed(data: string, identity: NodeIdentity): Promise<void> {
  const files = agentFiles(data);
  await writeFileDurably(files.identity, `${JSON.stringify(identity, null, 2)}\n`);
  await removeFileDurably(files.nextKey);
  await removeFileDurably(files.key);
}

/** Whom to trust from now on; all else of the identity stays as it is on disk. */
export async function storeAuthority(data: string, authority: string): Promise<void> {
  const { identity } = agentFiles(data);
  const granted = await readJson<Record<string, unknown>>(identity);
  if (!granted) throw damaged(identity, 'it is missing');
  await writeFileDurably(identity, `${JSON.stringify({ ...granted, authority }, null, 2)}\n`);
}

/** The key that is asked for next: kept over attempts, so that a lost answer can be asked again. */
export const readNextKey = (data: string): Promise<string | undefined> =>
  readIfThere(agentFiles(data).nextKey);

export const storeNextKey = (data: string, key: string): Promise<void> =>
  writeFileDurably(agentFiles(data).nextKey, key);

/** When the identity was written, µs since 1970. */
export const identityAtUs = (data: string): number =>
  statSync(agentFiles(data).identity).mtimeMs * 1000;

/** The node's own key, durable before anybody hears of it; kept over attempts. */
export async function readKey(data: string): Promise<string | undefined> {
  return readIfThere(agentFiles(data).key);
}

export async function storeKey(data: string, key: string): Promise<void> {
  await writeFileDurably(agentFiles(data).key, key);
}

/** After a refusal: the next token shall not be used with a key that was refused. */
export async function dropKey(data: string): Promise<void> {
  await removeFileDurably(agentFiles(data).key);
}

/** Where a token comes from; `-` is stdin. */
export type TokenSource = { readonly text: string } | { readonly file: string };

export function readToken(source: TokenSource): string {
  if ('text' in source) return source.text;
  try {
    return readFileSync(source.file === '-' ? 0 : source.file, 'utf8').trim();
  } catch (cause) {
    const why = (cause as Error).message;
    throw new LotcError('usage', `cannot read the token: ${why}`, { cause });
  }
}

async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw damaged(path, 'it is no JSON');
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new LotcError('io', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

function damaged(path: string, why: string): LotcError {
  return new LotcError('damaged', `${path} is damaged: ${why}`, {
    hint: 'put the file back from a backup, or remove the data directory and join with a new token',
  });
}
