/**
 * May this entry be written below a directory of a person's machine? Other than a bundle
 * (archive.ts), an archive of result files is taken entry by entry: what is not safe is left out
 * and named. Whoever made it, a node or somebody who sat on one, is not trusted. Pure.
 */
import { limits } from '../base/limits.ts';
import type { EntryHeader } from './archive.ts';

/** Longest name of Linux's file systems. */
const NAME_BYTES = 255;

/** Why it must not be written, as the end of a sentence; undefined where it may. */
export function looseFault({ path, kind }: EntryHeader): string | undefined {
  if (kind !== 'file' && kind !== 'directory') return `it is a ${kind}`;
  if (path.startsWith('/')) return 'it is an absolute path';
  if (/\p{Cc}/u.test(path)) return 'its name has a control character';
  const names = partsOf(path);
  if (names.length === 0) return kind === 'directory' ? undefined : 'it has no name';
  if (names.includes('..')) return 'it leads out of the directory';
  if (names.length > limits.archiveDepth) return 'it lies too deep';
  if (names.some((name) => Buffer.byteLength(name) > NAME_BYTES)) return 'its name is too long';
  return undefined;
}

export const partsOf = (path: string): string[] =>
  path.split('/').filter((name) => name !== '' && name !== '.');
