/**
 * libwireshark 4.4 with Lua 5.4, compiled to WASM: the same module in another Wireshark and
 * another Lua than the Debian package has, without either installed.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { dissector } from './tshark.ts';

/** A vector of embind. */
interface Rows<T> {
  size(): number;
  get(index: number): T;
}

interface Item {
  readonly label: string;
  readonly filter: string;
  readonly tree: Rows<Item>;
}

interface Session {
  load(): { readonly code: number; readonly error: string };
  getFrames(
    filter: string,
    skip: number,
    limit: number,
  ): { readonly matched: number; readonly frames: Rows<{ readonly number: number }> };
  getFrame(number: number): { readonly tree: Rows<Item> };
  delete(): void;
}

interface Library {
  readonly FS: { writeFile(path: string, data: Uint8Array): void };
  readonly DissectSession: new (path: string) => Session;
  getPluginsDirectory(): string;
  getUploadDirectory(): string;
  init(): boolean;
}

type Load = (options: object) => Promise<Library>;

const listOf = <T>(rows: Rows<T>): T[] =>
  Array.from({ length: rows.size() }, (_, index) => rows.get(index));

const labelsOf = (item: Item): string[] => [item.label, ...listOf(item.tree).flatMap(labelsOf)];

export class Wiregasm {
  readonly #library: Library;

  private constructor(library: Library) {
    this.#library = library;
  }

  static async load(): Promise<Wiregasm> {
    const require = createRequire(import.meta.url);
    const main = require.resolve('@goodtools/wiregasm/dist/wiregasm.js');
    const load = require(main) as Load;
    const said: string[] = [];
    const library = await load({
      locateFile: (file: string) => join(dirname(main), file),
      wasmBinary: readFileSync(join(dirname(main), 'wiregasm.wasm')),
      print: (line: string) => said.push(line),
      printErr: (line: string) => said.push(line),
      handleStatus: () => undefined,
    });
    library.FS.writeFile(`${library.getPluginsDirectory()}/lotc.lua`, readFileSync(dissector));
    if (!library.init()) throw new Error(`libwireshark does not start: ${said.join('\n')}`);
    const bad = said.find((line) => /lua.*error|error.*lua/iu.test(line));
    if (bad !== undefined) throw new Error(bad);
    return new Wiregasm(library);
  }

  /** Opens a capture; what `ask` may ask ends with it. */
  open<T>(file: string, ask: (session: Session) => T): T {
    const path = `${this.#library.getUploadDirectory()}/${basename(file)}`;
    this.#library.FS.writeFile(path, readFileSync(file));
    const session = new this.#library.DissectSession(path);
    try {
      const { code, error } = session.load();
      if (code !== 0) throw new Error(`${file}: ${error}`);
      return ask(session);
    } finally {
      session.delete();
    }
  }

  count(file: string, filter: string): number {
    return this.open(file, (session) => session.getFrames(filter, 0, 0).matched);
  }

  /** Every line of every LOTC frame, as the packet details show it. */
  lines(file: string): string[] {
    return this.open(file, (session) =>
      listOf(session.getFrames('lotc', 0, 0).frames).flatMap(({ number }) =>
        listOf(session.getFrame(number).tree)
          .filter(({ label }) => label.startsWith('Low Orbit Task Cannon'))
          .flatMap(labelsOf),
      ),
    );
  }
}
