/**
 * What a command of the console may touch of the machine it runs on. The real one is
 * console.io.ts, loaded when a command begins; tests and `batch` hand in their own.
 */
import type { Readable } from 'node:stream';
import type { BaseContext } from 'clipanion';
import type { Ask, ConnectSettings, Upload } from './client.ts';

export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** The terminal a person sits at; absent where stdin or stdout is none. */
export interface Terminal {
  raw(on: boolean): void;
  size(): WindowSize;
  onResize(listener: () => void): () => void;
}

export interface MadeToken {
  readonly secret: string;
  readonly spki: string;
}

export interface LoginRequest {
  readonly token: string;
  /** What the identity is to be called; undefined: as the token says, or after user and machine. */
  readonly name: string | undefined;
  /** Takes the place of an identity that is there. */
  readonly force: boolean;
  /** Of the key: a file that holds its passphrase, or that one is asked for; neither: none. */
  readonly passphraseFile?: string | undefined;
  readonly passphrase?: boolean | undefined;
}

export interface MadeIdentity {
  readonly name: string;
  readonly role: string;
  readonly path: string;
}

export interface Packed extends Upload {
  readonly warnings: readonly string[];
  dispose(): Promise<void>;
}

export interface Unpacking {
  write(data: Uint8Array): void;
  /** Throws where the content is not that of the digest. */
  finish(digest: string): { readonly files: number; readonly skipped: readonly string[] };
  close(): void;
}

export interface NamedText {
  readonly file: string;
  readonly text: string;
}

/** `doneBytes` of `totalBytes` in a phase of a long piece of work. */
export type Progress = (phase: string, doneBytes: number, totalBytes: number) => void;

export interface Console {
  /** µs since 1970, by this machine. */
  nowUs(): number;
  /** Calls back once, after a time; the answer cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Ctrl-C and a polite end, by name; while somebody listens they do not end the console. */
  onSignal(listener: (signal: 'SIGINT' | 'SIGTERM') => void): () => void;
  terminal(): Terminal | undefined;
  /** Written to the terminal should the console end in any other way; the answer withdraws it. */
  atExit(text: string): () => void;
  /** A stdin with nothing in it. */
  noInput(): Readable;
  connect(settings: ConnectSettings, warn: (text: string) => void): Ask;
  makeToken(settings: ConnectSettings): Promise<MadeToken>;
  /** A small file, whole; a usage error where it cannot be read. */
  readFile(path: string): Promise<Uint8Array>;
  /** A token, from a file or stdin (`-`). */
  readToken(path: string): Promise<string>;
  /** Joins the fleet as a console: key, certificate, and the file that holds them. */
  login(settings: ConnectSettings, request: LoginRequest): Promise<MadeIdentity>;
  /** Texts of a file, or of a directory's files with one of these endings, in order of name. */
  readTexts(path: string, endings: readonly string[]): Promise<readonly NamedText[]>;
  /** Puts a text in the place of a file: the old one or the new one is there, never a part. */
  replaceFile(path: string, text: string): Promise<void>;
  /** Takes a tar as it comes, and writes what is safe of it below a directory. */
  unpack(into: string): Promise<Unpacking>;
  /** A file, directory or archive as a bundle; reads it once for its digest. */
  pack(path: string, onProgress: Progress): Promise<Packed>;
}

export interface AdminContext extends BaseContext {
  readonly console?: Console | undefined;
  /** A session that outlives the command: the lines of `batch` share one. */
  readonly ask?: Ask | undefined;
}
