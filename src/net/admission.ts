/**
 * What strangers may cost: how many sockets nobody has proven a key on yet, in all and from one
 * address, and how fast new ones may come. Refuses to know sockets and clocks: addresses and times
 * are arguments (PROTOCOL, "Limits").
 *
 * An address is an IPv4 address or an IPv6 /64, which is what one customer gets (RFC 6177); among
 * link-local neighbours it is the whole address. One that has a living session is never refused:
 * a flood from behind the same NAT must not lock its nodes out. Loopback is bounded in total
 * only: a console's batch makes many short connections.
 */
import { limits } from '../base/limits.ts';
import { ipv6Groups, isLoopback, unmapped } from './address.ts';
import { type Tallied, Tally } from './tally.ts';

/** 'full': too many strangers in all; room is made by ending the one that is silent longest. */
export type Admitted = 'ok' | 'busy' | 'full';

interface Budget {
  strangers: number;
  sessions: number;
  /** New sockets still allowed, as of `atMs`. */
  tokens: number;
  atMs: number;
  badKeys: number;
  badSinceMs: number;
  barredUntilMs: number;
  toldMs: number;
}

const MINUTE_MS = 60_000;
const TELL_EVERY_MS = 1_000;

export class Admission {
  readonly #tally: Tally;
  readonly #budgets = new Map<string, Budget>();
  #strangers = 0;

  constructor(tally: Tally = new Tally()) {
    this.#tally = tally;
  }

  /** A socket of that address came in; 'ok' counts it until `closed`. */
  admit(address: string, nowMs: number): Admitted {
    const budget = this.#budgetOf(address, nowMs);
    if (budget.sessions === 0) {
      const met = isLoopback(address) ? undefined : metBy(budget, nowMs);
      if (met !== undefined) {
        this.#tally.add(met);
        return 'busy';
      }
      if (this.#strangers >= limits.unauthenticatedSockets) {
        this.#tally.add('unauthenticatedSockets');
        return 'full';
      }
    }
    budget.strangers += 1;
    this.#strangers += 1;
    return 'ok';
  }

  /** Who is there is known: the socket is a session, no stranger any more. */
  settled(address: string): void {
    const budget = this.#budgets.get(networkOf(address));
    if (!budget) return;
    budget.strangers -= 1;
    budget.sessions += 1;
    this.#strangers -= 1;
  }

  /** A socket that was admitted has ended. */
  closed(address: string, was: 'stranger' | 'session'): void {
    const budget = this.#budgets.get(networkOf(address));
    if (!budget) return;
    if (was === 'session') {
      budget.sessions -= 1;
      return;
    }
    budget.strangers -= 1;
    this.#strangers -= 1;
  }

  /** A key nobody knows: after a handful in a minute the address is refused before TLS. */
  badKey(address: string, nowMs: number): void {
    // What a bar would save on loopback is a millisecond; what it would cost is the operator.
    if (isLoopback(address)) return;
    const budget = this.#budgetOf(address, nowMs);
    if (nowMs - budget.badSinceMs >= MINUTE_MS) {
      budget.badSinceMs = nowMs;
      budget.badKeys = 0;
    }
    budget.badKeys += 1;
    if (budget.badKeys >= limits.badKeysPerMinute) budget.barredUntilMs = nowMs + MINUTE_MS;
  }

  /** Whether that address may cost another log line now: one a second. */
  mayTell(address: string, nowMs: number): boolean {
    const budget = this.#budgetOf(address, nowMs);
    if (nowMs - budget.toldMs < TELL_EVERY_MS) return false;
    budget.toldMs = nowMs;
    return true;
  }

  get strangers(): number {
    return this.#strangers;
  }

  /** Addresses remembered: bounded, whatever comes. */
  get remembered(): number {
    return this.#budgets.size;
  }

  #budgetOf(address: string, nowMs: number): Budget {
    const network = networkOf(address);
    const known = this.#budgets.get(network);
    if (known) return known;
    if (this.#budgets.size >= limits.addressesRemembered) this.#forget(nowMs);
    const budget: Budget = {
      strangers: 0,
      sessions: 0,
      tokens: limits.newBurstPerAddress,
      atMs: nowMs,
      badKeys: 0,
      badSinceMs: Number.NEGATIVE_INFINITY,
      barredUntilMs: Number.NEGATIVE_INFINITY,
      toldMs: Number.NEGATIVE_INFINITY,
    };
    this.#budgets.set(network, budget);
    return budget;
  }

  /** First those that owe nothing; were there none, the oldest without a socket. */
  #forget(nowMs: number): void {
    let oldest: string | undefined;
    const before = this.#budgets.size;
    for (const [network, budget] of this.#budgets) {
      if (budget.strangers > 0 || budget.sessions > 0) continue;
      oldest ??= network;
      const barred = nowMs < budget.barredUntilMs || nowMs - budget.badSinceMs < MINUTE_MS;
      if (!barred && refilled(budget, nowMs) >= limits.newBurstPerAddress) {
        this.#budgets.delete(network);
      }
    }
    if (this.#budgets.size === before && oldest !== undefined) this.#budgets.delete(oldest);
  }
}

function refilled({ tokens, atMs }: Budget, nowMs: number): number {
  const grown = tokens + ((nowMs - atMs) / 1_000) * limits.newPerSecondPerAddress;
  return Math.min(limits.newBurstPerAddress, grown);
}

/** The limit that an address meets; where none, one token is taken of its bucket. */
function metBy(budget: Budget, nowMs: number): Tallied | undefined {
  if (nowMs < budget.barredUntilMs) return 'badKeysPerMinute';
  budget.tokens = refilled(budget, nowMs);
  budget.atMs = nowMs;
  if (budget.strangers >= limits.unauthenticatedPerAddress) return 'unauthenticatedPerAddress';
  if (budget.tokens < 1) return 'newPerSecondPerAddress';
  budget.tokens -= 1;
  return undefined;
}

/** The part of an address that one budget belongs to. */
export function networkOf(address: string): string {
  const plain = unmapped(address);
  const groups = ipv6Groups(plain);
  const linkLocal = ((groups?.[0] ?? 0) & 0xffc0) === 0xfe80;
  if (!groups || linkLocal || isLoopback(plain)) return plain;
  const text = groups.slice(0, 4).map((group) => group.toString(16));
  return `${text.join(':')}::/64`;
}
