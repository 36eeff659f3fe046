/**
 * A fleet in network namespaces, driven by the compiled executable alone.
 *
 * Every fleet has a switch namespace with a bridge; each node, the server and the console live in
 * a namespace of their own with their own IPv4 and IPv6 addresses. Names and addresses carry a
 * random number, so that two fleets never meet. What is started is stopped by its pid, and the
 * namespaces and directories go with `dispose`.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeTree } from '../fixtures/remove.ts';

/** `LOTC_EXECUTABLE` names another build than the one `make` leaves. */
export const executable =
  process.env['LOTC_EXECUTABLE'] ?? join(import.meta.dirname, '../../dist/lotc');

/** Files below a directory whose bytes have a text in them, by their paths from there. */
export function holding(text: string, directory: string): string[] {
  const words = ['-rlaF', '--', text, '.'];
  const { stdout } = spawnSync('grep', words, { cwd: directory, encoding: 'utf8' });
  const paths = stdout.split('\n').filter((path) => path !== '');
  return paths.map((path) => path.slice('./'.length)).sort();
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const sh = (command: string): string =>
  execFileSync('bash', ['-euc', command], { encoding: 'utf8' });

export type Family = 'ipv4' | 'ipv6' | 'both';

export class Place {
  readonly name: string;
  readonly netns: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;

  constructor(fleet: number, no: number, name: string, family: Family) {
    this.name = name;
    this.netns = `lotc${fleet}-${name}`;
    this.ipv4 = family === 'ipv6' ? undefined : `10.${fleet >> 8}.${fleet & 255}.${no}`;
    this.ipv6 = family === 'ipv4' ? undefined : `fd74:${fleet.toString(16)}::${no.toString(16)}`;
  }
}

const ENDED_BY_BOUND = 'ended without having closed everything';

export class Role {
  readonly child: ChildProcess;
  readonly log: string;

  constructor(child: ChildProcess, log: string) {
    this.child = child;
    this.log = log;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  text(): string {
    return readFileSync(this.log, 'utf8');
  }

  /** Ends it and waits until it has. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.alive) return this.child.exitCode;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await ended;
    // The bound of its end is for what nobody foresaw; nothing here may need it.
    if (this.text().includes(ENDED_BY_BOUND)) throw new Error(`${this.log}: ${ENDED_BY_BOUND}`);
    return this.child.exitCode;
  }

  async ended(timeoutMs = 10_000): Promise<number | null> {
    await until(
      () => !this.alive,
      timeoutMs,
      () => `${this.log} still runs`,
    );
    return this.child.exitCode;
  }
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
  what: () => string = () => 'condition',
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what()}`);
    await sleep(30);
  }
}

export class Fleet implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'lotc-e2e-'));
  readonly #number = randomInt(1, 65_000);
  readonly #places = new Map<string, Place>();
  readonly #roles: Role[] = [];
  readonly #mounts: string[] = [];
  readonly #switch = `lotc${this.#number}-sw`;

  constructor() {
    sh(`ip netns add ${this.#switch}
      ip -n ${this.#switch} link add br0 type bridge
      ip -n ${this.#switch} link set br0 up`);
  }

  place(name: string, family: Family = 'both'): Place {
    const known = this.#places.get(name);
    if (known) return known;
    const no = this.#places.size + 1;
    const place = new Place(this.#number, no, name, family);
    const { netns, ipv4, ipv6 } = place;
    const port = `p${no}`;
    sh(`ip netns add ${netns}
      ip -n ${netns} link set lo up
      ip -n ${this.#switch} link add ${port} type veth peer name eth0 netns ${netns}
      ip -n ${this.#switch} link set ${port} master br0 up
      ip -n ${netns} link set eth0 up
      ${ipv4 ? `ip -n ${netns} addr add ${ipv4}/24 dev eth0` : ''}
      ${ipv6 ? `ip -n ${netns} addr add ${ipv6}/64 dev eth0 nodad` : ''}
      ${family === 'ipv4' ? `ip netns exec ${netns} sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1` : ''}`);
    this.#places.set(name, place);
    return place;
  }

  /** Pulls a node's cable: no FIN, no RST, silence. */
  cable(place: Place, state: 'up' | 'down'): void {
    const no = [...this.#places.values()].indexOf(place) + 1;
    sh(`ip -n ${this.#switch} link set p${no} ${state}`);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** A file system of its own in memory, so small that it can be filled. */
  tmpfs(name: string, size: string): string {
    const path = this.path(name);
    const known = this.#mounts.includes(path);
    sh(`mkdir -p ${path}
      mount -t tmpfs -o ${known ? 'remount,' : ''}mode=0700,size=${size} lotc-e2e ${path}`);
    if (!known) this.#mounts.push(path);
    return path;
  }

  /** What was started of a kind, the latest last. */
  roles(kind: 'server' | 'agent'): readonly Role[] {
    return this.#roles.filter((role) => role.child.spawnargs.includes(kind));
  }

  /** What is left of it on this machine: nothing, once it is disposed of. */
  leftovers(): string[] {
    const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
    const namespaces = sh('ip netns list').split('\n');
    return [
      ...mounts.filter((line) => line.includes(this.directory)),
      ...namespaces.filter((line) => line.startsWith(`lotc${this.#number}-`)),
      ...processesBelow(this.directory).map((pid) => `process ${pid}`),
      ...(existsSync(this.directory) ? [this.directory] : []),
    ];
  }

  /** Runs a role in the background, behind the words `via`; its output goes to a file. */
  start(place: Place, args: readonly string[], via: readonly string[] = []): Role {
    const log = this.path(`${place.name}-${args[0]}-${this.#roles.length}.log`);
    const out = openSync(log, 'a');
    const child = spawn('ip', ['netns', 'exec', place.netns, ...via, executable, ...args], {
      cwd: this.directory,
      env: { PATH: process.env['PATH'] ?? '', HOME: this.directory },
      stdio: ['ignore', out, out],
    });
    const role = new Role(child, log);
    this.#roles.push(role);
    return role;
  }

  async server(
    data = 's',
    via: readonly string[] = [],
    extra: readonly string[] = [],
  ): Promise<Role> {
    const ready = this.path('server.ready');
    rmSync(ready, { force: true });
    const args = ['server', '--data', this.path(data), '--ready-file', ready, ...extra];
    const role = this.start(this.place('srv'), args, via);
    await until(
      () => existsSync(ready) || !role.alive,
      60_000,
      () => `server not ready: ${role.text()}`,
    );
    if (!role.alive) throw new Error(`the server ended: ${role.text()}`);
    return role;
  }

  /** Starts an agent in a place of its own; enrols it where its directory is new. */
  async agent(
    name: string,
    family: Family = 'both',
    extra: readonly string[] = [],
    via: readonly string[] = [],
  ): Promise<Role> {
    const place = this.place(name, family);
    const data = this.path(`a-${name}`);
    const args = ['agent', '--data', data, '--name', name, ...this.serverArgs(place), ...extra];
    if (!existsSync(data) || readdirSync(data).length === 0) {
      const { stdout } = await this.admin(['token', 'create', '--role', 'agent', '-o', 'name']);
      args.push('--token', stdout.trim());
    }
    return this.start(place, args, via);
  }

  serverArgs(place: Place): string[] {
    const server = this.place('srv');
    // Without the port, as the README has it: 7416 is the default.
    const address = place.ipv6 && server.ipv6 ? `[${server.ipv6}]` : `${server.ipv4}`;
    return ['--server', address];
  }

  async online(...names: string[]): Promise<void> {
    for (const name of names) {
      await until(
        async () => (await this.nodeState(name)) === 'online',
        20_000,
        () => `node ${name} is not online`,
      );
    }
  }

  async nodeState(name: string): Promise<string | undefined> {
    const { stdout, code } = await this.admin(['node', 'show', name, '--json']);
    return code === 0 ? (JSON.parse(stdout) as { state: string }).state : undefined;
  }

  /** Runs `lotc admin …` to its end. */
  admin(args: readonly string[], options: AdminOptions = {}): Promise<Result> {
    const place = options.place ?? this.place('srv');
    const child = spawn('ip', ['netns', 'exec', place.netns, executable, 'admin', ...args], {
      cwd: options.cwd ?? this.directory,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.directory,
        LOTC_IDENTITY: this.path('s/admin.json'),
        ...options.env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return finish(child, options.stdin, options.timeoutMs);
  }

  async json<T>(args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.admin([...args, '--json']);
    if (code !== 0) throw new Error(`lotc admin ${args.join(' ')}: ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Runs it and fails the test unless it ends with 0. */
  async must(args: readonly string[], options: AdminOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.admin(args, options);
    if (code !== 0) throw new Error(`lotc admin ${args.join(' ')}: ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const role of this.#roles) await role.stop('SIGKILL');
    killBelow(this.directory);
    for (const path of this.#mounts.splice(0)) sh(`umount -l ${path}`);
    for (const { netns } of this.#places.values()) sh(`ip netns del ${netns} 2>/dev/null || true`);
    sh(`ip netns del ${this.#switch} 2>/dev/null || true`);
    removeTree(this.directory);
  }
}

export interface AdminOptions {
  readonly place?: Place;
  readonly stdin?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

export function finish(child: ChildProcess, stdin = '', timeoutMs = 60_000): Promise<Result> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`not ended within ${timeoutMs} ms: ${child.spawnargs.join(' ')}`));
    }, timeoutMs);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString('utf8');
      resolve({ code: code ?? (signal ? -1 : 0), stdout: text(out), stderr: text(err) });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin);
  });
}

/** Ends shims and programs whose files lie below a fleet's directory. */
function killBelow(directory: string): void {
  for (let round = 0; round < 5; round += 1) {
    const found = processesBelow(directory);
    if (found.length === 0) return;
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }
}

/** Pids whose command line, working directory or environment names the directory. */
export function processesBelow(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => factsOf(pid).some((fact) => fact.includes(directory)))
    .map(Number);
}

/** Nothing where the process ended meanwhile. */
function factsOf(pid: string): string[] {
  try {
    const texts = ['cmdline', 'environ'].map((file) =>
      readFileSync(`/proc/${pid}/${file}`, 'utf8'),
    );
    return [...texts, readlinkSync(`/proc/${pid}/cwd`)];
  } catch {
    return [];
  }
}
