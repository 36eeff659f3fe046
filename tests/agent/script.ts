/**
 * A server that does what a test says: a real door with TLS, real links, and nothing behind them
 * but lists of what the agent said. And the agent itself, as a process of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCodes } from '../../src/base/errors.ts';
import type { Req, Shape } from '../../src/net/bodies.ts';
import {
  checkRequest,
  issueForRequest,
  issueKeyPair,
  type KeyPair,
  makeAuthority,
} from '../../src/net/certificate.io.ts';
import { Link } from '../../src/net/link.io.ts';
import { type Caller, type Listener, listen } from '../../src/net/listen.io.ts';
import { formatToken, spkiOf } from '../../src/net/token.ts';
import type { Item } from '../../src/roles/agent/events.ts';
import { removeTree } from '../fixtures/remove.ts';

type Report = Shape<'report'>;
export type Row = Shape<'process'>;

const FLEET = 'f1';
const WAIT_MS = 60_000;

type Look<T> = T | undefined | false;

export async function until<T>(what: string, look: () => Look<T> | Promise<Look<T>>): Promise<T> {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export class ScriptedServer implements AsyncDisposable {
  readonly #authority: KeyPair;
  readonly #server: KeyPair;
  readonly #links = new Set<Link>();
  #listener: Listener | undefined;
  #items: Item[] = [];
  #generation = 0;
  /** What the agent has, as far as it was sent to this connection. */
  #base = 0;
  link: Link | undefined;
  hellos: Req<'hostHello'>[] = [];
  reports: Report[] = [];
  /** When each report came, on the monotonic clock. */
  arrivedMs: number[] = [];
  samples: Req<'hostSample'>[] = [];
  byes = 0;
  /** What an enrolment is answered with instead of a certificate. */
  refusal: keyof typeof errorCodes | undefined;
  helloRefusal: keyof typeof errorCodes | undefined;
  /** The next enrolments lose their answers. */
  answersLost = 0;
  enrolled: string[] = [];
  /** Content that fileGet gives, by digest. */
  readonly content = new Map<string, Uint8Array>();
  /** From which offsets content was asked for. */
  readonly gets: number[] = [];
  /** Three of them unanswered, and the session is lost. */
  heartbeatMs = 300;
  /** Content beyond this is not there yet. */
  contentUpTo = Number.POSITIVE_INFINITY;

  private constructor(authority: KeyPair, server: KeyPair) {
    this.#authority = authority;
    this.#server = server;
  }

  static async open(address = '[::1]:0'): Promise<ScriptedServer> {
    const authority = await makeAuthority(FLEET);
    const own = await issueKeyPair(authority, { fleet: FLEET, role: 'server', name: 'main' });
    const server = new ScriptedServer(authority, own);
    await server.listen(address);
    return server;
  }

  get address(): string {
    return this.#listener?.addresses[0] ?? '';
  }

  get token(): string {
    const ca = readCertificate(this.#authority.certificate);
    const pin = Buffer.from(spkiOf(ca), 'hex');
    return formatToken({ secret: Buffer.alloc(20, 7), pin });
  }

  async listen(address: string): Promise<void> {
    this.#listener = await listen({
      listen: [address],
      credentials: { authority: this.#authority.certificate, ...this.#server },
      log: () => undefined,
      onSocket: (caller) => this.#arrived(caller),
    });
  }

  /** As if the server's process had been killed: connections and port are gone. */
  async vanish(): Promise<void> {
    await Promise.all([...this.#links].map((link) => link.close('killed')));
    await this.#listener?.close();
  }

  /** Sends what is assigned now as the next difference; resolves when it is durable there. */
  async assign(items: readonly Partial<Item>[], removed: readonly string[] = []): Promise<void> {
    const base = this.#base;
    this.#generation += 1;
    const generation = this.#generation;
    this.#base = generation;
    const made = items.map((item) => ({ ...item, generation }) as Item);
    this.#items = [...this.#items, ...made].filter((item) => !removed.includes(item.item));
    await this.link?.request('synAssign', { generation, base, items: made, removed });
  }

  /** An order `O<n>/0` in the shape the model gives it. */
  async order(n: number, verb: string, run: string, more: Partial<Item> = {}): Promise<void> {
    const item = `O${n}/0`;
    const at = Date.now() * 1000;
    const base = { item, order: item, entry: 'order', operation: `O${n}`, verb, run, at };
    await this.assign([{ ...base, task: 'web', ...more }]);
  }

  start(n: number, run: string, command: readonly string[], more: Partial<Item> = {}) {
    return this.order(n, 'start', run, { spec: { command: [...command] }, ...more });
  }

  rows(run: string): Row[] {
    return this.reports.flatMap(({ process }) => (process?.run === run ? [process] : []));
  }

  state(run: string, state: string): Promise<Row> {
    return until(`${run} ${state}`, () => {
      const last = this.rows(run).at(-1);
      return last?.processState === state && last;
    });
  }

  answer(n: number): Promise<Shape<'answer'>> {
    return until(`answer of O${n}`, () => {
      return this.reports.find((report) => report.order === `O${n}/0`)?.answer;
    });
  }

  async logs(run: string, more: Partial<Req<'retLog'>> = {}): Promise<string> {
    const pieces: Uint8Array[] = [];
    await this.link?.request(
      'retLog',
      { run, credit: 1 << 20, ...more },
      { onMore: ({ data }) => void (data && pieces.push(data)) },
    );
    return Buffer.concat(pieces).toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.vanish();
  }

  #arrived(caller: Caller): void {
    const link = new Link({ socket: caller.socket, side: 'acceptor', enrol: !caller.authorized });
    caller.settled();
    this.#links.add(link);
    void link.closed.then(() => this.#links.delete(link));
    link.handle({
      hello: (body) => this.#hello(link, body),
      notify: (kind, body) => {
        if (kind === 'hostSample') this.samples.push(body as Req<'hostSample'>);
      },
    });
    link.onRequest('hostAdd', (body, reply) => {
      const refused = this.refusal;
      if (refused) reply.fail({ errorCode: errorCodes[refused].number, text: `no: ${refused}` });
      else void this.#enrol(link, body).then((granted) => granted && reply.ok(granted));
    });
    link.onRequest('synReport', (body, reply) => {
      for (const report of body.reports) {
        if (report.seq <= (this.reports.at(-1)?.seq ?? 0)) continue;
        this.reports.push(report);
        this.arrivedMs.push(performance.now());
      }
      reply.ok({ seq: this.reports.at(-1)?.seq ?? 0 });
    });
    link.onRequest('hostBye', (_, reply) => {
      this.byes += 1;
      reply.ok({});
    });
    link.onRequest('fileGet', ({ digest, offset, credit }, reply) => {
      const bytes = this.content.get(digest) ?? new Uint8Array();
      this.gets.push(offset);
      const sending = reply.send({ offset, sizeBytes: bytes.length, credit });
      reply.ack({ sizeBytes: bytes.length });
      void (async () => {
        await sending.write(bytes.subarray(offset, this.contentUpTo));
        if (this.contentUpTo < bytes.length) return;
        await sending.end();
        reply.ok({ digest });
      })().catch(() => undefined);
    });
  }

  #hello(link: Link, body: Req<'hostHello'>): void {
    this.hellos.push(body);
    const refused = this.helloRefusal;
    if (refused) {
      link.refuse({ errorCode: errorCodes[refused].number, text: `no: ${refused}` });
      return;
    }
    this.#base = body.generation ?? 0;
    this.#generation = Math.max(this.#generation, this.#base);
    link.welcome({
      ...{ build: 'test', features: [], fleet: FLEET, at: Date.now() * 1000 },
      heartbeatMs: this.heartbeatMs,
      ...{ journal: 'j1', seq: 1, after: this.reports.at(-1)?.seq ?? 0, node: 'n1' },
    });
    this.link = link;
  }

  async #enrol(link: Link, body: Req<'hostAdd'>) {
    this.enrolled.push((await checkRequest(body.csr)) ?? 'broken');
    if (this.answersLost > 0) {
      this.answersLost -= 1;
      await link.close('killed between journal and answer');
      return undefined;
    }
    const subject = { fleet: FLEET, role: 'agent', name: body.node ?? 'n1' } as const;
    const certificate = await issueForRequest(this.#authority, subject, body.csr);
    const { certificate: authority } = this.#authority;
    return { certificate, authority, fleet: FLEET, node: 'n1', uid: 'N1' };
  }
}

function readCertificate(pem: string) {
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  return new X509Certificate(pem).publicKey;
}

/** `lotc agent` on a directory of its own. */
export class AgentProcess implements AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), 'lotc-agent-'));
  readonly data = join(this.root, 'a');
  child: ChildProcess | undefined;
  log = '';
  readonly #pids = new Set<number>();

  /** `before`: a command that becomes the agent, in surroundings of its making. */
  start(
    server: ScriptedServer,
    more: readonly string[] = [],
    before: readonly string[] = [],
  ): void {
    const main = join(import.meta.dirname, '../../src/main.ts');
    const args = ['agent', '--data', this.data, '--server', server.address, '--name', 'n1'];
    const [program = '', ...words] = [...before, process.execPath, main, ...args, ...more];
    const child = spawn(program, words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1' },
    });
    child.stderr?.on('data', (text: Buffer) => {
      this.log += text.toString();
    });
    this.child = child;
    if (child.pid !== undefined) this.#pids.add(child.pid);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) {
      return child?.exitCode ?? null;
    }
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  async exit(): Promise<number | null> {
    const { child } = this;
    if (child && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child?.exitCode ?? null;
  }

  /** A process that a test saw: it does not outlive it. */
  saw(pid: number | undefined): number {
    if (pid === undefined) throw new Error('no pid was told');
    this.#pids.add(pid);
    return pid;
  }

  /** Pid of the shim of a process. */
  shimOf(pid: number): number {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return this.saw(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGKILL');
    for (const pid of this.#pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
    await this.#dropGroups();
    removeTree(this.root);
  }

  /** What an agent that was killed leaves of its control groups. */
  async #dropGroups(): Promise<void> {
    const file = join(this.data, 'private/agent.json');
    if (!existsSync(file)) return;
    const { instance } = JSON.parse(readFileSync(file, 'utf8')) as { instance: string };
    const legacy = ['memory', 'cpu', 'pids'].map((name) => join('/sys/fs/cgroup', name));
    for (const mount of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', ...legacy]) {
      const base = join(mount, 'lotc', instance);
      if (!existsSync(base)) continue;
      for (const entry of readdirSync(base, { withFileTypes: true })) {
        if (!entry.isDirectory()) continue;
        const group = join(base, entry.name);
        if (!legacy.includes(mount)) writeFileSync(join(group, 'cgroup.kill'), '1');
        await until(`${group} to be empty`, () => removed(group));
      }
      removed(base);
    }
  }
}

function removed(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}

export function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
}
