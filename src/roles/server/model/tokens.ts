/**
 * Join tokens. The secret is made and kept by whoever asked for it; the server knows the hash of
 * the public half only, so a stolen journal holds no usable token.
 */
import { formatInstant } from '../../../base/clock.ts';
import { limits } from '../../../base/limits.ts';
import { nameFault } from '../../../base/names.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { grantFault } from './grants.ts';
import { selectorOf } from './resolve.ts';
import { tokenRow } from './rows.ts';
import { consoleRoles, type Reply, type Role, type TokenRecord } from './state.ts';

const TTL_MS_MAX = 7 * 86_400_000;
const USES_MAX = 100_000;

/** A token's id: what people call it by. */
export const tokenIdOf = (spki: string): string => spki.slice(0, 8);

const isRole = (text: string): text is Role =>
  text === 'agent' || (consoleRoles as readonly string[]).includes(text);

const usage = (text: string, hint?: string): Refusal => new Refusal('usage', text, hint);

export function createToken(change: Change, body: CommandBody<'hostToken'>): Reply {
  const { state, command } = change;
  const { spki, role, ttlMs, usesLeft, node, labels, scope, grants, identityTtlMs } = body;
  if (!isRole(role)) throw usage(`"${role}" is no role`, 'one of agent, viewer, operator, admin');
  if (ttlMs <= 0 || ttlMs > TTL_MS_MAX) throw usage('--ttl is more than 0 and at most 7d');
  if (usesLeft < 1 || usesLeft > USES_MAX) throw usage(`--uses is 1 to ${USES_MAX}`);
  const fault = node === undefined ? undefined : nameFault(node);
  if (fault !== undefined) {
    throw usage(`"${node}" is no ${role === 'agent' ? 'node ' : ''}name: ${fault}`);
  }
  checkRights(role, body);
  const { at, who } = command;
  const record: TokenRecord = {
    ...{ token: tokenIdOf(spki), spki, role, usesLeft, node, labels, scope, grants },
    ...{ expiresAt: at + ttlMs * 1000, createdAt: at, createdBy: who, enrolled: [], identityTtlMs },
  };
  forgetExpired(change);
  state.tokens.set(record.token, record);
  const bounds = scope === undefined ? '' : ` within "${scope}"`;
  const text = `token ${record.token} for role ${role}${bounds} created`;
  change.event({ kind: 'token-created', text });
  return { ok: true, body: { tokens: [tokenRow(record)], pin: state.ca?.pin } };
}

/** What a role has no use for is a mistake, and one that people would rely on. */
function checkRights(role: Role, body: CommandBody<'hostToken'>): void {
  const { labels, scope, grants = [], identityTtlMs } = body;
  if (scope !== undefined) {
    if (role === 'admin') throw usage('an admin has no scope', 'make an operator');
    if (role === 'agent') throw usage('an agent acts for its own node only; it has no scope');
    selectorOf(scope);
  }
  if (grants.length > 0 && role !== 'operator' && role !== 'viewer') {
    throw usage(`--grant: an ${role} has none`);
  }
  for (const grant of grants) {
    const fault = grantFault(grant, role);
    if (fault !== undefined) throw usage(`--grant: ${fault}`);
  }
  if (labels !== undefined && role !== 'agent') throw usage('labels are for nodes: --role agent');
  if (identityTtlMs === undefined) return;
  if (role === 'agent') throw usage('a node does not lapse while it is in contact');
  if (identityTtlMs < 1 || identityTtlMs > limits.identityTtlMsMax) {
    throw usage('--identity-ttl is more than 0 and at most 400d');
  }
}

/** Kept for a week beyond their end, so that "expired" and "used by" can still be told. */
function forgetExpired(change: Change): void {
  const { state, command } = change;
  for (const [id, token] of state.tokens) {
    if (token.expiresAt + TTL_MS_MAX * 1000 < command.at) state.tokens.delete(id);
  }
}

export function removeTokens(change: Change, body: CommandBody<'hostTokenRm'>): Reply {
  const { state } = change;
  for (const id of body.names) {
    if (!state.tokens.has(id)) {
      throw new Refusal('no-such-token', `there is no token "${id}"`, 'see: lotc admin token ls');
    }
  }
  for (const id of body.names) {
    const token = state.tokens.get(id);
    if (token) change.closed.push(token.spki);
    state.tokens.delete(id);
    change.event({ kind: 'token-removed', text: `token ${id} removed` });
  }
  return { ok: true, body: {} };
}

const TOKEN_HINT = 'make another: lotc admin token create';

/** The token somebody joins with as `role`, or why it is none for that. */
export function usableToken(
  change: Change,
  { token: id }: { readonly token: string },
  role: string,
): TokenRecord {
  const token = change.state.tokens.get(id);
  if (!token) {
    throw new Refusal('token-unknown', 'this token is not known to the server', TOKEN_HINT);
  }
  const isConsole = token.role !== 'agent';
  if (isConsole === (role === 'agent')) {
    const text = `this token is for role ${token.role}, not for ${isConsole ? 'an agent' : 'a console'}`;
    const hint = isConsole ? 'use it with: lotc admin login' : 'use it with: lotc agent';
    throw new Refusal('not-allowed', text, hint);
  }
  if (token.expiresAt <= change.command.at) {
    throw new Refusal('token-expired', 'this token has expired', TOKEN_HINT);
  }
  if (token.usesLeft <= 0) {
    const by = token.usedBy === undefined ? '' : ` (${token.usedBy})`;
    throw new Refusal('token-used', `this token has been used${by}`, TOKEN_HINT);
  }
  return token;
}

export function useToken(change: Change, token: TokenRecord, spki: string, by: string): void {
  const { origin, at } = change.command;
  change.state.tokens.set(token.token, {
    ...token,
    usesLeft: token.usesLeft - 1,
    enrolled: [...token.enrolled, spki],
    usedBy: `by ${by} from ${origin} at ${formatInstant(at)}`,
  });
}
