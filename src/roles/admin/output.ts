/**
 * What remote programs print, on its way to this console's stdout or stderr. Pure.
 *
 * From one node bytes pass as they are. From several each physical line gets `node| ` before it,
 * so that a program cannot speak in another node's name; a line begun stays here until its end is
 * known. On a terminal control characters are shown, not obeyed.
 */
import { limits } from '../../base/limits.ts';
import { PrintableStream } from '../../base/printable.ts';

export interface Piece {
  readonly node: string;
  readonly run: string;
  readonly stream: string;
  readonly data: Uint8Array;
}

export interface OutputRules {
  readonly prefixed: boolean;
  /** Where this stream goes is a terminal, and nobody asked for raw bytes. */
  readonly shown: (stream: string) => boolean;
}

const NEWLINE = 10;

export class Output {
  readonly #rules: OutputRules;
  readonly #lines = new Map<string, Lines>();
  readonly #plain = new Map<string, PrintableStream>();

  constructor(rules: OutputRules) {
    this.#rules = rules;
  }

  /** What to write now. */
  push(piece: Piece): string | Uint8Array {
    if (!this.#rules.prefixed) return this.#pass(piece);
    const key = `${piece.run} ${piece.stream}`;
    let lines = this.#lines.get(key);
    if (lines === undefined) {
      lines = new Lines();
      this.#lines.set(key, lines);
    }
    const shown = this.#rules.shown(piece.stream);
    return joined(lines.push(piece.data).map((line) => prefixed(piece.node, line, shown)));
  }

  /** The rest of lines that never ended, by stream: of one run, or of all. */
  end(node: string, run: string, stream: string): string | Uint8Array {
    const shown = this.#rules.shown(stream);
    if (!this.#rules.prefixed) return this.#plain.get(stream)?.end() ?? '';
    const rest = this.#lines.get(`${run} ${stream}`)?.end();
    return rest === undefined ? '' : prefixed(node, rest, shown);
  }

  #pass({ data, stream }: Piece): string | Uint8Array {
    if (!this.#rules.shown(stream)) return data;
    let plain = this.#plain.get(stream);
    if (plain === undefined) {
      plain = new PrintableStream();
      this.#plain.set(stream, plain);
    }
    return plain.push(data);
  }
}

/** Cuts a stream into lines without their ends; what is longer than a line may be, in pieces. */
export class Lines {
  #rest: Uint8Array = new Uint8Array(0);

  push(data: Uint8Array): readonly Uint8Array[] {
    const bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    const lines: Uint8Array[] = [];
    let from = 0;
    for (;;) {
      const at = bytes.indexOf(NEWLINE, from);
      const end = at < 0 ? bytes.length : at;
      while (end - from > limits.logLineBytes) {
        lines.push(bytes.subarray(from, from + limits.logLineBytes));
        from += limits.logLineBytes;
      }
      if (at < 0) break;
      lines.push(bytes.subarray(from, end));
      from = end + 1;
    }
    this.#rest = bytes.slice(from);
    return lines;
  }

  end(): Uint8Array | undefined {
    const rest = this.#rest;
    this.#rest = new Uint8Array(0);
    return rest.length === 0 ? undefined : rest;
  }
}

export function lineText(line: Uint8Array, shown: boolean): string {
  if (!shown) return Buffer.from(line.buffer, line.byteOffset, line.length).toString('utf8');
  const stream = new PrintableStream();
  return stream.push(line) + stream.end();
}

function prefixed(node: string, line: Uint8Array, shown: boolean): Uint8Array {
  const text: Uint8Array = shown ? Buffer.from(lineText(line, true)) : line;
  return Buffer.concat([Buffer.from(`${node}| `), text, Buffer.from('\n')]);
}

function joined(lines: readonly Uint8Array[]): Uint8Array {
  const [first] = lines;
  return lines.length === 1 && first !== undefined ? first : Buffer.concat(lines);
}
