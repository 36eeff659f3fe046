/**
 * Is this list of entries a bundle that may be unpacked? The whole archive is judged, never
 * repaired: one bad entry refuses all of it, by name and with the reason, because half a bundle
 * that "succeeded" is worse than none.
 *
 * The judge knows neither files nor tar: it takes headers in any order and grows a tree of places.
 * Everything is a question to that tree: twice the same place, a place inside a file or a link,
 * two names that are one after Unicode normalisation. Links are resolved at the end, as a kernel
 * would do it, through other links and with `..` after them: a chain of harmless looking links
 * can lead out (CVE-2021-32803, CVE-2021-37712, CVE-2018-12015 and their many relatives).
 *
 * `finish` gives the entries in the canonical order: a directory before its content, siblings by
 * the bytes of their names, and a directory for every path that only its content told of.
 */
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { printableLine } from '../base/printable.ts';

export type EntryKind = 'file' | 'directory' | 'symlink';

/** One header, as somebody else wrote it. Every kind that is not an `EntryKind` is refused. */
export interface EntryHeader {
  readonly path: string;
  readonly kind: EntryKind | 'hard link' | 'device' | 'fifo' | 'socket' | 'sparse file' | 'unknown';
  readonly executable: boolean;
  readonly size: number;
  /** Of a symlink; empty otherwise. */
  readonly target: string;
}

/** One entry of an accepted archive: clean relative path, sizes and kinds that agree. */
export interface ArchiveEntry {
  readonly path: string;
  readonly kind: EntryKind;
  readonly executable: boolean;
  readonly size: number;
  readonly target: string;
  /** How many headers were added before its own; -1 for a directory nobody named. */
  readonly source: number;
}

export interface Verdict {
  readonly entries: readonly ArchiveEntry[];
  /** Of all files together. */
  readonly contentBytes: number;
  /** What is allowed and yet may surprise. */
  readonly warnings: readonly string[];
}

export interface ArchiveBounds {
  readonly entries: number;
  readonly contentBytes: number;
}

/** A node of the tree; `entry` is absent while only paths below it were named. */
interface Place {
  readonly name: string;
  readonly parent: Place | undefined;
  readonly children: Map<string, Place>;
  entry: ArchiveEntry | undefined;
}

interface Followed {
  readonly place: Place;
  readonly hops: number;
}

export class ArchiveJudge {
  readonly #label: string;
  readonly #bounds: ArchiveBounds;
  readonly #root: Place = { name: '', parent: undefined, children: new Map(), entry: undefined };
  readonly #links: Place[] = [];
  readonly #followed = new Map<Place, Followed>();
  #headers = 0;
  #places = 0;
  #files = 0;
  #contentBytes = 0;

  /** `label` begins every error: what the operator calls this archive. */
  constructor(label: string, bounds: Partial<ArchiveBounds> = {}) {
    this.#label = label;
    this.#bounds = {
      entries: bounds.entries ?? limits.archiveEntries,
      contentBytes: bounds.contentBytes ?? limits.bundleBytes,
    };
  }

  /** Throws at the first fault. The root itself (`./`) is accepted and has no entry. */
  add(header: EntryHeader): ArchiveEntry | undefined {
    const { path, kind } = header;
    const source = this.#headers;
    this.#headers += 1;
    if (kind !== 'file' && kind !== 'directory' && kind !== 'symlink') {
      throw this.#fault(path, kind === 'unknown' ? 'is of an unknown type' : `is a ${kind}`);
    }
    const parts = this.#parts(path);
    if (parts.length === 0) {
      if (kind === 'directory') return undefined;
      throw this.#fault(path, `names the root, and is a ${kind}`);
    }
    if (kind !== 'file' && header.size !== 0) throw this.#fault(path, `is a ${kind} with content`);
    if (kind === 'symlink') this.#judgeTarget(path, header.target);
    const clean = parts.join('/');
    const executable = kind === 'file' && header.executable;
    const target = kind === 'symlink' ? header.target : '';
    const entry = { path: clean, kind, executable, size: header.size, target, source };
    this.#put(parts, entry);
    if (kind === 'file') this.#count(header.size);
    return entry;
  }

  /** Judges what only the whole list can tell. */
  finish(): Verdict {
    if (this.#files === 0) throw this.#refusal('is empty: there is no file in it');
    if (this.#contentBytes === 0) {
      throw this.#refusal(this.#files === 1 ? 'is empty' : 'is empty: all its files are');
    }
    for (const link of this.#links) this.#follow(link, 1);
    const entries: ArchiveEntry[] = [];
    const warnings: string[] = [];
    this.#collect(this.#root, '', entries, warnings);
    return { entries, contentBytes: this.#contentBytes, warnings };
  }

  #count(bytes: number): void {
    this.#files += 1;
    this.#contentBytes += bytes;
    if (this.#contentBytes > this.#bounds.contentBytes) throw tooLarge(this.#label, this.#bounds);
  }

  /** The names of a path; `.` and doubled slashes mean nothing and are dropped. */
  #parts(path: string): string[] {
    if (path === '') throw this.#fault(path, 'has no name');
    if (path.startsWith('/')) throw this.#fault(path, 'is an absolute path');
    if (/\p{Cc}/u.test(path)) throw this.#fault(path, 'has a control character in its name');
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw this.#fault(path, 'leads out of the bundle');
    if (parts.length > limits.archiveDepth) {
      throw this.#fault(path, `is deeper than ${limits.archiveDepth} directories`);
    }
    for (const part of parts) {
      if (Buffer.byteLength(part) > limits.archiveNameBytes) {
        throw this.#fault(path, `has a name of more than ${limits.archiveNameBytes} bytes`);
      }
    }
    if (Buffer.byteLength(path) > limits.archivePathBytes) {
      throw this.#fault(path, `is a path of more than ${limits.archivePathBytes} bytes`);
    }
    return parts;
  }

  #judgeTarget(path: string, target: string): void {
    if (target === '') throw this.#fault(path, 'is a link to nothing');
    if (target.startsWith('/')) {
      throw this.#fault(path, `is a link to the absolute path ${quote(target)}`);
    }
    if (/\p{Cc}/u.test(target)) throw this.#fault(path, 'is a link with a control character');
    if (Buffer.byteLength(target) > limits.archivePathBytes) {
      throw this.#fault(path, `is a link of more than ${limits.archivePathBytes} bytes`);
    }
  }

  #put(parts: readonly string[], entry: ArchiveEntry): void {
    let place = this.#root;
    for (const part of parts) {
      if (place.entry !== undefined && place.entry.kind !== 'directory') {
        throw this.#fault(entry.path, `lies inside ${quote(place.entry.path)}, no directory`);
      }
      place = this.#child(place, part, entry.path);
    }
    if (place.entry !== undefined) throw this.#fault(entry.path, 'appears twice');
    if (entry.kind !== 'directory' && place.children.size > 0) {
      throw this.#fault(entry.path, `appears twice, as a directory and as a ${entry.kind}`);
    }
    place.entry = entry;
    if (entry.kind === 'symlink') this.#links.push(place);
  }

  #child(place: Place, name: string, path: string): Place {
    const key = name.normalize('NFC');
    const known = place.children.get(key);
    if (known !== undefined) {
      if (known.name === name) return known;
      throw this.#fault(path, 'has a twin: two names that look the same in other bytes');
    }
    this.#places += 1;
    if (this.#places > this.#bounds.entries) {
      throw new LotcError(
        'too-large',
        `${this.#label} has more than ${this.#bounds.entries} entries`,
      );
    }
    const child: Place = { name, parent: place, children: new Map(), entry: undefined };
    place.children.set(key, child);
    return child;
  }

  /** Where a link leads, as the kernel would walk; a name that is not there is taken as it is. */
  #follow(link: Place, depth: number): Followed {
    const known = this.#followed.get(link);
    if (known !== undefined) return known;
    const { path, target } = link.entry ?? { path: link.name, target: '' };
    const circle = `is a link through more than ${limits.archiveLinkHops} links, or in a circle`;
    if (depth > limits.archiveLinkHops) throw this.#fault(path, circle);
    let place = link.parent ?? this.#root;
    let hops = 1;
    for (const part of target.split('/')) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (place.parent === undefined) {
          throw this.#fault(path, `is a link out of the bundle, to ${quote(target)}`);
        }
        place = place.parent;
        continue;
      }
      const next = place.children.get(part.normalize('NFC'));
      if (next === undefined || next.name !== part) {
        place = { name: part, parent: place, children: new Map(), entry: undefined };
      } else if (next.entry?.kind === 'symlink') {
        const followed = this.#follow(next, depth + 1);
        hops += followed.hops;
        if (hops > limits.archiveLinkHops) throw this.#fault(path, circle);
        place = followed.place;
      } else {
        place = next;
      }
    }
    const followed = { place, hops };
    this.#followed.set(link, followed);
    return followed;
  }

  /** Depth is bounded by `#parts`. */
  #collect(place: Place, path: string, entries: ArchiveEntry[], warnings: string[]): void {
    const folded = new Map<string, string>();
    for (const child of [...place.children.values()].sort((a, b) => byBytes(a.name, b.name))) {
      const childPath = path === '' ? child.name : `${path}/${child.name}`;
      const fold = child.name.toLowerCase();
      const twin = folded.get(fold);
      if (twin === undefined) folded.set(fold, childPath);
      else warnings.push(`${quote(twin)} and ${quote(childPath)} differ by case only`);
      entries.push(child.entry ?? directory(childPath));
      this.#collect(child, childPath, entries, warnings);
    }
  }

  #fault(path: string, reason: string): LotcError {
    return new LotcError('bad-archive', `${this.#label}: ${quote(path)} ${reason}`, {
      hint: 'a bundle holds files, directories and links that stay inside it; nothing was unpacked',
    });
  }

  #refusal(reason: string): LotcError {
    return new LotcError('bad-archive', `${this.#label} ${reason}`);
  }
}

/** Also for those who count bytes before there is a header to judge. */
export function tooLarge(label: string, bounds: { contentBytes: number }): LotcError {
  return new LotcError('too-large', `${label} holds more than ${bounds.contentBytes} bytes`, {
    hint: 'a bundle is for code; keep large data beside it',
  });
}

/** Order of two texts by their UTF-8 bytes, without making the bytes. */
export function byBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    // Surrogates stand for code points above all others, though their units are below U+E000.
    if (x !== y) return lifted(x) - lifted(y);
  }
  return a.length - b.length;
}

function lifted(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

function directory(path: string): ArchiveEntry {
  return { path, kind: 'directory', executable: false, size: 0, target: '', source: -1 };
}

function quote(text: string): string {
  const shown = printableLine(text);
  return `"${shown.length > 200 ? `${shown.slice(0, 200)}…` : shown}"`;
}
