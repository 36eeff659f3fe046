/**
 * What is measured: a server and agents of the executable, on loopback, in a directory that goes
 * with them. Everything is stopped by its pid. `Bare` is the same for the floors: scripts of
 * bench/floor on the same Node, with certificates of the same kind.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueKeyPair, makeAuthority } from '../src/net/certificate.io.ts';
import { type DialCredentials, dial } from '../src/net/dial.io.ts';
import { Link } from '../src/net/link.io.ts';
import { processesBelow, until } from '../tests/e2e/fleet.ts';
import { sleep } from './measure.ts';

export const node = process.execPath;
export const floor = (name: string): string => join(import.meta.dirname, 'floor', name);
export const executable = (): string => process.env['LOTC_EXECUTABLE'] ?? '';

/** What a row that is broken off leaves to be cleaned. */
const open = new Set<Place>();

export async function disposeAll(): Promise<void> {
  await Promise.all([...open].map((place) => place[Symbol.asyncDispose]()));
}

/** A directory and the processes started in it. */
class Place implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'lotc-bench-'));
  readonly #children: ChildProcess[] = [];
  #disposed: Promise<void> | undefined;

  constructor() {
    open.add(this);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  spawn(program: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const log = openSync(this.path('log'), 'a');
    const child = spawn(program, args, {
      cwd: this.directory,
      env: { PATH: process.env['PATH'] ?? '', HOME: this.directory, ...env },
      stdio: ['pipe', 'pipe', log],
    });
    this.#children.push(child);
    return child;
  }

  /** Compiles a C program of bench/floor. */
  compile(name: string, flags: readonly string[] = []): string {
    const out = this.path(name.replace('.c', ''));
    execFileSync('gcc', ['-O2', '-Wall', '-o', out, floor(name), ...flags]);
    return out;
  }

  log(): string {
    return readFileSync(this.path('log'), 'utf8').slice(-2_000);
  }

  /** What the agents started goes first, so that they leave in order and with nothing behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    await this.#disposed;
    open.delete(this);
  }

  async #dispose(): Promise<void> {
    const own = new Set(this.#children.map(({ pid }) => pid));
    if (killBelow(this.directory, own) > 0) await sleep(1_500);
    await Promise.all(this.#children.map((child) => end(child)));
    for (let round = 0; round < 20 && killBelow(this.directory) > 0; round += 1) await sleep(20);
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** How many were there; those in `spared` are not touched. */
function killBelow(directory: string, spared: ReadonlySet<number | undefined> = new Set()): number {
  const found = processesBelow(directory).filter((pid) => !spared.has(pid));
  for (const pid of found) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  return found.length;
}

const PATIENCE_MS = 5_000;

/** Told to stop, and killed where it does not. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  await ended;
  clearTimeout(timer);
}

export type Admin = DialCredentials & { readonly addresses: readonly string[] };

export class Rig extends Place {
  server: ChildProcess | undefined;
  readonly agents: ChildProcess[] = [];
  readonly #links: Link[] = [];

  /** A server, and agents n1, n2, … that are online. */
  static async open(agents = 0, env: Record<string, string> = {}): Promise<Rig> {
    const rig = new Rig();
    await rig.startServer(env);
    if (agents > 0) await rig.startAgents(agents);
    return rig;
  }

  get pid(): number {
    return this.server?.pid ?? 0;
  }

  get env(): Record<string, string> {
    return { LOTC_IDENTITY: this.path('s/admin.json'), HOME: this.directory };
  }

  get identity(): Admin {
    return JSON.parse(readFileSync(this.path('s/admin.json'), 'utf8')) as Admin;
  }

  async startServer(env: Record<string, string> = {}): Promise<void> {
    const ready = this.path('ready');
    rmSync(ready, { force: true });
    const args = ['--data', this.path('s'), '--listen', '127.0.0.1:0', '--ready-file', ready];
    this.server = this.spawn(executable(), ['server', ...args], env);
    await until(
      () => existsSync(ready),
      15_000,
      () => `the server: ${this.log()}`,
    );
  }

  token(uses = 1): string {
    const words = ['token', 'create', '--role', 'agent', '--uses', String(uses), '-o', 'name'];
    return this.admin(...words).trim();
  }

  /** `via`: a command that becomes the agent, in surroundings of its making. */
  async startAgents(count: number, via: readonly string[] = []): Promise<void> {
    const token = this.token(count);
    const [address = ''] = this.identity.addresses;
    const first = this.agents.length;
    for (let at = first + 1; at <= first + count; at += 1) {
      const args = ['--data', this.path(`a${at}`), '--name', `n${at}`, '--server', address];
      const [program, ...words] = [...via, executable(), 'agent', ...args, '--token', token];
      this.agents.push(this.spawn(program, words));
    }
    await this.online(first + count);
  }

  /** Another life of an agent that has ended, n1 being the first. */
  resumeAgent(at: number): void {
    const [address = ''] = this.identity.addresses;
    const args = ['--data', this.path(`a${at}`), '--name', `n${at}`, '--server', address];
    this.agents.push(this.spawn(executable(), ['agent', ...args]));
  }

  /** Until so many nodes are online. */
  async online(count: number, limitMs = 90_000): Promise<void> {
    const link = await this.session();
    await until(
      async () => {
        const states: (string | undefined)[] = [];
        await collect(link, 'nodes', (body) => {
          for (const one of body.nodes ?? []) states.push(one.nodeState);
        });
        return states.filter((state) => state === 'online').length >= count;
      },
      limitMs,
      () => `${count} nodes: ${this.log()}`,
    );
    await link.close();
  }

  /** Runs `lotc admin …` to its end. */
  admin(...words: string[]): string {
    return execFileSync(executable(), ['admin', ...words], {
      env: { PATH: process.env['PATH'] ?? '', ...this.env },
      encoding: 'utf8',
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** An admin's session in this process. */
  async session(): Promise<Link> {
    const link = await openSession(this.identity);
    this.#links.push(link);
    return link;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links) if (!link.end) await link.close();
    await super[Symbol.asyncDispose]();
  }
}

export async function openSession(identity: Admin): Promise<Link> {
  const { socket } = await dial({ servers: identity.addresses, credentials: identity });
  const link = new Link({ socket, side: 'opener' });
  const instance = randomBytes(8).toString('hex');
  await link.hello({ build: 'bench', features: [], role: 'admin', instance });
  return link;
}

type Answer = Awaited<ReturnType<typeof query>>;
const query = (link: Link) => link.request('retQuery', { query: 'nodes' });

/** All pages of a query. */
export async function collect(
  link: Link,
  what: string,
  take: (body: Answer) => void,
): Promise<void> {
  take(await link.request('retQuery', { query: what }, { onMore: take }));
}

export const key = (): Uint8Array => randomBytes(16);

/** Floors over TLS: key pairs in a file, and a bare server that answers each request. */
export class Bare extends Place {
  port = 0;
  server: ChildProcess | undefined;

  static async open(): Promise<Bare> {
    const bare = new Bare();
    const authority = await makeAuthority('bench');
    const names = { fleet: 'bench', name: 'bench' };
    const server = await issueKeyPair(authority, { ...names, role: 'server' });
    const client = await issueKeyPair(authority, { ...names, role: 'admin' });
    const ca = authority.certificate;
    writeFileSync(bare.path('server.json'), JSON.stringify(options(ca, server)));
    bare.server = bare.spawn(node, [floor('answer.cjs'), bare.path('server.json')]);
    const [line] = (await once(bare.server.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    bare.port = Number(line.toString());
    const reach = { ...options(ca, client), host: '127.0.0.1', port: bare.port };
    writeFileSync(bare.path('client.json'), JSON.stringify(reach));
    return bare;
  }

  get ask(): readonly string[] {
    return [floor('ask.cjs'), this.path('client.json')];
  }
}

const options = (ca: string, pair: { certificate: string; key: string }) => ({
  ...{ ca, cert: pair.certificate, key: pair.key },
  ...{ minVersion: 'TLSv1.3', ALPNProtocols: ['lotc/2'] },
});
