/**
 * Text in columns. Pure: rows in, aligned lines out. A cell is one line: what could break the
 * table or the terminal is shown, not obeyed.
 */
import { printableLine } from '../../base/printable.ts';

export interface Column<T> {
  readonly title: string;
  /** Numbers stand at the right edge of their column. */
  readonly right?: true;
  /** Only with `-o wide`. */
  readonly wide?: true;
  text(row: T, nowUs: number): string;
}

const GAP = '  ';

/** Code points; wide and combining characters are rare in names and left as they are. */
const widthOf = (text: string): number => Array.from(text).length;

/** Columns that keep their places over several batches of rows: for streams. */
export class Table<T> {
  readonly #columns: readonly Column<T>[];
  readonly #widths: number[];

  constructor(columns: readonly Column<T>[], wide: boolean) {
    this.#columns = columns.filter((column) => wide || column.wide !== true);
    this.#widths = this.#columns.map(({ title }) => widthOf(title));
  }

  head(): string {
    return this.#line(this.#columns.map(({ title }) => title));
  }

  /** Grows the columns to fit, without writing anything: call it before `head`. */
  fit(rows: readonly T[], nowUs: number): readonly string[][] {
    const cells = rows.map((row) =>
      this.#columns.map((column) => printableLine(column.text(row, nowUs)) || '-'),
    );
    for (const line of cells) {
      for (const [at, cell] of line.entries()) {
        this.#widths[at] = Math.max(this.#widths[at] ?? 0, widthOf(cell));
      }
    }
    return cells;
  }

  body(cells: readonly string[][]): string {
    return cells.map((line) => this.#line(line)).join('');
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((cell, at) => {
      const space = ' '.repeat(Math.max(0, (this.#widths[at] ?? 0) - widthOf(cell)));
      return this.#columns[at]?.right === true ? `${space}${cell}` : `${cell}${space}`;
    });
    return `${padded.join(GAP).trimEnd()}\n`;
  }
}
