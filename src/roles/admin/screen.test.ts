import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Screen, type ScreenLine } from './screen.ts';

const ESC = '\u{1b}';

/** Just enough of a terminal to see what the bytes leave on it. */
class Glass {
  cells: string[][] = [];
  #row = 0;
  #column = 0;
  readonly rows: number;
  readonly columns: number;

  constructor(rows: number, columns: number) {
    [this.rows, this.columns] = [rows, columns];
    this.clear();
  }

  clear(): void {
    this.cells = Array.from({ length: this.rows }, () => Array<string>(this.columns).fill(' '));
  }

  take(bytes: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is read here
    for (const [, code, final, text] of bytes.matchAll(/\u{1b}\[([\d;?]*)([A-Za-z])|([^])/gu)) {
      if (text !== undefined) {
        const line = this.cells[this.#row];
        if (line && this.#column < this.columns) line[this.#column] = text;
        this.#column += 1;
      } else if (final === 'H') {
        const [row = '1', column = '1'] = (code ?? '').split(';');
        [this.#row, this.#column] = [Number(row) - 1, Number(column) - 1];
      } else if (final === 'K') this.cells[this.#row]?.fill(' ', this.#column);
      else if (final === 'J') this.clear();
      else expect(final).toBe('m');
    }
  }

  text(): string[] {
    return this.cells.map((line) => line.join('').trimEnd());
  }
}

const line = (text: string): ScreenLine => ({ text });

test('only what differs is written, from its place on', () => {
  const screen = new Screen({ rows: 3, columns: 20 });
  expect(screen.draw([line('cpu 10.0'), line('b')])).toBe(`${ESC}[1Hcpu 10.0${ESC}[2Hb`);
  expect(screen.draw([line('cpu 11.5'), line('b')])).toBe(`${ESC}[1;6H1.5`);
  expect(screen.draw([line('cpu 11.5'), line('b')])).toBe('');
  expect(screen.draw([line('cpu 1')])).toBe(`${ESC}[1;6H${ESC}[K${ESC}[2H${ESC}[K`);
});

test('what does not fit is cut; what is hostile is shown, not obeyed', () => {
  const screen = new Screen({ rows: 1, columns: 4 });
  const bytes = screen.draw([line('abcdefgh'), line('below')]);
  expect(bytes).toBe(`${ESC}[1Habcd`);
  const hostile = new Screen({ rows: 1, columns: 40 }).draw([line(`a${ESC}[2Jb\n`)]);
  expect(hostile.slice(4)).not.toContain(ESC);
});

test('after a resize everything is drawn anew', () => {
  const screen = new Screen({ rows: 2, columns: 9 });
  screen.draw([line('one')]);
  expect(screen.resize({ rows: 2, columns: 5 })).toBe(`${ESC}[2J`);
  expect(screen.draw([line('one')])).toBe(`${ESC}[1Hone`);
});

test('whatever was there before, the screen shows the lines', () => {
  const text = fc.stringMatching(/^[ -~é漢]{0,12}$/);
  const one = fc.record({ text, bar: fc.constantFrom(undefined, true as const) });
  const frame = fc
    .array(one, { maxLength: 5 })
    .map((lines) =>
      lines.map(({ text: words, bar }) => (bar ? { text: words, bar } : { text: words })),
    );
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 5 }), (frames) => {
      const [screen, glass] = [new Screen({ rows: 4, columns: 8 }), new Glass(4, 8)];
      for (const lines of frames) {
        glass.take(screen.draw(lines));
        const wanted = Array.from({ length: 4 }, (_, at) =>
          Array.from(lines[at]?.text ?? '')
            .slice(0, 8)
            .join('')
            .trimEnd(),
        );
        expect(glass.text()).toEqual(wanted);
      }
    }),
  );
});
