/**
 * Objects as text: table, wide table, JSON or bare names (cli.md, "Output"). Pure. Lists are one
 * JSON array, `show` is one object, streams are one object a line.
 */
import { printable } from '../../base/printable.ts';
import type { View } from './cells.ts';
import { Table } from './table.ts';

export const formats = ['table', 'wide', 'json', 'name'] as const;
export type Format = (typeof formats)[number];

/** What JSON.stringify leaves as it is and a terminal might obey. */
const UNESCAPED = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The same value, in text that no terminal obeys. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replaceAll(
    UNESCAPED,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function renderList<T>(
  view: View<T>,
  rows: readonly T[],
  format: Format,
  nowUs: number,
): string {
  if (format === 'name') return rows.map((row) => `${view.name(row)}\n`).join('');
  if (format === 'json') {
    if (rows.length === 0) return '[]\n';
    return `[\n${rows.map((row) => jsonText(view.json(row, nowUs))).join(',\n')}\n]\n`;
  }
  const table = new Table(view.columns, format === 'wide');
  const cells = table.fit(rows, nowUs);
  return table.head() + table.body(cells);
}

/** One object: with `table` a field a line. */
export function renderOne<T>(view: View<T>, row: T, format: Format, nowUs: number): string {
  if (format === 'name') return `${view.name(row)}\n`;
  const fields = view.json(row, nowUs);
  if (format === 'json') return `${jsonText(fields, 2)}\n`;
  const width = Math.max(...Object.keys(fields).map((key) => key.length)) + 2;
  return Object.entries(fields)
    .map(([key, value]) => {
      if (value === null) return `${key.padEnd(width)}-\n`;
      const shown = typeof value === 'string' ? printable(value) : jsonText(value);
      const indented = shown.replaceAll('\n', `\n${' '.repeat(width)}`);
      return `${key.padEnd(width)}${indented}\n`;
    })
    .join('');
}

/** Rows of a stream, batch by batch; a table's head stands once, before the first. */
export class StreamRenderer<T> {
  readonly #view: View<T>;
  readonly #format: Format;
  readonly #table: Table<T>;
  #begun = false;

  constructor(view: View<T>, format: Format) {
    this.#view = view;
    this.#format = format;
    this.#table = new Table(view.columns, format === 'wide');
  }

  rows(rows: readonly T[], nowUs: number): string {
    if (this.#format === 'name') return rows.map((row) => `${this.#view.name(row)}\n`).join('');
    if (this.#format === 'json') {
      return rows.map((row) => `${jsonText(this.#view.json(row, nowUs))}\n`).join('');
    }
    const cells = this.#table.fit(rows, nowUs);
    const head = this.#begun ? '' : this.#table.head();
    this.#begun = true;
    return head + this.#table.body(cells);
  }
}

/** A JSON array written piece by piece, for lists longer than memory likes. */
export class JsonList {
  #begun = false;

  items(values: readonly unknown[]): string {
    let text = '';
    for (const value of values) {
      text += `${this.#begun ? ',\n' : '[\n'}${jsonText(value)}`;
      this.#begun = true;
    }
    return text;
  }

  end(): string {
    return this.#begun ? '\n]\n' : '[]\n';
  }
}
