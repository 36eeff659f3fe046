/**
 * Happy eyeballs (RFC 8305): of several servers, each with several addresses of both families, the
 * first that answers wins; the next is tried as soon as one fails, or a quarter second after the
 * last one began. Knows names, times and cancelling; what an attempt is, its caller says.
 *
 * Names are looked up side by side and only where there are some: `node:dns` costs a cold console
 * milliseconds, so one literal address never loads it.
 */
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { type Address, formatAddress, isIpv4, isIpv6, parseAddress } from './address.ts';

/** One address to try: `address.host` is a literal, `name` what it was found under, if any. */
export interface Target {
  readonly address: Address;
  readonly name: string | undefined;
}

/** Resolves when connected; must end early, and leave nothing open, when told to. */
export type Attempt<T> = (target: Target, signal: AbortSignal) => Promise<T>;

export interface RaceOptions {
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface Failure {
  readonly where: string;
  readonly error: unknown;
}

export interface Won<T> {
  readonly value: T;
  readonly address: string;
}

export async function race<T extends { destroy(): unknown }>(
  { servers, timeoutMs, signal }: RaceOptions,
  attempt: Attempt<T>,
): Promise<Won<T>> {
  if (servers.length === 0) throw new LotcError('usage', 'no server address is given');
  const addresses = servers.map(parseAddress);
  const run = new Race(addresses, attempt);
  const timer = setTimeout(() => run.giveUp(`no answer in ${timeoutMs / 1_000} s`), timeoutMs);
  const abort = (): void => run.cancel(new LotcError('cancelled', 'connecting was cancelled'));
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (signal?.aborted) abort();
    else run.start();
    return await run.ended;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

class Race<T extends { destroy(): unknown }> {
  readonly ended: Promise<Won<T>>;
  readonly #addresses: readonly Address[];
  readonly #attempt: Attempt<T>;
  /** Per server, what is still to be tried; undefined while its name is being looked up. */
  readonly #waiting: (Target[] | undefined)[];
  readonly #running = new Map<Target, AbortController>();
  readonly #failures: Failure[] = [];
  #resolve: (won: Won<T>) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #stagger: NodeJS.Timeout | undefined;
  #over = false;

  constructor(addresses: readonly Address[], attempt: Attempt<T>) {
    this.#addresses = addresses;
    this.#attempt = attempt;
    this.#waiting = addresses.map(targetsOf);
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  start(): void {
    for (const [index, targets] of this.#waiting.entries()) {
      if (!targets) void this.#lookUp(index);
    }
    this.#next();
  }

  giveUp(reason: string): void {
    if (this.#over) return;
    const error = new Error(reason);
    for (const target of this.#running.keys()) this.#failed(target, error);
    for (const [index, targets] of this.#waiting.entries()) {
      const address = this.#addresses[index];
      if (!targets && address) this.#failures.push({ where: formatAddress(address), error });
      for (const target of targets ?? []) this.#failed(target, new Error('not tried in time'));
    }
    this.cancel(unreachable(this.#failures));
  }

  cancel(error: unknown): void {
    this.#finish();
    this.#reject(error);
  }

  async #lookUp(index: number): Promise<void> {
    const address = this.#addresses[index];
    if (!address) return;
    try {
      const { lookup } = await import('node:dns/promises');
      const found = await lookup(address.host, { all: true, order: 'verbatim' });
      this.#waiting[index] = interleave(found.map((one) => one.address)).map((host) => ({
        address: { host, port: address.port },
        name: address.host,
      }));
    } catch (error) {
      this.#waiting[index] = [];
      this.#failures.push({ where: formatAddress(address), error });
    }
    // A stagger that is under way goes on: what was found waits for its turn.
    if (!this.#over && this.#stagger === undefined) this.#next();
  }

  #next(): void {
    clearTimeout(this.#stagger);
    this.#stagger = undefined;
    const target = this.#waiting
      .find((targets) => targets !== undefined && targets.length > 0)
      ?.shift();
    if (target) {
      void this.#try(target);
      this.#stagger = setTimeout(() => this.#next(), limits.nextAddressMs);
      return;
    }
    const looking = this.#waiting.includes(undefined);
    if (!looking && this.#running.size === 0) this.cancel(unreachable(this.#failures));
  }

  async #try(target: Target): Promise<void> {
    const controller = new AbortController();
    this.#running.set(target, controller);
    try {
      const value = await this.#attempt(target, controller.signal);
      this.#running.delete(target);
      if (this.#over) value.destroy();
      else {
        this.#finish();
        this.#resolve({ value, address: formatAddress(target.address) });
      }
    } catch (error) {
      this.#running.delete(target);
      if (this.#over) return;
      this.#failed(target, error);
      this.#next();
    }
  }

  #failed({ address, name }: Target, error: unknown): void {
    const where = formatAddress(address);
    this.#failures.push({ where: name === undefined ? where : `${name} at ${where}`, error });
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#stagger);
    for (const controller of this.#running.values()) controller.abort();
    this.#running.clear();
  }
}

/** What can be tried without asking anybody; `:port` is this machine, by either family. */
function targetsOf({ host, port }: Address): Target[] | undefined {
  const literals = host === '' ? ['::1', '127.0.0.1'] : [host];
  if (host !== '' && !isIpv4(host) && !isIpv6(host)) return undefined;
  return literals.map((literal) => ({ address: { host: literal, port }, name: undefined }));
}

/** Families take turns, the resolver's favourite first (RFC 8305 section 4). */
export function interleave(hosts: readonly string[]): readonly string[] {
  const unique = [...new Set(hosts)];
  const first = unique.filter((host) => isIpv6(host) === isIpv6(unique[0] ?? ''));
  const second = unique.filter((host) => !first.includes(host));
  return unique.flatMap((_, index) => [
    ...first.slice(index, index + 1),
    ...second.slice(index, index + 1),
  ]);
}

/** A server that answered, but is not ours, says more than one that did not answer. */
function unreachable(failures: readonly Failure[]): LotcError {
  const told = failures.map(({ where, error }) => `${where}: ${reasonOf(error)}`).join('; ');
  const wrong = failures.find(({ error }) => error instanceof LotcError)?.error;
  const [cause] = failures.map(({ error }) => error);
  if (wrong instanceof LotcError) {
    return new LotcError(wrong.code, told, { hint: wrong.hint, cause: wrong });
  }
  return new LotcError('unreachable', `no server could be reached: ${told}`, {
    hint: 'is the server running, and are its address and port right?',
    cause,
  });
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed by the other side',
  ETIMEDOUT: 'timed out',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  EADDRNOTAVAIL: 'this machine has no address of that family',
  EAFNOSUPPORT: 'this machine has no address of that family',
  EMFILE: 'too many open files here',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the host name could not be looked up',
  ERR_SSL_WRONG_VERSION_NUMBER: 'what listens there does not speak TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'what listens there does not speak TLS',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'what listens there does not speak TLS 1.3',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'what listens there does not speak LOTC/2',
};

export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return reasons[code ?? ''] ?? message;
}
