/**
 * Log pieces of one or several nodes as text: as they come while following, merged by time where
 * the whole is known, one object a line (or one array) with --json.
 */

import { formatInstant } from '../../base/clock.ts';
import type { Ok } from '../../net/layout.ts';
import { Lines, lineText, Output } from './output.ts';
import { JsonList, jsonText } from './render.ts';

export interface LogRules {
  readonly json: boolean;
  readonly prefixed: boolean;
  readonly follow: boolean;
  readonly shown: boolean;
  write(text: string | Uint8Array): Promise<void>;
}

interface Line {
  readonly at: number;
  readonly text: string | Uint8Array;
  readonly bytes: number;
}

/** Lines of several nodes held to be sorted; beyond this they are printed as they came. */
const HELD_BYTES = 16 * 1024 * 1024;

export class LogPrinter {
  readonly #rules: LogRules;
  #output: Output;
  readonly #lists = new JsonList();
  readonly #lines = new Map<string, { readonly of: Ok<'retLog'>; readonly lines: Lines }>();
  readonly #sources = new Map<
    string,
    { readonly node: string; readonly run: string; readonly stream: string }
  >();
  #held: Line[] = [];
  #heldBytes = 0;
  readonly #merging: boolean;

  constructor(rules: LogRules) {
    this.#rules = rules;
    this.#merging = rules.prefixed && !rules.follow && !rules.json;
    this.#output = new Output({ prefixed: rules.prefixed, shown: () => rules.shown });
  }

  async push(part: Ok<'retLog'>): Promise<void> {
    const { at = 0, data, node = '', run = '', stream = 'stdout' } = part;
    if (data === undefined || data.length === 0) return;
    if (this.#rules.json) return this.#json(part, data);
    // Both streams of a run are one text here, but their unfinished lines are apart.
    this.#sources.set(`${run} ${stream}`, { node, run, stream });
    await this.#emit(at, this.#output.push({ node, run, stream, data }));
  }

  async end(): Promise<void> {
    if (this.#rules.json) {
      for (const { lines, of } of this.#lines.values()) {
        const rest = lines.end();
        if (rest !== undefined) await this.#objects(of, [rest]);
      }
      if (!this.#rules.follow) await this.#rules.write(this.#lists.end());
      return;
    }
    for (const { node, run, stream } of this.#sources.values()) {
      await this.#emit(Number.MAX_SAFE_INTEGER, this.#output.end(node, run, stream));
    }
    await this.#flush();
  }

  async #emit(at: number, text: string | Uint8Array): Promise<void> {
    if (text.length === 0) return;
    if (!this.#merging) return this.#rules.write(text);
    this.#held.push({ at, text, bytes: text.length });
    this.#heldBytes += text.length;
    if (this.#heldBytes > HELD_BYTES) await this.#flush();
    return undefined;
  }

  async #flush(): Promise<void> {
    const held = this.#held.sort((a, b) => a.at - b.at);
    this.#held = [];
    this.#heldBytes = 0;
    for (const { text } of held) await this.#rules.write(text);
  }

  async #json(part: Ok<'retLog'>, data: Uint8Array): Promise<void> {
    const key = `${part.run ?? ''} ${part.stream ?? ''}`;
    const known = this.#lines.get(key);
    const lines = known?.lines ?? new Lines();
    this.#lines.set(key, { of: part, lines });
    await this.#objects(part, lines.push(data));
  }

  async #objects(of: Ok<'retLog'>, lines: readonly Uint8Array[]): Promise<void> {
    const { at, node, run, stream, task } = of;
    const objects = lines.map((line) => ({
      ...{ at: at === undefined ? null : formatInstant(at), node: node ?? null },
      ...{ task: task ?? null, run: run ?? null, stream: stream ?? null },
      text: lineText(line, false),
    }));
    if (objects.length === 0) return;
    const text = this.#rules.follow
      ? objects.map((object) => `${jsonText(object)}\n`).join('')
      : this.#lists.items(objects);
    await this.#rules.write(text);
  }
}
