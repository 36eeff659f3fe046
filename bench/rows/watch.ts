/** What an agent costs that watches over a thousand programs, each with a watchdog of a second. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../tests/e2e/fleet.ts';
import { cpuMs, digits, median, type Row, residentKiB, sleep } from '../measure.ts';
import { collect, executable, Rig } from '../rig.ts';

const PROGRAMS = 1_000;
const SETTLE_MS = 30_000;
const WATCH_MS = 30_000;
/** Twice as often as they are asked to. */
const BEAT_MS = 500;

export const watch: Row = {
  name: 'watch',
  limitMs: 235_000,
  async run() {
    await using rig = await Rig.open(1);
    const speak = rig.path('speak');
    const source = join(import.meta.dirname, '../../tests/fixtures/speak.c');
    execFileSync('gcc', ['-O2', '-o', speak, source]);
    const agent = rig.agents[0]?.pid ?? 0;
    await sleep(SETTLE_MS / 4);
    const idleKiB = residentKiB(agent);
    const names = Array.from({ length: PROGRAMS }, (_, n) => `t${n}`);
    const lines = names.map((name) => {
      return `task create ${name} --watchdog 1s --on-hang notify -- ${speak} beats ${BEAT_MS}`;
    });
    writeFileSync(rig.path('tasks'), `${lines.join('\n')}\n`);
    const shell = '"$0" admin batch < tasks > /dev/null; "$0" admin start - < names > /dev/null';
    writeFileSync(rig.path('names'), `${names.join('\n')}\n`);
    execFileSync('bash', ['--norc', '-euc', shell, executable()], {
      cwd: rig.directory,
      env: { PATH: process.env['PATH'] ?? '', ...rig.env },
      timeout: 100_000,
    });
    await ready(rig);
    await sleep(SETTLE_MS);
    const before = cpuMs(agent);
    const beginMs = performance.now();
    const resident: number[] = [];
    for (let n = 0; n < 10; n += 1) {
      await sleep(WATCH_MS / 10);
      resident.push(residentKiB(agent));
    }
    const percent = ((cpuMs(agent) - before) / (performance.now() - beginMs)) * 100;
    const residentNow = median(resident);
    const grown = (residentNow - idleKiB) / PROGRAMS;
    const pss = median(shimsBelow(agent, rig.directory).map(pssKiB));
    return [
      {
        what: `agent with ${PROGRAMS} programs, a watchdog of 1 s each, two signs a second: CPU`,
        figure: `${percent.toFixed(2)} % of a core`,
        against: '–',
        result: `${percent.toFixed(2)} %`,
        goal: '≤ 5 %',
        met: percent <= 5,
      },
      {
        what: 'the same, resident',
        figure: `${digits(residentNow / 1024)} MiB`,
        against: `idle agent: ${digits(idleKiB / 1024)} MiB`,
        result: `${(residentNow / idleKiB).toFixed(2)}×`,
        goal: '≤ 2×',
        met: residentNow <= 2 * idleKiB,
      },
      {
        what: 'the same, the agent’s growth a process',
        figure: `${digits(grown)} KiB`,
        against: '–',
        result: `${digits(grown)} KiB`,
        goal: '≤ 20 KiB',
        met: grown <= 20,
      },
      {
        what: 'memory of a supervised process beyond its own (PSS of its shim)',
        figure: `${digits(pss)} KiB`,
        against: 's6-supervise, where it was tried: 133 KiB',
        result: `${(pss / 1024).toFixed(3)} MiB`,
        goal: '≤ 0.25 MiB',
        met: pss <= 256,
      },
    ];
  },
};

async function ready(rig: Rig): Promise<void> {
  const link = await rig.session();
  await until(
    async () => {
      let count = 0;
      await collect(link, 'processes', (body) => {
        for (const one of body.processes ?? []) if (one.ready === true) count += 1;
      });
      return count >= PROGRAMS;
    },
    110_000,
    () => `${PROGRAMS} programs that are ready: ${rig.log()}`,
  );
  await link.close();
}

/** Shims leave their agent's session, not its family. */
function shimsBelow(agent: number, directory: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    if (pid === agent) return false;
    try {
      if (readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'lotc-shim\n') return false;
      const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
      return readFileSync(`/proc/${child}/cmdline`, 'utf8').includes(directory);
    } catch {
      return false;
    }
  });
}

function pssKiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
}
