/** File systems of a test's own, gone when it ends: a small one in memory, one in a file. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '../fixtures/remove.ts';

export interface Mounted extends Disposable {
  readonly path: string;
}

function run(command: string, ...words: string[]): string {
  return execFileSync(command, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function unmount(path: string): void {
  try {
    run('umount', path);
  } catch {
    // Somebody's last descriptor: it goes as soon as that is closed.
    run('umount', '--lazy', path);
  }
}

/** A file system in memory with room for this much. */
export function mountMemory(mebibytes: number): Mounted {
  const base = mkdtempSync(join(tmpdir(), 'lotc-store-'));
  const path = join(base, 'disk');
  mkdirSync(path);
  run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'lotc-test', path);
  return {
    path,
    [Symbol.dispose](): void {
      unmount(path);
      removeTree(base);
    },
  };
}

/** Mounts an image of a file system at a new directory. */
export function mountImage(image: string): Mounted {
  const path = mkdtempSync(`${image}-at-`);
  const device = run('losetup', '--find', '--show', image).trim();
  try {
    run('mount', '-t', 'ext4', device, path);
  } catch (error) {
    run('losetup', '-d', device);
    throw error;
  }
  return {
    path,
    [Symbol.dispose](): void {
      unmount(path);
      run('losetup', '-d', device);
      removeTree(path);
    },
  };
}

export function makeImage(image: string, mebibytes: number): void {
  run('truncate', '-s', `${mebibytes}M`, image);
  run('mkfs.ext4', '-q', '-F', image);
}
