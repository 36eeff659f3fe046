/**
 * Writes out what the executable carries for its runs: the shim, and the shim again under the name
 * by which a program sends signs of life.
 *
 * The shim's name has its digest in it, so that a new version stands beside the one that living
 * runs were started with. Everything is whole under its name or not there.
 */
import { createHash } from 'node:crypto';
import { chmod, copyFile, link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asset } from '../base/asset.io.ts';

const SHIM_MODE = 0o755;
const NOTIFY = 'lotc-notify';

/** Writes the shim into `directory` under its digest, once; the answer is its path. */
export async function installShim(directory: string): Promise<string> {
  const bytes = asset('shim');
  const digest = createHash('sha256').update(bytes).digest('hex');
  const path = join(directory, `shim-${digest}`);
  const there = await stat(path).catch(() => undefined);
  if (there?.size === bytes.length && (there.mode & 0o777) === SHIM_MODE) return path;
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'w', SHIM_MODE);
    try {
      await handle.chmod(SHIM_MODE);
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
  return path;
}

/** The directory that runs have in their PATH, whoever their user is. */
export async function installTools(shim: string, directory: string): Promise<void> {
  const path = join(directory, NOTIFY);
  const temporary = `${path}.${process.pid}.tmp`;
  await mkdir(directory, { recursive: true });
  await chmod(directory, SHIM_MODE);
  const [there, wanted] = await Promise.all([stat(path).catch(() => undefined), stat(shim)]);
  if (there?.ino === wanted.ino && there.dev === wanted.dev) return;
  await rm(temporary, { force: true });
  // The same file by another name; where there can be no second name, a copy.
  await link(shim, temporary).catch(() => copyFile(shim, temporary));
  await rename(temporary, path);
  await rm(temporary, { force: true });
}
