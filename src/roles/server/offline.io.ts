/** `lotc server backup|restore|check`: tools on a data directory. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LotcError } from '../../base/errors.ts';
import { checkJournal, copyJournal } from '../../store/backup.io.ts';
import { openBlobs } from '../../store/blobs.io.ts';
import { syncDirectory } from '../../store/durable.io.ts';
import { lockDirectory } from '../../store/lock.io.ts';
import { openJournal } from '../../store/open-journal.io.ts';
import { serverFiles } from './data.io.ts';

const keyFiles = ['authority', 'authorityKey', 'certificate', 'key', 'admin', 'fleet'] as const;
const maybeFiles = ['secretKey', 'nextAuthority', 'nextAuthorityKey', 'former'] as const;

async function copyDirectory(from: string, to: string): Promise<number> {
  const source = serverFiles(from);
  const target = serverFiles(to);
  if (!existsSync(source.journal)) {
    throw new LotcError('io', `${from} is no data directory of a server`, {
      hint: 'name the directory that lotc server --data had',
    });
  }
  if (existsSync(to)) {
    throw new LotcError('exists', `${to} exists`, { hint: 'name a directory that does not exist' });
  }
  await mkdir(join(to, 'private'), { recursive: true, mode: 0o700 });
  for (const file of keyFiles) await copyFile(source[file], target[file]);
  // No secrets yet, no rotation of the CA: then these are not there.
  for (const file of maybeFiles) {
    if (existsSync(source[file])) await copyFile(source[file], target[file]);
  }
  // The journal before the blobs: every blob it names is there already and does not change.
  const { seq } = await copyJournal(source.journal, target.journal);
  await mkdir(join(target.blobs, 'partial'), { recursive: true, mode: 0o700 });
  const names = existsSync(source.blobs)
    ? await readdir(source.blobs, { withFileTypes: true })
    : [];
  for (const { name } of names.filter((entry) => entry.isFile())) {
    // One that is removed meanwhile is needed by no record of the copy.
    await copyFile(join(source.blobs, name), join(target.blobs, name)).catch(() => undefined);
  }
  for (const directory of [target.blobs, join(to, 'private'), to]) await syncDirectory(directory);
  return seq;
}

export async function backup(data: string, to: string): Promise<string> {
  const seq = await copyDirectory(data, to);
  return `${to}: a copy of ${data} up to record ${seq}; it holds the fleet's keys, keep it private\n`;
}

/** From a backup, or (undefined) from what is in the directory itself. */
export async function restore(data: string, from: string | undefined): Promise<string> {
  if (from !== undefined) await copyDirectory(from, data);
  using _lock = lockDirectory(data, 'server restore');
  const warnings: string[] = [];
  await using journal = await openJournal({
    path: serverFiles(data).journal,
    server: 'main',
    acceptLoss: true,
    onWarning: (text: string) => warnings.push(text),
  });
  const id = Buffer.from(journal.id).toString('hex');
  const said = warnings.map((warning) => `${warning}\n`).join('');
  return `${said}${data}: goes on from record ${journal.head.seq} as history ${id}\n`;
}

async function damagedBlobs(directory: string): Promise<readonly string[]> {
  await using blobs = openBlobs(directory);
  const damaged: string[] = [];
  for (const { digest } of await blobs.list()) {
    const hash = createHash('sha256');
    for await (const slice of blobs.stream(digest)) hash.update(slice);
    if (hash.digest('hex') !== digest) damaged.push(digest);
  }
  return damaged;
}

export async function check(data: string): Promise<{ ok: boolean; report: string }> {
  const files = serverFiles(data);
  const { problems, warnings, head, records, snapshots } = await checkJournal(files.journal);
  const damaged = await damagedBlobs(files.blobs);
  const all = [
    ...problems,
    ...damaged.map((digest) => `blob ${digest}: content differs from its digest`),
  ];
  const lines = [
    `journal: ${records} records up to ${head.seq}, ${snapshots} snapshots`,
    ...warnings.map((warning) => `warning: ${warning}`),
    ...all.map((problem) => `problem: ${problem}`),
    all.length === 0 ? 'no problem found' : `${all.length} problems found`,
  ];
  return { ok: all.length === 0, report: `${lines.join('\n')}\n` };
}
