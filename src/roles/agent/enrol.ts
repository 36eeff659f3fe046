/**
 * Joining a fleet, as steps without sockets: what comes next, and what a failure means. Only what
 * can never go right by itself ends the agent; a server that is away or busy is waited for.
 *
 * probe  the server's chain holds the CA key that the token names; nothing is sent before
 * ask    with the token's key, over a connection that only that CA's server can answer
 * store  certificate and name, durably; then the token is forgotten
 *
 * The node's key is made and durable before `ask`, and the same one asks again after a lost
 * answer: the server recognises it and says the same once more.
 */
import { LotcError } from '../../base/errors.ts';

export type EnrolStep = 'probe' | 'ask';

export type EnrolVerdict =
  /** Try again after the backoff. */
  | { readonly kind: 'retry'; readonly why: string }
  /** Tell the operator and end. */
  | { readonly kind: 'end'; readonly error: LotcError };

/** Codes after which the same token and name cannot succeed. */
const final: ReadonlySet<string> = new Set([
  ...['wrong-server', 'unauthenticated', 'not-allowed', 'usage', 'unsupported'],
  ...['token-unknown', 'token-expired', 'token-used', 'name-taken', 'copied'],
]);

export function judgeEnrolment(step: EnrolStep, error: unknown): EnrolVerdict {
  if (!(error instanceof LotcError)) return { kind: 'retry', why: String(error) };
  if (!final.has(error.code)) return { kind: 'retry', why: error.message };
  if (step === 'probe' && error.code === 'wrong-server') {
    const text = `the server is not the one this token is for: ${error.message}`;
    const hint = 'check --server; a token is good for the fleet that made it only';
    return { kind: 'end', error: new LotcError('wrong-server', text, { hint }) };
  }
  if (error.code !== 'usage') return { kind: 'end', error };
  // The server found fault with what was asked: refused enrolment, not a mistyped command line.
  const refused = new LotcError('not-allowed', error.message, { hint: error.hint });
  return { kind: 'end', error: refused };
}

/** The default name of a node: its short host name in lower case, as far as that is a name. */
export function defaultName(hostname: string): string {
  return (hostname.split('.')[0] ?? '').toLowerCase();
}

/** What an agent without identity and token is told. */
export function needsToken(data: string): LotcError {
  return new LotcError('unauthenticated', `${data} holds no identity, and no token was given`, {
    hint: 'make one on an admin machine: lotc admin token create --role agent; then --token TOKEN',
  });
}
