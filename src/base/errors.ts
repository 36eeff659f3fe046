/**
 * Every way LOTC can say no, in one closed union.
 *
 * Three kinds of failure are kept apart (docs/ARCHITECTURE.md, "Whose fault it is"):
 * - a bug of ours fails an `assert` and crashes with a stack;
 * - a peer's fault is a `ProtocolError`: its connection is closed, nothing else is touched;
 * - everything an operator may meet is a `LotcError`: a code, one sentence that names the thing
 *   and the reason, and a hint that names the remedy.
 *
 * The number of a code travels on the wire (key `errorCode`) and is never reused. Its exit code
 * is what `lotc admin` ends with when that error is the only answer.
 */

interface CodeFacts {
  readonly number: number;
  readonly exit: number;
}

export const errorCodes = {
  internal: { number: 1, exit: 1 },
  failed: { number: 2, exit: 1 },
  usage: { number: 3, exit: 2 },
  'wrong-state': { number: 4, exit: 3 },
  'no-such-task': { number: 5, exit: 4 },
  'no-such-node': { number: 6, exit: 4 },
  'no-such-bundle': { number: 7, exit: 4 },
  'no-such-run': { number: 8, exit: 4 },
  'no-such-operation': { number: 9, exit: 4 },
  'no-such-token': { number: 10, exit: 4 },
  'nothing-matches': { number: 11, exit: 4 },
  unreachable: { number: 12, exit: 5 },
  unauthenticated: { number: 13, exit: 6 },
  'not-allowed': { number: 14, exit: 6 },
  'token-unknown': { number: 15, exit: 6 },
  'token-expired': { number: 16, exit: 6 },
  'token-used': { number: 17, exit: 6 },
  'wrong-server': { number: 18, exit: 6 },
  'some-failed': { number: 19, exit: 7 },
  exists: { number: 20, exit: 8 },
  'name-taken': { number: 21, exit: 8 },
  disabled: { number: 22, exit: 8 },
  'already-suspended': { number: 23, exit: 8 },
  'not-running': { number: 24, exit: 8 },
  'not-suspended': { number: 25, exit: 8 },
  'is-stopping': { number: 26, exit: 8 },
  'is-pending': { number: 27, exit: 8 },
  running: { number: 28, exit: 8 },
  'in-use': { number: 29, exit: 8 },
  'not-selected': { number: 30, exit: 8 },
  'too-large': { number: 31, exit: 8 },
  'bad-archive': { number: 32, exit: 8 },
  'disk-full': { number: 33, exit: 8 },
  'read-only': { number: 34, exit: 8 },
  expired: { number: 35, exit: 8 },
  cancelled: { number: 36, exit: 8 },
  busy: { number: 37, exit: 8 },
  copied: { number: 38, exit: 8 },
  timeout: { number: 39, exit: 124 },
  unresponsive: { number: 40, exit: 124 },
  'exec-failed': { number: 41, exit: 1 },
  'bundle-failed': { number: 42, exit: 1 },
  lost: { number: 43, exit: 1 },
  locked: { number: 44, exit: 1 },
  damaged: { number: 45, exit: 1 },
  'not-private': { number: 46, exit: 1 },
  'changed-while-read': { number: 47, exit: 8 },
  io: { number: 48, exit: 1 },
  'no-such-schedule': { number: 49, exit: 4 },
  unsupported: { number: 50, exit: 8 },
  /** A schedule whose rule has no instant left. */
  'never-comes': { number: 51, exit: 8 },
  /** A bundle that nobody trusted vouches for. */
  'not-signed': { number: 320, exit: 8 },
  /** What the asker said it is based on is not so any more. */
  stale: { number: 350, exit: 8 },
  /** A run whose lease ended, or never began. */
  'lease-ended': { number: 430, exit: 1 },
  /** Nothing starts on a node that is being drained. */
  draining: { number: 410, exit: 8 },
  /** Tasks that would wait for each other. */
  cycle: { number: 390, exit: 8 },
  /** It is suspended because another has its room. */
  preempted: { number: 420, exit: 8 },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof errorCodes;

const byNumber = new Map<number, ErrorCode>(
  Object.entries(errorCodes).map(([code, facts]) => [facts.number, code as ErrorCode]),
);

/** The code for a number off the wire; a number of a newer LOTC reads as `failed`. */
export function errorCodeOf(number: number): ErrorCode {
  return byNumber.get(number) ?? 'failed';
}

export interface ErrorDetails {
  readonly hint?: string | undefined;
  readonly node?: string | undefined;
  readonly cause?: unknown;
}

/** What an operator reads: the thing and the reason in `message`, the remedy in `hint`. */
export class LotcError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly node: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'LotcError';
    this.code = code;
    this.hint = details.hint;
    this.node = details.node;
  }

  /** What the process ends with when this error is its only answer. */
  get exitCode(): number {
    return errorCodes[this.code].exit;
  }
}

/** What is wrong with a command line, or with what one names. */
export const usage = (message: string, hint?: string): LotcError =>
  new LotcError('usage', message, { hint });

/** Ways to break the protocol; the ERR subcategory that answers each (PROTOCOL, "Errors"). */
export const protocolFaults = {
  'bad-magic': 'HEAD',
  'bad-version': 'HEAD',
  'bad-flags': 'HEAD',
  'bad-code': 'OTH',
  'bad-checksum': 'CSUM',
  'body-too-large': 'LGTH',
  'bad-body': 'HEAD',
  'bad-field': 'HEAD',
  'missing-field': 'HEAD',
  'bad-id': 'HEAD',
  'unexpected-message': 'OTH',
  'too-many-requests': 'OTH',
  'credit-overrun': 'OTH',
  'slow-consumer': 'OTH',
  'handshake-timeout': 'OTH',
  silent: 'OTH',
} as const;

export type ProtocolFault = keyof typeof protocolFaults;

/** A peer broke the protocol. Costs that peer its connection and nobody else anything. */
export class ProtocolError extends Error {
  readonly fault: ProtocolFault;

  constructor(fault: ProtocolFault, message: string) {
    super(message);
    this.name = 'ProtocolError';
    this.fault = fault;
  }
}
