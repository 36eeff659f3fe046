/**
 * The agent is killed at each step it takes while it launches, restarts, adopts, stops, kills and
 * removes runs, and started again. Whatever the step: each launch of a program happens once, no
 * process is left, and the end is told as it was.
 *
 * A first pass writes down the steps of each life; then there is one pass for each of them.
 * LOTC_STEP=2.41 is the pass of one alone, life 2 and step 41, with all that was said.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Item } from '../../src/roles/agent/events.ts';
import { processesBelow } from '../e2e/fleet.ts';
import { AgentProcess, type Row, ScriptedServer, until } from './script.ts';

interface Death {
  readonly life: number;
  /** Which of the steps of that life, from 1. */
  readonly at: number;
}

/** One pass: a server, an agent that is started again whenever it has died, and its steps. */
class Pass implements AsyncDisposable {
  readonly server: ScriptedServer;
  readonly agent = new AgentProcess();
  readonly #death: Death | undefined;
  /** Of its own: what a dead shim leaves is found by the run's name in its environment. */
  readonly runs: readonly [string, string];
  life = 0;
  deaths = 0;

  constructor(server: ScriptedServer, death?: Death) {
    this.server = server;
    const id = randomBytes(5).toString('hex');
    this.runs = [`R1${id}`, `R2${id}`];
    this.#death = death;
  }

  get witness(): string {
    return join(this.agent.root, 'witness');
  }

  steps(life: number): string[] {
    const file = join(this.agent.root, `steps-${life}`);
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }

  start(): void {
    this.life += 1;
    const dies = this.#death?.life === this.life && this.deaths === 0;
    const load = join(import.meta.dirname, 'die-at.ts');
    const env = [
      ...['env', `NODE_OPTIONS=--import=${load}`, 'NODE_COMPILE_CACHE=/tmp/lotc-compile-cache'],
      `LOTC_STEPS=${join(this.agent.root, `steps-${this.life}`)}`,
      `LOTC_DIE_AT=${dies ? this.#death?.at : 0}`,
    ];
    this.agent.start(this.server, ['--token', this.server.token], env);
  }

  /** Waits for something; an agent that has died meanwhile is started again. */
  until<T>(what: string, look: () => T | undefined | false): Promise<T> {
    return until(`${what} (${JSON.stringify(this.#death)})`, () => {
      if (this.agent.child?.signalCode === 'SIGKILL') {
        this.deaths += 1;
        this.start();
      }
      return look();
    });
  }

  /** An order, sent again to each life of the agent until one has answered it. */
  async order(n: number, verb: string, run: string, more: Partial<Item> = {}): Promise<void> {
    let told = 0;
    await this.until(`an answer to ${verb} ${run}`, () => {
      const hellos = this.server.hellos.length;
      if (hellos > told) {
        told = hellos;
        void this.server.order(n, verb, run, more).catch(() => undefined);
      }
      return this.server.reports.some((one) => one.order === `O${n}/0` && one.answer);
    });
  }

  state(run: string, state: string, restarts = 0): Promise<Row> {
    return this.until(`${run} ${state}`, () => {
      const last = this.server.rows(run).at(-1);
      return last?.processState === state && last.restarts === restarts && last;
    });
  }

  /** The agent killed from outside, as the scenario has it. */
  async again(): Promise<void> {
    const hellos = this.server.hellos.length;
    await this.agent.kill();
    this.start();
    await this.until('another hello', () => this.server.hellos.length > hellos);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
  }
}

/** R1 fails once, begins again, and is stopped; R2 is killed; each may stand before or after. */
async function live(pass: Pass): Promise<void> {
  const { witness, server } = pass;
  const [r1, r2] = pass.runs;
  const begin = `echo $LOTC_RUN $LOTC_RESTARTS >> ${witness}`;
  const wait = 'trap "exit 7" TERM; while :; do sleep 0.05; done';
  const script = `${begin}; test -n "$LOTC_RESTARTS" || exit 3; ${wait}`;
  const spec = {
    ...{ command: ['/bin/sh', '-c', script], restart: 'on-failure' },
    ...{ backoffMinMs: 1, backoffMaxMs: 1, keepRuns: 1 },
  };
  pass.start();
  await pass.until('hello', () => server.link);
  await pass.order(1, 'start', r1, { spec, task: 't' });
  await pass.state(r1, 'running', 1);
  await pass.again();
  await pass.order(2, 'suspend', r1);
  await pass.order(3, 'resume', r1);
  await pass.order(4, 'stop', r1);
  const first = await pass.state(r1, 'exited', 1);
  expect(first).toMatchObject({ exitCode: 7, restarts: 1 });
  const child = `${begin}; (setsid sleep 1000 &); exec sleep 1001`;
  await pass.order(5, 'start', r2, {
    spec: { command: ['/bin/sh', '-c', child], keepRuns: 1 },
    task: 't',
  });
  await pass.state(r2, 'running');
  await pass.until('its line', () => readFileSync(witness, 'utf8').includes(r2));
  await pass.order(6, 'kill', r2);
  const second = await pass.state(r2, 'exited');
  expect(second).toMatchObject({ signal: 'SIGKILL' });
  expect(second.exitCode).toBeUndefined();
  // What has ended and is not kept is removed: R1, when R2 has ended.
  const runs = join(pass.agent.data, 'private/runs');
  await pass.until('the removal of R1', () => readdirSync(runs).join() === r2);
  await pass.until('the last step', () => pass.agent.child?.signalCode !== 'SIGKILL');
}

function judge(pass: Pass): void {
  const [r1, r2] = pass.runs;
  expect(readFileSync(pass.witness, 'utf8').trim().split('\n')).toEqual([r1, `${r1} 1`, r2]);
  const { pid } = pass.agent.child ?? {};
  expect(processesBelow(pass.agent.data).filter((one) => one !== pid)).toEqual([]);
}

const LANES = 2;
const only = process.env['LOTC_STEP'];

test('killed at each of its steps, an agent loses and doubles nothing', async () => {
  const seen: Death[] = [];
  const names: string[] = [];
  {
    await using server = await ScriptedServer.open();
    await using pass = new Pass(server);
    await live(pass);
    judge(pass);
    expect(pass.deaths).toBe(0);
    for (let life = 1; life <= pass.life; life += 1) {
      for (const [n, name] of pass.steps(life).entries()) {
        names.push(name);
        if (!only || new RegExp(`^(${only})$`).test(`${life}.${n + 1}`))
          seen.push({ life, at: n + 1 });
      }
    }
  }
  const missing = [
    'launch: told',
    'boot: run inspected',
    'tree: signal',
    'tree: kill',
    'tree: freeze',
  ];
  for (const name of missing) expect(names).toContain(name);
  const wrong: string[] = [];
  const lane = async (): Promise<void> => {
    for (let death = seen.shift(); death; death = seen.shift()) {
      await using server = await ScriptedServer.open();
      await using pass = new Pass(server, death);
      try {
        await live(pass);
        judge(pass);
        // Steps of another pass may come in another order, and a few need not come.
        if (pass.deaths !== 1) skipped.push(`${death.life}.${death.at}`);
      } catch (error) {
        const name = pass.steps(death.life).at(-1);
        wrong.push(`LOTC_STEP=${death.life}.${death.at} (${name}): ${String(error)}`);
        if (only) wrong.push(pass.agent.log, JSON.stringify(server.reports, undefined, 1));
      }
    }
  };
  const skipped: string[] = [];
  const total = seen.length;
  await Promise.all(Array.from({ length: LANES }, lane));
  expect(wrong).toEqual([]);
  expect(skipped.length).toBeLessThan(total / 5);
  if (only) process.stdout.write(`${names.join('\n')}\n`);
  process.stdout.write(`steps: ${total} deaths, ${new Set(names).size} kinds of steps\n`);
}, 600_000);
