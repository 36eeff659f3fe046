/**
 * Ten agents, each with a clock of its own behind a jittery path, start one task at one instant:
 * how far apart the first instructions are, against ten C gates on the one clock of this machine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byInstant, compile, onTime, type Started, startsOf } from '../../tests/clock/skew.ts';
import { Fleet } from '../../tests/e2e/fleet.ts';
import { digits, type Finding, median, quantile, type Row } from '../measure.ts';

const NODES = 10;
const FIRINGS = 60;
const EVERY_MS = 1_000;
const ARM_US = 300_000;
const MORE_MS = 2;

const apartMs = (us: readonly number[]): number => (Math.max(...us) - Math.min(...us)) / 1e3;

/** Ten gates on one instant, as often. */
async function gates(): Promise<number[]> {
  const directory = mkdtempSync(join(tmpdir(), 'lotc-skew-'));
  try {
    const [gate, stamp] = ['gate', 'stamp'].map((name) => compile(directory, name));
    const stamps = join(directory, 'stamps');
    const all: number[] = [];
    for (let n = 0; n < FIRINGS; n += 1) {
      const atUs = Number(process.hrtime.bigint() / 1_000n) + ARM_US;
      const words = [String(atUs), stamp ?? '', stamps];
      const children = Array.from({ length: NODES }, () => spawn(gate ?? '', words));
      await Promise.all(children.map((child) => once(child, 'exit')));
      all.push(
        apartMs(
          readFileSync(stamps, 'utf8')
            .trim()
            .split('\n')
            .map((ns) => Number(ns) / 1e3),
        ),
      );
      rmSync(stamps);
    }
    return all;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What a node took for the instant: its start, less the lateness that it put on record. */
const instantUs = ({ beganUs, lateUs }: Started): number => beganUs - lateUs;

export const skew: Row = {
  name: 'skew',
  limitMs: 300_000,
  async run() {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(new Fleet());
    const nodes = await onTime(stack, fleet, NODES);
    const all = await startsOf(fleet, nodes, { count: FIRINGS, everyMs: EVERY_MS });
    return findings(all, await gates());
  },
};

function findings(all: readonly Started[], floor: readonly number[]): Finding[] {
  const instants = byInstant(all);
  const skews = instants.map((some) => apartMs(some.map(({ beganUs }) => beganUs)));
  const clocks = instants.map((some) => apartMs(some.map(instantUs)));
  const bounds = instants.map((some) => {
    const [first = 0, second = 0] = some.map(({ errorUs }) => errorUs).toSorted((a, b) => b - a);
    return (first + second) / 1e3;
  });
  const within = (some: readonly number[], what: string): Finding => {
    const inside = some.filter((one, n) => one <= (bounds[n] ?? 0)).length;
    const p99 = quantile(some, 0.99);
    return {
      what,
      figure: `${digits(median(some))} ms (p99 ${digits(p99)}); ${inside} of ${some.length}`,
      against: `bounds: p50 ${digits(median(bounds))} ms`,
      result: `${some.length - inside} outside`,
      ...{ goal: '0 outside', met: inside === some.length },
    };
  };
  const [p99, floor99] = [quantile(skews, 0.99), quantile(floor, 0.99)];
  const more = p99 - floor99;
  return [
    {
      what:
        `skew of ${NODES} starts at one instant, each node’s clock over 5/5 ms, ` +
        `jitter 1 ms, 5 % lost (${instants.length} firings)`,
      figure: `${digits(median(skews))} ms (p99 ${digits(p99)})`,
      against: `${NODES} C gates: ${digits(median(floor))} ms (p99 ${digits(floor99)})`,
      result: `${more < 0 ? '' : '+'}${more.toFixed(2)} ms p99`,
      ...{ goal: `≤ ${MORE_MS} ms more`, met: more <= MORE_MS },
    },
    within(skews, 'the same, within the sum of the two largest bounds'),
    within(
      clocks,
      'the same less each start’s lateness on record (clocks, and exec → first instruction)',
    ),
  ];
}
