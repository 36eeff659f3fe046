/**
 * Tasks of which each starts after the one before it: what a link takes, from the first start to
 * the end of the last, on one node and from node to node. Against bare Node, which spawns the same
 * program as often, each when the one before it has exited.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { digits, type Finding, inTurns, median, type Row } from '../measure.ts';
import { Rig } from '../rig.ts';

const ROUNDS = 3;
const NODES = 10;
const HERE = 1_000;
const AWAY = 200;
const PROGRAM = '/bin/true';

export const chain: Row = {
  name: 'chain',
  limitMs: 230_000,
  async run() {
    await using rig = await Rig.open(NODES);
    const here = define(rig, 'here', HERE, 1);
    const away = define(rig, 'away', AWAY, NODES);
    const [one = [], many = [], floor = []] = await inTurns(ROUNDS, [
      () => follow(rig, here),
      () => follow(rig, away),
      bare,
    ]);
    return [
      finding(`a chain of ${HERE} tasks on one node, a link`, { ours: one, floor, mostMs: 8 }),
      finding(`${AWAY} over ${NODES} nodes, a link`, { ours: many, floor, mostMs: 20 }),
    ];
  },
};

/** The names, the last link first. */
function define(rig: Rig, prefix: string, count: number, nodes: number): readonly string[] {
  const names = Array.from({ length: count }, (_, at) => `${prefix}${at}`);
  const documents = names.map((name, at) => ({
    ...{ kind: 'Task', name, command: [PROGRAM], on: `n${1 + (at % nodes)}` },
    ...(at === 0 ? {} : { after: [{ task: names[at - 1] }] }),
  }));
  const file = rig.path(`${prefix}.json`);
  writeFileSync(file, JSON.stringify(documents));
  rig.admin('apply', '-f', file);
  return names.toReversed();
}

/** Milliseconds a link. */
function follow(rig: Rig, names: readonly string[]): Promise<number> {
  const beginMs = performance.now();
  rig.admin('start', ...names);
  rig.admin('wait', names[0] ?? '', '--timeout', '100s');
  return Promise.resolve((performance.now() - beginMs) / names.length);
}

async function bare(): Promise<number> {
  const beginMs = performance.now();
  for (let at = 0; at < AWAY; at += 1) await once(spawn(PROGRAM, { stdio: 'ignore' }), 'exit');
  return (performance.now() - beginMs) / AWAY;
}

interface Sides {
  readonly ours: readonly number[];
  readonly floor: readonly number[];
  readonly mostMs: number;
}

function finding(what: string, { ours, floor, mostMs }: Sides): Finding {
  const ms = median(ours);
  return {
    ...{ what, figure: `${digits(ms)} ms (most ${digits(Math.max(...ours))})` },
    against: `bare Node, spawn after exit: ${digits(median(floor))} ms`,
    ...{ result: `${digits(ms)} ms`, goal: `≤ ${mostMs} ms`, met: ms <= mostMs },
  };
}
