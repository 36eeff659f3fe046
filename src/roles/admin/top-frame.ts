/**
 * One picture of `top`: the readings of nodes and processes, sorted, as lines that fit a screen.
 * Pure: readings, the order and the room in, lines out. Columns only grow from picture to picture,
 * so that the eye finds what it looked at.
 */
import { roughDurationMs } from '../../base/duration.ts';
import type { Shape } from '../../net/layout.ts';
import { age, size, text } from './cells.ts';
import type { WindowSize } from './context.ts';
import type { ScreenLine } from './screen.ts';
import { type Column, Table } from './table.ts';

type Sample = Shape<'sample'>;

export const topOrders = ['cpu', 'memory', 'name'] as const;
export type TopOrder = (typeof topOrders)[number];

export interface TopState {
  readonly samples: readonly Sample[];
  readonly order: TopOrder;
  readonly nowUs: number;
}

const columns: readonly Column<Sample>[] = [
  { title: 'TASK', text: (row) => row.task ?? '' },
  { title: 'NODE', text: (row) => text(row.node) },
  { title: 'CPU %', right: true, text: (row) => row.cpuPercent?.toFixed(1) ?? '' },
  { title: 'MEMORY', right: true, text: (row) => size(row.memoryBytes) },
  { title: 'THREADS', right: true, text: (row) => text(row.threads) },
  { title: 'FILES', right: true, text: (row) => text(row.openFiles) },
  { title: 'READ', right: true, text: (row) => size(row.ioReadBytes) },
  { title: 'WRITTEN', right: true, text: (row) => size(row.ioWriteBytes) },
  { title: 'RESTARTS', right: true, text: (row) => text(row.restarts) },
  {
    title: 'UP',
    right: true,
    text: ({ uptimeMs: ms }) => (ms === undefined ? '' : roughDurationMs(ms)),
  },
  { title: 'AGE', right: true, text: (row, now) => age(row.at, now) },
  { title: 'RUN', text: (row) => text(row.run) },
];

const nodeColumns: readonly Column<Sample>[] = [
  { title: 'NODE', text: (row) => text(row.node) },
  { title: 'LOAD', right: true, text: (row) => row.load1?.toFixed(2) ?? '' },
  { title: 'MEMORY', right: true, text: (row) => size(row.memoryBytes) },
  { title: 'OF', right: true, text: (row) => size(row.memoryTotalBytes) },
  { title: 'DISK FREE', right: true, text: (row) => size(row.diskFreeBytes) },
  { title: 'AGE', right: true, text: (row, now) => age(row.at, now) },
];

/** Those that use most first; equal ones, and all by name, as `ps` sorts them. */
export function sortSamples(samples: readonly Sample[], order: TopOrder): Sample[] {
  const name = ({ task, node, run }: Sample): string =>
    `${task ?? '\u{10ffff}'}\0${node ?? ''}\0${run ?? ''}`;
  const amount = ({ cpuPercent, memoryBytes }: Sample): number =>
    order === 'name' ? 0 : ((order === 'cpu' ? cpuPercent : memoryBytes) ?? 0);
  const keyed = samples.map((row) => ({ row, name: name(row), amount: amount(row) }));
  keyed.sort((a, b) => b.amount - a.amount || (a.name < b.name ? -1 : 1));
  return keyed.map(({ row }) => row);
}

const HELP = 'q quit   sort by: c cpu  m memory  n name';
/** Of the screen's lines, so many at most are nodes. */
const NODE_SHARE = 1 / 4;

export class TopFrame {
  #processes = new Table(columns, false);
  #nodes = new Table(nodeColumns, false);

  /** Lines for the whole screen, its last the help. */
  lines(state: TopState, { rows }: WindowSize): ScreenLine[] {
    const nodes = state.samples.filter(({ run }) => run === undefined);
    const runs = sortSamples(
      state.samples.filter(({ run }) => run !== undefined),
      state.order,
    );
    const fewNodes = part(sortSamples(nodes, 'name'), Math.max(1, Math.floor(rows * NODE_SHARE)));
    const head = [
      line(summary(nodes, runs, state.order)),
      ...this.#list(this.#nodes, fewNodes.rows, state.nowUs),
      ...more(fewNodes.left, 'nodes'),
      line(''),
    ];
    const fewRuns = part(runs, Math.max(1, rows - head.length - 2));
    const body = [
      ...this.#list(this.#processes, fewRuns.rows, state.nowUs),
      ...more(fewRuns.left, 'processes'),
    ];
    const all = [...head, ...body].slice(0, Math.max(0, rows - 1));
    while (all.length < rows - 1) all.push(line(''));
    return [...all, line(HELP)];
  }

  /** After a resize the columns may begin again. */
  reset(): void {
    this.#processes = new Table(columns, false);
    this.#nodes = new Table(nodeColumns, false);
  }

  #list(table: Table<Sample>, rows: readonly Sample[], nowUs: number): ScreenLine[] {
    const cells = table.fit(rows, nowUs);
    const body = table.body(cells).split('\n').slice(0, -1);
    return [{ text: table.head().trimEnd(), bar: true }, ...body.map(line)];
  }
}

const line = (words: string): ScreenLine => ({ text: words });

function more(left: number, what: string): ScreenLine[] {
  return left === 0 ? [] : [line(`… and ${left} more ${what}`)];
}

/** As many as there is room for; where some are left out, one line less, which says so. */
function part<T>(all: readonly T[], room: number): { rows: readonly T[]; left: number } {
  if (all.length <= room) return { rows: all, left: 0 };
  const rows = all.slice(0, Math.max(0, room - 1));
  return { rows, left: all.length - rows.length };
}

function summary(nodes: readonly Sample[], runs: readonly Sample[], order: TopOrder): string {
  const sum = (value: (row: Sample) => number | undefined): number =>
    runs.reduce((total, row) => total + (value(row) ?? 0), 0);
  const cpu = sum((row) => row.cpuPercent).toFixed(1);
  const memory = size(sum((row) => row.memoryBytes));
  const count = (number: number, word: string, words: string): string =>
    `${number} ${number === 1 ? word : words}`;
  const what = `${count(nodes.length, 'node', 'nodes')}, ${count(runs.length, 'process', 'processes')}`;
  return `lotc top: ${what}; together ${cpu} % CPU, ${memory}; by ${order}`;
}
