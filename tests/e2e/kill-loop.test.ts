/**
 * 200 commands by three consoles while the server and the agents are killed with -9 at fifty
 * moments: what was acknowledged is there afterwards, once. The moments are chosen by progress
 * and by a seed, which is printed: `LOTC_SEED=n` gives the same choices again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Fleet, type Role, until } from './fleet.ts';

const seed = Number(process.env['LOTC_SEED'] ?? Date.now() % 1_000_000);
const kills = 50;
const lanes = 3;
const rounds = 7;
const commandsPerRound = 10;
const commands = lanes * rounds * commandsPerRound;
const nodes = ['n1', 'n2'] as const;

interface Row {
  readonly run: string;
  readonly task: string;
  readonly node: string;
  readonly state: string;
  readonly pid: number | null;
  readonly exitCode: number | null;
  readonly reason: string | null;
}

interface Operation {
  readonly id: string;
  readonly state: string;
  readonly answers: readonly { node: string; ok: boolean; run?: string | null }[];
}

/** One console's script, and what was acknowledged to it. */
class Lane {
  readonly starts: string[] = [];
  sets = 0;
  labels = 0;
  attempts = 0;
  readonly #fleet: Fleet;
  readonly #no: number;
  readonly #done: () => void;

  constructor(fleet: Fleet, no: number, done: () => void) {
    this.#fleet = fleet;
    this.#no = no;
    this.#done = done;
  }

  get task(): string {
    return `short${this.#no}`;
  }

  async prepare(witness: string): Promise<void> {
    const short = ['sh', '-c', `echo $LOTC_RUN >> ${witness}`];
    await this.#fleet.must(['task', 'create', this.task, '--env', 'C=0', '--', ...short]);
    for (const name of ['long', 'victim']) {
      await this.#fleet.must(['task', 'create', `${name}${this.#no}`, '--', 'sleep', '1000']);
    }
    await this.#fleet.must(['start', `long${this.#no}`, '--wait']);
  }

  async run(): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      await this.#set();
      await this.#start();
      await this.#acknowledged(['node', 'label', 'n1', `lane${this.#no}=${this.labels + 1}`]);
      this.labels += 1;
      await this.#acknowledged(['suspend', `long${this.#no}`], 'suspended');
      await this.#set();
      await this.#acknowledged(['start', `victim${this.#no}`]);
      await this.#start();
      await this.#acknowledged(['resume', `long${this.#no}`], 'not suspended');
      await this.#acknowledged(['stop', `victim${this.#no}`]);
      await this.#start();
    }
  }

  async #set(): Promise<void> {
    await this.#acknowledged(['task', 'set', this.task, '--env', `C=${this.sets + 1}`]);
    this.sets += 1;
  }

  async #start(): Promise<void> {
    this.starts.push((await this.#acknowledged(['start', this.task])).trim());
  }

  /** As a script does it: once more until it is done, or until it turns out to be done. */
  async #acknowledged(args: readonly string[], already?: string): Promise<string> {
    const end = Date.now() + 60_000;
    for (let attempt = 0; ; attempt += 1) {
      this.attempts += 1;
      const { code, stdout, stderr } = await this.#fleet.admin([...args, '--timeout', '10s']);
      const settled = attempt > 0 && code === 8 && already && stderr.includes(already);
      if (code === 0 || settled) {
        this.#done();
        return stdout;
      }
      // 5 no server, 124 no answer, 8 the start of what is just stopping.
      expect([5, 7, 8, 124], `${args.join(' ')}: ${stderr}`).toContain(code);
      if (Date.now() > end) throw new Error(`never done: ${args.join(' ')}: ${code} ${stderr}`);
      await sleep(200);
    }
  }
}

test(`nothing acknowledged is lost or done twice by ${kills} kill -9 (seed ${seed})`, async () => {
  process.stdout.write(`kill-loop: LOTC_SEED=${seed}\n`);
  await using fleet = new Fleet();
  const random = new Prng(seed);
  const roles = new Map<string, Role>([['srv', await fleet.server()]]);
  for (const node of nodes) roles.set(node, await fleet.agent(node));
  await fleet.online(...nodes);
  const witness = fleet.path('witness');
  let done = 0;
  const scripts = Array.from({ length: lanes }, (_, no) => new Lane(fleet, no, () => (done += 1)));
  for (const lane of scripts) await lane.prepare(witness);
  const pids = await pidsOfLong(fleet);
  expect(pids.size).toBe(lanes * nodes.length);

  const over = new AbortController();
  const killer = async (): Promise<void> => {
    for (let kill = 0; kill < kills && !over.signal.aborted; kill += 1) {
      const from = Math.floor((kill * (commands - 10)) / kills);
      await until(
        () => done >= from || over.signal.aborted,
        90_000,
        () => `stuck at command ${done}`,
      );
      await sleep(random.int(0, 150));
      const name = random.chance(0.5) ? 'srv' : random.pick(nodes);
      await roles.get(name)?.stop('SIGKILL');
      await sleep(random.int(0, 100));
      roles.set(name, name === 'srv' ? await fleet.server() : await fleet.agent(name));
      killed += 1;
    }
  };
  let killed = 0;
  const killing = killer();
  try {
    await Promise.all(scripts.map((lane) => lane.run()));
  } finally {
    if (done < commands) over.abort();
    await killing;
  }
  expect({ killed, done }).toEqual({ killed: kills, done: commands });

  await fleet.online(...nodes);
  for (let no = 0; no < lanes; no += 1) {
    expect([0, 8]).toContain((await fleet.admin(['resume', `long${no}`, '--wait'])).code);
  }
  let operations: Operation[] = [];
  await until(
    async () => {
      operations = await fleet.json<Operation[]>(['operation', 'ls']);
      return operations.every(({ state }) => state !== 'accepted');
    },
    30_000,
    () => JSON.stringify(operations.filter(({ state }) => state === 'accepted')),
  );
  const rows = await fleet.json<Row[]>(['ps', '--all']);
  const lines = existsSync(witness) ? readFileSync(witness, 'utf8').trim().split('\n') : [];
  const times = new Map<string, number>();
  for (const line of lines) times.set(line, (times.get(line) ?? 0) + 1);
  const labels = (await fleet.json<{ labels: Record<string, string> }>(['node', 'show', 'n1']))
    .labels;

  for (const [no, lane] of scripts.entries()) {
    const task = await fleet.json<{ revision: number; env: Record<string, string> }>([
      ...['task', 'show', lane.task],
    ]);
    expect(task).toMatchObject({ revision: lane.sets + 1, env: { C: String(lane.sets) } });
    expect(labels[`lane${no}`]).toBe(String(lane.labels));
    for (const id of lane.starts) {
      const operation = operations.find((each) => each.id === id);
      expect(operation, `acknowledged start ${id}`).toBeDefined();
      expect(operation?.answers.map(({ node }) => node).sort()).toEqual([...nodes]);
      for (const { run, node } of operation?.answers ?? []) {
        expect(rows, `${id} on ${node}`).toContainEqual(expect.objectContaining({ run, node }));
      }
    }
  }
  const known = new Set(rows.map(({ run }) => run));
  expect(new Set(rows.map(({ run }) => run)).size).toBe(rows.length);
  for (const [run, count] of times) {
    expect(count, `${run} ran so often`).toBe(1);
    expect(known).toContain(run);
  }
  for (const row of rows.filter(({ task }) => task.startsWith('short'))) {
    // Only roles are killed, never a shim: each end is known.
    expect(['exited', 'failed'], JSON.stringify(row)).toContain(row.state);
    if (row.state === 'exited') expect(times.get(row.run), JSON.stringify(row)).toBe(1);
  }
  for (const row of rows.filter(({ state }) => state === 'failed')) {
    expect(row.reason, JSON.stringify(row)).toBeTruthy();
  }
  expect(await pidsOfLong(fleet)).toEqual(pids);
  for (const pid of pids.values()) expect(() => process.kill(pid, 0)).not.toThrow();
  const attempts = scripts.reduce((sum, lane) => sum + lane.attempts, 0);
  process.stdout.write(
    `kill-loop: ${commands} commands in ${attempts} attempts, ${rows.length} runs\n`,
  );
  await fleet[Symbol.asyncDispose]();
  await until(
    () => fleet.leftovers().length === 0,
    5_000,
    () => fleet.leftovers().join('\n'),
  );
}, 400_000);

async function pidsOfLong(fleet: Fleet): Promise<Map<string, number>> {
  const rows = await fleet.json<Row[]>(['ps', '--state', 'running']);
  const long = rows.filter(({ task }) => task.startsWith('long'));
  return new Map(long.map(({ task, node, pid }) => [`${task}@${node}`, pid ?? 0]));
}
