/** Many nodes: a command on 50 agents, an order for 1,000, and what each costs the server. */
import { once } from 'node:events';
import { joinLights, tellLight } from '../lights.ts';
import {
  cpuWithChildrenMs,
  digits,
  inTurns,
  median,
  type Row,
  residentKiB,
  sleep,
  timeProcess,
} from '../measure.ts';
import { Bare, end, executable, floor, key, node, Rig } from '../rig.ts';

const AGENTS = 50;
/** Where it was tried, NATS with 50 responders that spawn took as long as 5.3 times the forks. */
const NATS_FORKS = 5.3;
const LIGHT = 1_000;
const ASKED = 100;

export const runAll: Row = {
  name: 'run-all',
  limitMs: 180_000,
  async run() {
    await using rig = await Rig.open(AGENTS);
    await sleep(2_000);
    const pids = [rig.pid, ...rig.agents.map(({ pid = 0 }) => pid)];
    const spent = (): number => pids.reduce((sum, pid) => sum + cpuWithChildrenMs(pid), 0);
    const cpu: number[] = [];
    const [ours = [], forks = []] = await inTurns(5, [
      async () => {
        const before = spent();
        const { ms, cpuMs } = await timedRun(rig);
        await sleep(500);
        cpu.push((spent() - before + cpuMs) / AGENTS);
        return ms;
      },
      () => timeProcess('bash', ['-euc', `seq ${AGENTS} | xargs -P${AGENTS} -n1 true`]),
    ]);
    const times = median(ours) / median(forks);
    return [
      {
        what: `\`run --on @all -- true\`, ${AGENTS} agents, until all exit codes are back, cold`,
        figure: `${digits(median(ours))} ms`,
        against: `${AGENTS} forks by xargs: ${digits(median(forks))} ms`,
        result: `${times.toFixed(1)}×`,
        goal: `≤ ${(NATS_FORKS * 1.5).toFixed(1)}× (1.5 × NATS, which is ${NATS_FORKS}×)`,
        met: times <= NATS_FORKS * 1.5,
      },
      {
        what: 'the same, CPU a target (server, agents and console together)',
        figure: `${digits(median(cpu.slice(1)))} ms`,
        against: '–',
        result: `${digits(median(cpu.slice(1)))} ms`,
        goal: '≤ 8 ms',
        met: median(cpu.slice(1)) <= 8,
      },
    ];
  },
};

/** The console's CPU time is what the shell that waited for it was told. */
async function timedRun(rig: Rig): Promise<{ ms: number; cpuMs: number }> {
  const beginMs = performance.now();
  const script = '"$0" admin run --on @all --timeout 30s -- true >/dev/null; times';
  const shell = rig.spawn('bash', ['--norc', '-euc', script, executable()], rig.env);
  const text: string[] = [];
  shell.stdin?.end();
  shell.stdout?.on('data', (bytes: Buffer) => text.push(bytes.toString()));
  const [code] = (await once(shell, 'close')) as [number | null];
  const ms = performance.now() - beginMs;
  if (code !== 0) throw new Error(`run ended with ${code}: ${rig.log()}`);
  const [user = 0, system = 0] = [...text.join('').matchAll(/(\d+)m([\d.]+)s/g)]
    .slice(2)
    .map(([, minutes, seconds]) => Number(minutes) * 60_000 + Number(seconds) * 1_000);
  return { ms, cpuMs: user + system };
}

export const thousand: Row = {
  name: 'thousand',
  limitMs: 180_000,
  async run() {
    await using rig = await Rig.open();
    await using bare = await Bare.open();
    const lights = await joinLights(rig, LIGHT);
    if (rig.server) await end(rig.server);
    await rig.startServer();
    await sleep(1_000);
    const before = residentKiB(rig.pid);
    await Promise.all(lights.map((light) => tellLight(light, 'connect')));
    await rig.online(LIGHT);
    await sleep(3_000);
    const each = (residentKiB(rig.pid) - before) / LIGHT;
    const bareEach = await heldByBare(bare);
    rig.admin('task', 'create', 'light', '--', '/bin/true');
    const link = await rig.session();
    const acks: number[] = [];
    const answers: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      const beginMs = Number(process.hrtime.bigint()) / 1e6;
      await link.request('taskRun', { key: key(), targets: ['light'], wait: true });
      answers.push(Number(process.hrtime.bigint()) / 1e6 - beginMs);
      const last = await Promise.all(lights.map((light) => tellLight(light, 'last')));
      acks.push(Math.max(...last.map(Number)) - beginMs);
    }
    const script = `seq ${ASKED} | xargs -P50 -n1 "$0" "$@"; :`;
    const words = ['-euc', script.replace(' -n1', " -I'{}'"), node, ...bare.ask];
    const asked = ((await timeProcess('bash', words)) * LIGHT) / ASKED;
    const ms = median(acks.slice(1));
    return [
      {
        what: `one \`start\` on ${LIGHT} agents (light), until the last has acknowledged`,
        figure: `${digits(ms)} ms`,
        against: `${ASKED} bare TLS connects by xargs -P50, times ${LIGHT / ASKED}: ${digits(asked)} ms`,
        result: `${digits(ms)} ms; ${(ms / asked).toFixed(3)}×`,
        goal: '≤ 1 s',
        met: ms <= 1_000,
      },
      {
        what: 'the same with `--wait`: until every answer is journaled',
        figure: `${digits(median(answers.slice(1)))} ms`,
        ...{ against: '–', result: '', goal: '', met: undefined },
      },
      {
        what: `server memory per connected agent, at ${LIGHT}`,
        figure: `${digits(each)} KiB`,
        against: `bare Node, a mutual-TLS connection: ${digits(bareEach)} KiB`,
        result: `${(each / bareEach).toFixed(2)}×`,
        goal: '≤ 2.5×',
        met: each <= 2.5 * bareEach,
      },
    ];
  },
};

async function heldByBare(bare: Bare): Promise<number> {
  const pid = bare.server?.pid ?? 0;
  await sleep(500);
  const before = residentKiB(pid);
  const holder = bare.spawn(node, [floor('hold.cjs'), bare.path('client.json'), String(LIGHT)]);
  if (holder.stdout) await once(holder.stdout, 'data');
  await sleep(3_000);
  const each = (residentKiB(pid) - before) / LIGHT;
  await end(holder);
  return each;
}
