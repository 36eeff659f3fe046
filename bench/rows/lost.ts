/**
 * A node that is lost: from the cut of its cable to the first instruction of its task elsewhere,
 * under a lease of four seconds, in namespaces with a server of time. The old side must have ended
 * by then: each program writes a line every few milliseconds.
 */
import { existsSync, readFileSync } from 'node:fs';
import { PlainServer } from '../../tests/clock/plain-server.ts';
import { Fleet, until } from '../../tests/e2e/fleet.ts';
import { digits, median, type Row, sleep } from '../measure.ts';

const LEASE_MS = 4_000;
const BEYOND_MS = 1_000;
const ROUNDS = 6;
const NODES = ['n1', 'n2'] as const;

interface Line {
  readonly node: string;
  readonly atMs: number;
}

export const lost: Row = {
  name: 'lost',
  limitMs: 240_000,
  async run() {
    await using fleet = new Fleet();
    const { netns, ipv4 = '' } = fleet.place('time');
    await using _time = await PlainServer.serve(netns);
    const ntp = ['--ntp', ipv4];
    await fleet.server('s', [], ntp);
    for (const name of NODES) await fleet.agent(name, 'both', ['--heartbeat', '1s', ...ntp]);
    await fleet.online(...NODES);
    const file = fleet.path('lines');
    const program = `while :; do echo $LOTC_NODE $(date +%s%N) >>${file}; sleep 0.01; done`;
    const words = ['--instances', '1', '--on-agent-lost', 'move', '--lease', `${LEASE_MS}ms`];
    const create = ['task', 'create', 'moves', ...words, '--', 'sh', '-c', program];
    await until(async () => (await fleet.admin(create)).code === 0, 30_000);
    await fleet.must(['start', 'moves', '--wait']);
    await until(() => linesOf(file).length > 0);
    const afters: number[] = [];
    const gaps: number[] = [];
    let boundMs = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      // A cut at any instant between two renewals.
      await sleep(2_000 + Math.random() * 1_500);
      boundMs = Math.max(boundMs, await boundsMs(fleet));
      const from = lastOf(file).node;
      const cutMs = Date.now();
      fleet.cable(fleet.place(from), 'down');
      await until(() => lastOf(file).node !== from, 30_000);
      const lines = linesOf(file).filter(({ atMs }) => atMs > cutMs - LEASE_MS);
      const first = lines.find(({ node }) => node !== from)?.atMs ?? Infinity;
      afters.push(first - cutMs);
      gaps.push(first - (lines.findLast(({ node }) => node === from)?.atMs ?? Infinity));
      fleet.cable(fleet.place(from), 'up');
      await fleet.online(from);
    }
    const [worst, least] = [Math.max(...afters), Math.min(...gaps)];
    const mostMs = LEASE_MS + boundMs + BEYOND_MS;
    return [
      {
        what: `node lost → first instruction elsewhere (\`move\`, a lease of ${LEASE_MS / 1_000} s)`,
        figure: `${digits(median(afters))} ms (worst of ${ROUNDS}: ${digits(worst)})`,
        against: `the lease and both bounds: ${digits(LEASE_MS + boundMs)} ms`,
        result: `${digits(worst - LEASE_MS - boundMs)} ms beyond; after the old one’s end: ${digits(least)} ms`,
        goal: '≤ 1 s beyond, never before',
        met: worst <= mostMs && least > 0,
      },
    ];
  },
};

/** What the clocks of a node and of the server, which has the same source, may be wrong by. */
async function boundsMs(fleet: Fleet): Promise<number> {
  const rows = await fleet.json<{ clock: { errorUs: number | null } | null }[]>(['nodes']);
  return (2 * Math.max(...rows.map(({ clock }) => clock?.errorUs ?? 0))) / 1e3;
}

function linesOf(file: string): Line[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [name = '', ns = ''] = line.split(' ');
      return { node: name, atMs: Number(ns) / 1e6 };
    });
}

const lastOf = (file: string): Line => linesOf(file).at(-1) ?? { node: '', atMs: 0 };
