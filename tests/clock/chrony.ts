/** Debian's chronyd in a namespace: as a server, and as a second opinion. Never the system clock. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** A directory for one chronyd: only its owner may look in, or it will not run. */
function home(directory: string, name: string, lines: readonly string[]): string {
  const path = join(directory, name);
  mkdirSync(path, { mode: 0o700 });
  const all = [...lines, 'cmdport 0', 'bindcmdaddress /', `pidfile ${path}/pid`];
  writeFileSync(join(path, 'conf'), `${all.join('\n')}\n`);
  return path;
}

export class Chronyd implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** `via`: words before it, as `faketime`. It serves the clock it sees. */
  static async serve(
    netns: string,
    directory: string,
    { name, via = [], lines = [] }: { name: string; via?: string[]; lines?: string[] },
  ): Promise<Chronyd> {
    const path = home(directory, name, ['local stratum 1', 'allow', ...lines]);
    const words = ['netns', 'exec', netns, ...via, 'chronyd', '-d', '-x', '-u', 'root'];
    const child = spawn('ip', [...words, '-f', join(path, 'conf')], {
      env: { PATH },
      stdio: 'ignore',
    });
    const chronyd = new Chronyd(child);
    for (let n = 0; !existsSync(join(path, 'pid')); n += 1) {
      if (n > 200 || child.exitCode !== null) throw new Error(`chronyd ${name} does not run`);
      await sleep(25);
    }
    return chronyd;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** Lines of a chronyd that also serves NTS with this certificate. */
export function ntsLines({ key, certificate }: { key: string; certificate: string }): string[] {
  return [`ntsserverkey ${key}`, `ntsservercert ${certificate}`];
}

/** True time minus the system clock as `chronyd -Q` measures it, in µs. */
export function chronyOffsetUs(netns: string, server: string): number {
  const text = execFileSync(
    'bash',
    ['-c', `ip netns exec ${netns} chronyd -Q -t 12 'server ${server} iburst' 2>&1`],
    { encoding: 'utf8', env: { PATH }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [, seconds] = /System clock wrong by (-?[\d.]+) seconds/.exec(text) ?? [];
  if (seconds === undefined) throw new Error(`chronyd -Q has no answer: ${text}`);
  return Number(seconds) * 1e6;
}
