/**
 * What every row of the bench needs: clocks around processes, readings of /proc, medians. Both
 * sides of a ratio take turns inside each round, so that what else the machine does hits both.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** One line of the table. */
export interface Finding {
  readonly what: string;
  readonly figure: string;
  readonly against: string;
  /** The number that is judged, as people read it. */
  readonly result: string;
  readonly goal: string;
  /** Undefined: there is no goal, the line is for information. */
  readonly met: boolean | undefined;
}

export interface Row {
  readonly name: string;
  readonly limitMs: number;
  run(): Promise<Finding[]>;
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => void setTimeout(resolve, ms));

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export function digits(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** Each side in turn, round after round; the first round warms up and is dropped. */
export async function inTurns(
  rounds: number,
  sides: readonly (() => Promise<number>)[],
): Promise<number[][]> {
  const all: number[][] = sides.map(() => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, side] of sides.entries()) {
      const value = await side();
      if (round > 0) all[index]?.push(value);
    }
  }
  return all;
}

/** A ratio of medians against a goal. */
export function ratio(
  what: string,
  [ours, floor]: readonly [readonly number[], readonly number[]],
  { most, unit = 'ms', against }: { most: number; unit?: string; against: string },
): Finding {
  const value = median(ours) / median(floor);
  return {
    what,
    figure: `${digits(median(ours))} ${unit} (p99 ${digits(quantile(ours, 0.99))})`,
    against: `${against}: ${digits(median(floor))} ${unit}`,
    result: `${value.toFixed(2)}×`,
    goal: `≤ ${most}×`,
    met: value <= most,
  };
}

/** From before the fork until the exit; throws where the code is not 0. */
export function timeProcess(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const beginMs = performance.now();
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      const ms = performance.now() - beginMs;
      if (code === 0) resolve(ms);
      else reject(new Error(`${program} ${args.join(' ')}: ${code}: ${text}`));
    });
  });
}

/** How often in a second `one` is done, by so many `lanes` at once, over `ms`. */
export async function perSecond(
  lanes: number,
  ms: number,
  one: () => Promise<void>,
): Promise<number> {
  const begun = performance.now();
  let done = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - begun < ms) {
      await one();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (done * 1_000) / (performance.now() - begun);
}

/** CPU time that the threads of a process have had, ms; to the nanosecond, without its children. */
export function cpuMs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  return ns / 1e6;
}

/** CPU time of a process and of the children it has waited for, ms; in steps of 10 ms. */
export function cpuWithChildrenMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * 10;
}

export function residentKiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
}
