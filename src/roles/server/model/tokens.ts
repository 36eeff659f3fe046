/**
 * Join tokens. The secret is made and kept by whoever asked for it; the server knows the hash of
 * the public half only, so a stolen journal holds no usable token.
 */
import { nameFault } from '../../../base/names.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { tokenRow } from './rows.ts';
import type { Reply, TokenRecord } from './state.ts';

const TTL_MS_MAX = 7 * 86_400_000;
const USES_MAX = 100_000;

/** A token's id: what people call it by. */
export const tokenIdOf = (spki: string): string => spki.slice(0, 8);

export function createToken(change: Change, body: CommandBody<'hostToken'>): Reply {
  const { state, command } = change;
  const { spki, role, ttlMs, usesLeft, node, labels } = body;
  if (role !== 'agent') {
    throw new Refusal(
      'unsupported',
      `tokens for role "${role}" are not supported`,
      'only: --role agent',
    );
  }
  if (ttlMs <= 0 || ttlMs > TTL_MS_MAX)
    throw new Refusal('usage', '--ttl is more than 0 and at most 7d');
  if (usesLeft < 1 || usesLeft > USES_MAX) throw new Refusal('usage', `--uses is 1 to ${USES_MAX}`);
  const fault = node === undefined ? undefined : nameFault(node);
  if (fault !== undefined) throw new Refusal('usage', `"${node}" is no node name: ${fault}`);
  const { at, who } = command;
  const record: TokenRecord = {
    ...{ token: tokenIdOf(spki), spki, role, usesLeft, node, labels },
    ...{ expiresAt: at + ttlMs * 1000, createdAt: at, createdBy: who, enrolled: [] },
  };
  forgetExpired(change);
  state.tokens.set(record.token, record);
  change.event({ kind: 'token-created', text: `token ${record.token} for role ${role} created` });
  return { ok: true, body: { tokens: [tokenRow(record)] } };
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
