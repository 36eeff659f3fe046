/**
 * What was measured, row by row: each keeps the findings of its last run with the day, the build
 * and the load they belong to (results.json), and RESULTS.md shows them between its markers.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { renderSections, table } from '../scripts/sections.ts';
import type { Finding } from './measure.ts';

export interface Measured {
  readonly day: string;
  /** `lotc --version`. */
  readonly build: string;
  readonly machine: string;
  /** Of one minute, when the row began and when it ended. */
  readonly load: readonly [number, number];
  readonly seconds: number;
  readonly findings: readonly Finding[];
  /** Why the last try has no findings; these are then of the run before it. */
  readonly broken?: string;
}

export type Results = Readonly<Record<string, Measured>>;

const resultsFile = join(import.meta.dirname, 'results.json');
const document = join(import.meta.dirname, 'RESULTS.md');

export const loadNow = (): number => loadavg()[0] ?? 0;

export function machine(): string {
  const model = /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${model ?? 'unknown'}, ${memoryGib} GiB, Linux ${release()}`;
}

export function readResults(): Results {
  return existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as Results) : {};
}

/** Takes the place of what the row had; `order` is the rows' own. */
export function record(name: string, measured: Measured, order: readonly string[]): void {
  const all: Results = { ...readResults(), [name]: measured };
  const known = order.flatMap((row) => (all[row] ? [[row, all[row]] as const] : []));
  writeFileSync(resultsFile, `${JSON.stringify(Object.fromEntries(known), null, 2)}\n`);
  const text = readFileSync(document, 'utf8');
  const places = new Set(known.map(([, one]) => one.machine));
  const rows = [...places, ...known.map(([row, one]) => section(row, one))].join('\n\n');
  writeFileSync(document, renderSections('bench/RESULTS.md', text, { rows: () => rows }));
}

function section(name: string, one: Measured): string {
  const { day, build, load, seconds, findings, broken } = one;
  const when = `${day}, ${build}, ${seconds} s, load ${load.map((n) => n.toFixed(1)).join(' to ')}.`;
  const told = broken === undefined ? when : `${when} A later try was broken off: ${broken}.`;
  if (findings.length === 0) return `### ${name}\n\n${told}`;
  const head = ['what', 'LOTC', 'against', 'result', 'to reach', 'reached'];
  const rows = findings.map(({ what, figure, against, result, goal, met }) => {
    return [what, figure, against, result, goal, met === undefined ? '' : met ? 'yes' : '**no**'];
  });
  return `### ${name}\n\n${told}\n\n${table(head, rows)}`;
}
