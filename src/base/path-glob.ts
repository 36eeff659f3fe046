/**
 * Globs of files below a directory: `out/*.csv`, `logs/**`, `report`. `*` and `?` stay within one
 * name, `**` is any number of directories, a name that begins with a dot is a name like others. A
 * glob that matches a directory takes all below it.
 */
import { limits } from './limits.ts';
import { globMatches } from './selector.ts';

/** Why it is no glob, as the end of a sentence; undefined when it is one. */
export function pathGlobFault(glob: string): string | undefined {
  if (glob.length > limits.archivePathBytes)
    return `it has more than ${limits.archivePathBytes} characters`;
  if (glob === '' || glob.startsWith('/')) return 'it is relative to the directory of the run';
  if (/\p{Cc}/u.test(glob)) return 'it has a control character';
  const names = namesOf(glob);
  if (names.includes('..')) return 'it must not lead out of the directory of the run';
  return names.length === 0 ? 'it names nothing' : undefined;
}

const namesOf = (path: string): string[] =>
  path.split('/').filter((name) => name !== '' && name !== '.');

export class PathGlobs {
  readonly #globs: readonly (readonly string[])[];

  constructor(globs: readonly string[]) {
    // `**` at the end stands for what is below a directory, not for the directory itself.
    this.#globs = globs
      .map(namesOf)
      .map((names) => (names.at(-1) === '**' ? [...names, '*'] : names));
  }

  /** Whether it matches the file, or a directory above it. */
  takes(path: string): boolean {
    const names = namesOf(path);
    return this.#globs.some((glob) => reached(glob, names).includes('whole'));
  }

  /** Whether something below this directory may be taken. */
  leadsInto(path: string): boolean {
    const names = namesOf(path);
    return this.#globs.some((glob) => reached(glob, names).length > 0);
  }
}

/**
 * How far `names` lead in a glob, in each way it can be read: names that are left of it, or that
 * all of it matched before the names were over.
 */
function reached(glob: readonly string[], names: readonly string[]): readonly (number | 'whole')[] {
  let places = new Set(skips(glob, 0));
  for (const name of names) {
    const next = new Set<number>();
    for (const place of places) {
      const part = glob[place];
      if (part === undefined) return ['whole'];
      if (part === '**') for (const to of skips(glob, place)) next.add(to);
      else if (globMatches(part, name)) for (const to of skips(glob, place + 1)) next.add(to);
    }
    places = next;
  }
  return [...places].map((place) => (place === glob.length ? 'whole' : place));
}

/** `**` may stand for nothing. */
function skips(glob: readonly string[], place: number): number[] {
  const places = [place];
  for (let at = place; glob[at] === '**'; at += 1) places.push(at + 1);
  return places;
}
