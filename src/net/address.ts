/**
 * Addresses as people write them (the ADDR of every role) and as LOTC shows them: `host:port`,
 * `1.2.3.4:port`, `[2001:db8::1%zone]:port`, `host`, `:port`. Pure text: nothing is looked up, so
 * a host name is only checked for its shape.
 *
 * A bare IPv6 literal is taken where it can mean one thing only: `fd00::7` can, `::1:7416` cannot
 * (RFC 5952 section 6, RFC 4007 section 11 for zones).
 */
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';

export interface Address {
  /** '' for `:port`: every address of this machine, or this machine. */
  readonly host: string;
  readonly port: number;
}

const HINT =
  'write host:port, 1.2.3.4:port, [2001:db8::1]:port, host (default port) or :port (all addresses)';
const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_-]{1,63})*\.?$/iu;
const GROUPS = 8;

/** Takes one argument only, so that `texts.map(parseAddress)` means what it says. */
export function parseAddress(text: string): Address {
  return parseAddressOf(text, limits.port);
}

/** The same for a service whose port is another one. */
export function parseAddressOf(text: string, defaultPort: number): Address {
  const bad = (why: string): LotcError =>
    new LotcError('usage', `"${text}" is no address: ${why}`, { hint: HINT });
  const { host, port, bracketed } = split(text, bad);
  if (bracketed || host.includes(':')) {
    if (!isIpv6(host)) throw bad(`"${host}" is no IPv6 address`);
  } else if (/^[\d.]+$/u.test(host)) {
    if (!isIpv4(host)) throw bad(`"${host}" is no IPv4 address`);
  } else if (host !== '' && !NAME.test(host)) {
    throw bad(`"${host}" is no host name`);
  }
  if (port === undefined) {
    if (host === '') throw bad('it is empty');
    return { host, port: defaultPort };
  }
  const number = /^\d{1,5}$/u.test(port) ? Number(port) : Number.NaN;
  if (!(number <= 65_535)) throw bad(`"${port}" is no port (0 to 65535)`);
  return { host, port: number };
}

interface Split {
  readonly host: string;
  readonly port: string | undefined;
  readonly bracketed: boolean;
}

function split(text: string, bad: (why: string) => LotcError): Split {
  if (text.startsWith('[')) {
    const [, host = '', , port] = /^\[([^\]]*)\](:(.*))?$/u.exec(text) ?? [];
    if (host === '') throw bad('nothing usable between its brackets, or no port after them');
    return { host, port, bracketed: true };
  }
  const colon = text.lastIndexOf(':');
  if (colon < 0) return { host: text, port: undefined, bracketed: false };
  const host = text.slice(0, colon);
  const port = text.slice(colon + 1);
  if (!host.includes(':') && text !== '::') return { host, port, bracketed: false };
  if (/^\d+$/u.test(port) && isIpv6(host) && isIpv6(text)) {
    throw bad(`it can mean port ${port} or no port; put the IPv6 address in brackets`);
  }
  return { host: text, port: undefined, bracketed: false };
}

/** What parseAddress reads back: IPv6 in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function isIpv4(host: string): boolean {
  const parts = host.split('.');
  return (
    parts.length === 4 &&
    parts.every((part) => /^(?:0|[1-9]\d{0,2})$/u.test(part) && Number(part) < 256)
  );
}

/** The eight groups of an IPv6 literal, its zone aside; undefined for anything else. */
export function ipv6Groups(host: string): readonly number[] | undefined {
  const [literal = '', zone] = host.split('%', 2);
  if (zone === '' || !/^[\da-f:.]+$/iu.test(literal)) return undefined;
  const halves = literal.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const numbers = [groupsOf(head, halves.length === 1), groupsOf(tail, true)];
  const [first, last] = numbers;
  if (!first || !last) return undefined;
  const missing = GROUPS - first.length - last.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return [...first, ...Array<number>(missing).fill(0), ...last];
}

/** `final`: the last part may be a dotted IPv4 address (RFC 4291 section 2.2). */
function groupsOf(parts: readonly string[], final: boolean): number[] | undefined {
  const numbers: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[\da-f]{1,4}$/iu.test(part)) {
      numbers.push(Number.parseInt(part, 16));
    } else if (final && index === parts.length - 1 && isIpv4(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
      numbers.push(a * 256 + b, c * 256 + d);
    } else {
      return undefined;
    }
  }
  return numbers;
}

export const isIpv6 = (host: string): boolean => ipv6Groups(host) !== undefined;

/** An IPv4 address that travelled through a dual-stack socket, as IPv4; others as they are. */
export function unmapped(host: string): string {
  const groups = ipv6Groups(host);
  if (!groups?.slice(0, 5).every((group) => group === 0) || groups[5] !== 0xffff) return host;
  const [high = 0, low = 0] = groups.slice(6);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

/** Only what can reach nobody else: 127.0.0.0/8, ::1, and the name `localhost`. */
export function isLoopback(host: string): boolean {
  if (/^localhost\.?$/iu.test(host)) return true;
  const plain = unmapped(host);
  if (isIpv4(plain)) return plain.startsWith('127.');
  const groups = ipv6Groups(plain);
  return groups !== undefined && groups.every((group, index) => group === (index === 7 ? 1 : 0));
}
