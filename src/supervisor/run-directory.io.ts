/**
 * Making, finding and removing the directories of runs.
 *
 * Creating the record directory is the claim of a run: mkdir(2) is atomic, so whoever repeats an
 * order, before or after a crash, learns that it was carried out already. Everything is made as
 * root's, 0700; only `giveRun`, the last step before the launch, hands it to the run's user.
 * Making them is five calls that are done at once: handing each to a thread costs far more than the
 * call. Nothing here follows a link a user may have put there; see `remove-tree.io.ts`.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import { chmod, lchown, lstat, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LotcError } from '../base/errors.ts';
import { step } from '../base/step.io.ts';
import { dataPaths, isRunName, paths, type RunPaths } from './paths.ts';
import { removeTree } from './remove-tree.io.ts';

/** Makes what all runs share. `dir` exists, is absolute and belongs to the agent. */
export function prepareRuns(dir: string, shortBase?: string): void {
  const data = dataPaths(dir, shortBase);
  for (const path of [data.private, data.records, data.sockets, data.trash]) own(path, 0o700);
  own(data.runs, 0o711);
  if (data.notify !== undefined) own(data.notify, 0o711);
}

/**
 * Claims a run and makes its directories. `claimed: false`: it was claimed before, nothing was
 * touched. Survives any death of the agent; a power cut may take back the claims of the last
 * seconds, together with the processes they stand for.
 */
export async function claimRun(
  dir: string,
  run: string,
  shortBase?: string,
): Promise<{ readonly claimed: boolean; readonly paths: RunPaths }> {
  if (!isRunName(run)) throw new LotcError('internal', `no run id: ${run}`);
  const places = paths(dir, run, 0, shortBase);
  try {
    mkdirSync(places.record, { mode: 0o700 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return { claimed: false, paths: places };
    throw new LotcError(
      code === 'ENOSPC' ? 'disk-full' : 'io',
      `cannot claim run ${run}: ${message}`,
      {
        cause,
      },
    );
  }
  mkdirSync(places.logs, { mode: 0o700 });
  if (!makeOwn(places.directory)) {
    // What a removal cut short had left under this name is nobody's.
    await discard(dir, places.directory, run);
    mkdirSync(places.directory, { mode: 0o700 });
  }
  mkdirSync(places.work, { mode: 0o700 });
  mkdirSync(places.temporary, { mode: 0o700 });
  return { claimed: true, paths: places };
}

/** False where something of that name is there. */
function makeOwn(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw cause;
  }
}

/**
 * Hands the run's directory, with all that was put into it, to its user; the directory itself
 * last, so that nobody else is inside meanwhile. A file with another name elsewhere (a bundle's
 * one copy, linked) keeps its owner: the user must not be able to write into that.
 */
export async function giveRun(
  places: RunPaths,
  owner: { uid: number; gid: number },
): Promise<void> {
  const pending = [places.directory];
  const directories: string[] = [];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    directories.push(path);
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) pending.push(inner);
      else if (await isOnlyName(inner)) await lchown(inner, owner.uid, owner.gid);
    }
  }
  for (const path of directories.reverse()) await lchown(path, owner.uid, owner.gid);
}

/** Makes room for a launch: what bars its sockets, or one that was cut short had bound. */
export function clearLaunch(dir: string, run: string, launch: number): RunPaths {
  const places = paths(dir, run, launch);
  for (const path of [places.socket, places.notify]) unlinkIfThere(path);
  return places;
}

/** What a launch left behind, once another has followed it. */
export function dropLaunch(dir: string, run: string, launch: number): void {
  const { socket, notify, exit } = paths(dir, run, launch);
  for (const path of [socket, notify, exit]) unlinkIfThere(path);
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  }
}

/** Every run that was claimed and not removed, in no order; other names are left out. */
export function listRuns(dir: string): string[] {
  const { records } = dataPaths(dir);
  const entries = readdirSync(records, { withFileTypes: true });
  return entries.filter((one) => one.isDirectory() && isRunName(one.name)).map((one) => one.name);
}

/**
 * Removes a run: its own directory, then its record, so that a removal cut short is found again
 * by `listRuns` and repeated. Nothing of it may live any more.
 */
export async function removeRun(dir: string, run: string, shortBase?: string): Promise<void> {
  if (!isRunName(run)) throw new LotcError('internal', `no run id: ${run}`);
  step('remove: begun');
  const places = paths(dir, run, 0, shortBase);
  await discard(dir, places.directory, run);
  const { sockets, notify } = dataPaths(dir, shortBase);
  for (const directory of notify === undefined ? [sockets] : [sockets, notify]) {
    for (const name of await readdir(directory)) {
      const isIts = name === run || name.startsWith(`${run}.`);
      if (isIts) await rm(join(directory, name), { force: true });
    }
  }
  step('remove: files gone');
  await discard(dir, places.record, `${run}.record`);
}

/** Ends removals that an earlier agent began. */
export async function emptyTrash(dir: string): Promise<void> {
  const { trash } = dataPaths(dir);
  for (const name of await readdir(trash)) await removeTree(trash, name);
}

/** Out of the user's reach first, then entry by entry. */
async function discard(dir: string, path: string, name: string): Promise<void> {
  const { trash } = dataPaths(dir);
  try {
    await removeTree(trash, name);
    await rename(path, join(trash, name));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new LotcError('io', `cannot remove ${path}: ${(cause as Error).message}`, { cause });
  }
  // A directory of another mode could not be entered by its owner, were the agent not root.
  await chmod(join(trash, name), 0o700).catch(() => {});
  await removeTree(trash, name);
}

async function isOnlyName(path: string): Promise<boolean> {
  return (await lstat(path)).nlink === 1;
}

/** A directory of ours, made now or before: no link, nobody else's, with exactly this mode. */
function own(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new LotcError('io', `cannot make ${path}: ${(cause as Error).message}`, { cause });
    }
  }
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== process.geteuid?.() || (found.mode & 0o022) !== 0) {
    throw new LotcError('not-private', `${path} is not a directory of this agent alone`, {
      hint: 'remove it, or give another --data',
    });
  }
  // Neither the umask nor an older LOTC decides.
  if ((found.mode & 0o7777) !== mode) chmodSync(path, mode);
}
