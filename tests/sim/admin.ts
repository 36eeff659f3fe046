/**
 * An admin who does not give up: random commands, each with its key, asked again with the same key
 * until there is an answer, and now and then once more although there was one.
 */
import { errorCodes } from '../../src/base/errors.ts';
import type { AnyBody, MessageKind } from '../../src/net/layout.ts';
import { replier, type SimServer, SimSession } from './server.ts';
import type { Sim } from './sim.ts';

export interface Command {
  readonly no: number;
  readonly kind: MessageKind;
  readonly key: Uint8Array;
  readonly body: AnyBody;
  /** The first answer; others must be the same. */
  answer: string | undefined;
  ok: boolean;
}

const tasks = ['t0', 't1', 't2', 't3'];
const bundles = ['b0', 'b1'];
const retried = new Set<number>([errorCodes['disk-full'].number, errorCodes.io.number]);

export class SimAdmin {
  readonly #sim: Sim;
  readonly #server: SimServer;
  readonly #nodes: readonly string[];
  readonly commands: Command[] = [];
  readonly #operations: string[] = [];
  /** How likely a message of ours is lost. */
  loss = 0;

  constructor(sim: Sim, server: SimServer, nodes: readonly string[]) {
    this.#sim = sim;
    this.#server = server;
    this.#nodes = nodes;
  }

  get unanswered(): number {
    return this.commands.filter((command) => command.answer === undefined).length;
  }

  issue(kind: MessageKind, body: AnyBody): Command {
    const key = Buffer.from(Array.from({ length: 16 }, () => this.#sim.random.int(0, 255)));
    const no = this.commands.length + 1;
    const command: Command = { no, kind, key, body, answer: undefined, ok: false };
    this.commands.push(command);
    this.#sim.note(`admin ${no} ${kind} ${JSON.stringify(body)}`);
    this.#try(command);
    return command;
  }

  random(): void {
    const { random } = this.#sim;
    const task = random.pick(tasks);
    const node = random.pick(this.#nodes);
    const targets = [random.chance(0.5) ? task : `${task}@${node}`];
    const roll = random.int(1, 100);
    if (roll <= 14) {
      const spec = this.#spec();
      this.issue('taskAdd', { task, spec, mode: random.chance(0.7) ? 'set' : 'create' });
    } else if (roll <= 40) this.issue('taskRun', { targets, mode: 'start' });
    else if (roll <= 50) this.issue('taskRun', { targets, mode: 'restart' });
    else if (roll <= 58) this.issue('taskKill', { targets, mode: 'stop' });
    else if (roll <= 64) this.issue('taskKill', { targets, mode: 'kill' });
    else if (roll <= 68) {
      const signal = random.pick(['SIGUSR1', 'SIGTERM']);
      this.issue('taskKill', { targets, mode: 'kill', signal });
    } else if (roll <= 76) this.issue('taskStop', { targets });
    else if (roll <= 83) this.issue('taskCont', { targets });
    else this.#other(task, node, roll);
  }

  #other(task: string, node: string, roll: number): void {
    const { random } = this.#sim;
    const bundle = random.pick(bundles);
    const on = random.chance(0.5) ? '@all' : random.chance(0.5) ? node : 'zone=a';
    if (roll <= 88) {
      const digest = `sha256:${bundle}${random.int(1, 2)}`;
      this.issue('fileDef', { bundle, digest, sizeBytes: 10, on, replace: true });
    } else if (roll <= 91) {
      const where = random.chance(0.5) ? {} : { on: node };
      this.issue('fileRm', { names: [bundle], force: random.chance(0.7), ...where });
    } else if (roll <= 94) {
      const body = random.chance(0.5) ? { labels: { zone: 'a' } } : { labelsRemoved: ['zone'] };
      this.issue('hostState', { node, ...body });
    } else if (roll <= 96) this.issue('taskRm', { names: [task], force: random.chance(0.8) });
    else if (roll <= 97) this.issue(random.chance(0.4) ? 'taskNok' : 'taskOk', { names: [task] });
    else if (this.#operations.length > 0) {
      this.issue('retCancel', { operation: random.pick(this.#operations.slice(-8)) });
    }
  }

  #spec(): AnyBody['spec'] & object {
    const { random } = this.#sim;
    const code = String(random.int(0, 9));
    const command = random.pick([
      ['run'],
      ['run'],
      ['ignore'],
      ['exit', code, String(random.int(0, 20_000))],
      ['exit', code, '5'],
      ['fork', String(random.int(1, 5_000))],
      ['missing'],
    ]);
    const spec = {
      ...(random.chance(0.4) ? this.#policy() : {}),
      command,
      keepRuns: random.int(1, 4),
      stopGraceMs: random.int(200, 8_000),
      ...(random.chance(0.4) ? { bundle: random.pick(bundles) } : {}),
      ...(random.chance(0.3) ? { on: random.pick(['zone=a', ...this.#nodes]) } : {}),
    };
    return spec.keepRuns > 2 ? { ...spec, results: ['out/*'] } : spec;
  }

  #policy(): AnyBody['spec'] & object {
    const { random } = this.#sim;
    const backoffMinMs = random.int(0, 500);
    return {
      command: [],
      restart: random.pick(['on-failure', 'always']),
      backoffMinMs,
      backoffMaxMs: backoffMinMs + random.int(0, 5_000),
      ...(random.chance(0.5) ? { maxRestarts: random.int(0, 4) } : {}),
    };
  }

  /** One more message with the command's key, and what comes back, if it does. */
  #try(command: Command): void {
    const { random } = this.#sim;
    const again = (ms: number): void => {
      this.#sim.after(random.int(1, ms) * 1000, `admin repeats ${command.no}`, () => {
        this.#try(command);
      });
    };
    let isOver = false;
    this.#sim.after(2_500_000, `admin waits for ${command.no}`, () => {
      isOver = true;
      if (command.answer === undefined) again(1_000);
    });
    this.#travel(`admin asks ${command.no}`, () => {
      const { core, life } = this.#server;
      if (!core) return;
      const peer = { role: 'admin' as const, name: 'admin', spki: 'admin', address: '[::1]:1' };
      const port = new SimSession(
        peer,
        () => undefined,
        () => undefined,
      );
      const body = { ...command.body, key: command.key };
      const answer = replier((ok, reply) => {
        if (this.#server.life !== life) return;
        this.#travel(`admin hears of ${command.no}`, () => {
          if (isOver) return;
          if (!ok && retried.has(reply.errorCode ?? 0)) return;
          this.#heard(command, ok, reply);
          if (random.chance(0.15)) again(20_000);
        });
      });
      core.request(port, command.kind, body, answer);
    });
  }

  #heard(command: Command, ok: boolean, reply: AnyBody): void {
    const body = { ...reply, seq: undefined };
    // A node's or a schedule's answer shows it as it is now; all others are the first one again.
    const isOfNow = command.kind === 'hostState' || command.body.timing !== undefined;
    const text = JSON.stringify(isOfNow ? ok : { ok, body });
    if (command.answer === undefined) {
      command.answer = text;
      command.ok = ok;
      if (body.operation !== undefined) this.#operations.push(body.operation);
      this.#sim.note(`admin ${command.no} has ${text.slice(0, 300)}`);
    } else if (command.answer !== text) {
      throw new Error(`command ${command.no}: two answers\n${command.answer}\n${text}`);
    }
  }

  #travel(what: string, arrive: () => void): void {
    const { random } = this.#sim;
    if (random.chance(this.loss)) return;
    this.#sim.after(random.int(100, 20_000), what, arrive);
  }
}
