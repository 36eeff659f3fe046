import { expect, test } from 'vitest';
import type { Shape } from '../../net/layout.ts';
import { Screen } from './screen.ts';
import { sortSamples, TopFrame } from './top-frame.ts';

const at = 1_800_000_000_000_000;
const process = (no: number, more: Partial<Shape<'sample'>> = {}): Shape<'sample'> => ({
  ...{ at, node: `n${no % 4}`, task: `task-${String(no).padStart(3, '0')}`, run: `R${no}` },
  ...{
    cpuPercent: (no * 7) % 100,
    memoryBytes: (no % 13) * 1_000_000,
    threads: 1,
    uptimeMs: 5_000,
  },
  ...more,
});
const node = (no: number): Shape<'sample'> => ({ at, node: `n${no}`, load1: no });
const many = [0, 1, 2, 3].map(node).concat(Array.from({ length: 200 }, (_, no) => process(no)));

test('those that use most come first, equal ones by name', () => {
  const rows = [
    process(1, { cpuPercent: 1 }),
    process(3, { cpuPercent: 9 }),
    process(2, { cpuPercent: 1 }),
  ];
  expect(sortSamples(rows, 'cpu').map(({ run }) => run)).toEqual(['R3', 'R1', 'R2']);
  expect(sortSamples(rows, 'name').map(({ run }) => run)).toEqual(['R1', 'R2', 'R3']);
  expect(sortSamples(rows, 'memory').map(({ run }) => run)).toEqual(['R3', 'R2', 'R1']);
});

test('a screen is filled and not more, and says what it leaves out', () => {
  const size = { rows: 24, columns: 80 };
  const lines = new TopFrame().lines({ samples: many, order: 'cpu', nowUs: at }, size);
  expect(lines).toHaveLength(24);
  const texts = lines.map(({ text }) => text);
  expect(texts[0]).toMatch(
    /^lotc top: 4 nodes, 200 processes; together \d+\.\d % CPU, .*; by cpu$/,
  );
  expect(texts.at(-1)).toContain('q quit');
  expect(texts.at(-2)).toMatch(/^… and 18\d more processes$/);
  expect(lines.filter(({ bar }) => bar)).toHaveLength(2);
});

test.each([1, 2, 3, 5])('a screen of %i rows is no fault', (rows) => {
  const lines = new TopFrame().lines(
    { samples: many, order: 'name', nowUs: at },
    { rows, columns: 10 },
  );
  expect(lines).toHaveLength(rows);
});

test('of 200 processes, a picture in which a few have changed costs little over ssh', () => {
  const [screen, frame] = [new Screen({ rows: 220, columns: 120 }), new TopFrame()];
  const draw = (samples: readonly Shape<'sample'>[]): number =>
    screen.draw(frame.lines({ samples, order: 'name', nowUs: at }, screen.size)).length;
  expect(draw(many)).toBeGreaterThan(10_000);
  const changed = many.map((row, no) => (no % 20 === 9 ? { ...row, cpuPercent: 99.9 } : row));
  expect(draw(changed)).toBeLessThan(1_500);
  expect(draw(changed)).toBe(0);
});

test('a name that is no name is shown, not obeyed', () => {
  const hostile = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202egnp\r';
  const samples = [node(1), process(1, { task: hostile, node: hostile, memoryKind: hostile })];
  const screen = new Screen({ rows: 10, columns: 300 });
  const lines = new TopFrame().lines({ samples, order: 'cpu', nowUs: at }, screen.size);
  const drawn = screen.draw(lines);
  expect(drawn).toContain('\\x1b]0;owned');
  // Its own sequences move the cursor and draw bars, no more.
  // oxlint-disable-next-line no-control-regex
  expect(drawn.replaceAll(/\u001b\[[\d;]*[HmK]/g, '')).not.toMatch(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/,
  );
});
