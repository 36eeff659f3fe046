/**
 * Identities of people and programs at a console: made by a token, revoked, lapsed. Rights hang on
 * the key, never on the name; a record that is revoked stays, so that its owner is told why.
 */
import { limits } from '../../../base/limits.ts';
import { nameFault } from '../../../base/names.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { answerRow } from './rows.ts';
import type { Answer, IdentityRecord, Reply, State } from './state.ts';
import { usableToken, useToken } from './tokens.ts';
import { refusalOf } from './verbs.ts';

/** `login`: one command uses the token and records the key with the token's rights. */
export function enrolConsole(change: Change, body: CommandBody<'enrol'>): Reply {
  const { state, command } = change;
  const token = usableToken(change, body, body.role ?? '');
  const { role, scope, grants, createdBy } = token;
  // `node` is what a console is called where neither its owner nor the token says.
  const name = token.node ?? body.identity ?? body.node ?? '';
  if (token.node !== undefined && body.identity !== undefined && body.identity !== token.node) {
    const text = `this token is for "${token.node}", not "${body.identity}"`;
    throw new Refusal('not-allowed', text, `log in with --name ${token.node}, or without --name`);
  }
  const fault = nameFault(name);
  if (fault !== undefined) throw new Refusal('usage', `"${name}" is no name: ${fault}`);
  if (livingNamed(state, name)) {
    const hint = `log in with --name, or free it first: lotc admin identity revoke ${name}`;
    throw new Refusal('name-taken', `there is an identity "${name}" already`, hint);
  }
  if (state.identities.size - state.nodes.size >= limits.identities) {
    throw new Refusal('too-large', `there are ${limits.identities} identities already`);
  }
  const { at, origin } = command;
  const ttlMs = token.identityTtlMs ?? limits.identityTtlMs;
  const expiresAt = at + ttlMs * 1000;
  const { spki } = body;
  state.identities.set(spki, {
    ...{ spki, name, role, scope, grants, createdAt: at, createdBy, origin, expiresAt },
  });
  useToken(change, token, spki, `identity ${name}`);
  const bounds = scope === undefined ? '' : ` within "${scope}"`;
  const text = `identity ${name} (${role}${bounds}) made with token ${token.token}`;
  change.event({ kind: 'identity-created', text });
  return loggedIn(state, spki);
}

/** The same answer for the same key, also when the first one was lost. */
export function loggedIn(state: State, spki: string): Reply {
  const identity = state.identities.get(spki);
  if (!identity) throw new Refusal('unauthenticated', 'this identity was removed');
  return { ok: true, body: { identity: identity.name, role: identity.role } };
}

const livingNamed = (state: State, name: string): IdentityRecord | undefined =>
  [...state.identities.values()].find(
    (one) => one.name === name && one.role !== 'agent' && !isOver(state, one),
  );

/** As of the last command. */
const isOver = (
  state: State,
  { revokedAt, expiresAt = Number.POSITIVE_INFINITY }: IdentityRecord,
) => revokedAt !== undefined || expiresAt <= state.at;

/** Made by who owns the server's disk, or by the founding of the fleet. */
export function recordAdmin(
  change: Change,
  body: { readonly spki: string; readonly identity: string },
): Reply {
  const { spki, identity: name } = body;
  const { at, who: createdBy } = change.command;
  change.state.identities.set(spki, { spki, name, role: 'admin', createdAt: at, createdBy });
  change.event({ kind: 'identity-created', text: `identity ${name} (admin) created` });
  return { ok: true, body: {} };
}

export function changeIdentities(change: Change, body: CommandBody<'depIdentity'>): Reply {
  const { mode, names, force } = body;
  if (mode !== 'revoke') throw new Refusal('unsupported', `this server cannot ${mode} an identity`);
  const answers: Answer[] = [];
  for (const name of new Set(names)) answers.push(...revoke(change, name, force === true));
  if (!answers.some(({ ok }) => ok)) throw refusalOf(answers);
  return { ok: true, body: { answers: answers.map(answerRow) } };
}

function revoke(change: Change, name: string, force: boolean): readonly Answer[] {
  const { state, command } = change;
  const named = [...state.identities.values()].filter((one) => one.name === name);
  // A node may have the name of a person; that one is asked for by `node rm` as a rule.
  const people = named.filter(({ role }) => role !== 'agent');
  const all = people.length > 0 ? people : named;
  const living = all.filter(({ revokedAt }) => revokedAt === undefined);
  if (all.length === 0) {
    const hint = 'see: lotc admin identity ls';
    return [{ ok: false, code: 'nothing-matches', text: `there is no identity "${name}"`, hint }];
  }
  if (living.length === 0)
    return [{ ok: true, unchanged: true, text: `"${name}" is revoked already` }];
  const left = admins(state).filter((one) => !living.includes(one));
  if (left.length === 0 && living.some(({ role }) => role === 'admin') && !force) {
    const text = `"${name}" is the last admin; without it nobody can command this fleet`;
    const hint = 'make another first, or --force; then: lotc server recover-admin';
    return [{ ok: false, code: 'in-use', text, hint }];
  }
  for (const one of living) {
    state.identities.set(one.spki, { ...one, revokedAt: command.at });
    change.closed.push(one.spki);
    const text = `identity ${name} (${one.role}) revoked`;
    const node = one.role === 'agent' ? name : undefined;
    change.event({ kind: 'identity-revoked', text, node });
  }
  return [{ ok: true, text: `identity "${name}" revoked` }];
}

/** Admins that still count, as of the last command. */
function admins(state: State): readonly IdentityRecord[] {
  return [...state.identities.values()].filter(
    (one) => one.role === 'admin' && !isOver(state, one),
  );
}
