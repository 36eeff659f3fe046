/**
 * The fleet's CA over the years. A rotation has an overlap: the new CA is told to everybody who
 * comes, while the server still shows a certificate of the old one, which all of them trust. It
 * ends by a second command, refused while somebody does not have the new one: so nobody is lost.
 * The state says where it stands; the files of the server follow it (authorities.io.ts).
 */
import { few } from '../../../base/few.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import type { IdentityRecord, Reply, State } from './state.ts';

/** Absent: the fleet has the CA it was founded with, and never had another. */
export interface CaState {
  readonly stage: 'stable' | 'overlap';
  /** Of the CA that the server's certificate is of. */
  readonly pin: string;
  readonly nextPin?: string | undefined;
  /** What everybody shall trust (net/trust.ts). */
  readonly trusts: string;
  readonly at: number;
}

/** Where two nodes lack it, or two hundred. */
const NAMED = 5;

export function changeAuthority(change: Change, body: CommandBody<'depAuthority'>): Reply {
  if (body.mode === 'rotate') return rotate(change, body);
  if (body.mode === 'finish') return finish(change, body);
  throw new Refusal('unsupported', `this server cannot ${body.mode} a CA`);
}

function rotate(change: Change, body: CommandBody<'depAuthority'>): Reply {
  const { state, command } = change;
  const { pin, nextPin, trusts } = body;
  if (pin === undefined || nextPin === undefined || trusts === undefined) {
    throw new Refusal('unsupported', 'this server has no CA of its own');
  }
  if (state.ca?.stage === 'overlap') return { ok: true, body: { unchanged: true } };
  state.ca = { stage: 'overlap', pin, nextPin, trusts, at: command.at };
  const text = `a new CA (pin ${short(nextPin)}) is told to nodes and people; the old one counts on`;
  change.event({ kind: 'ca-rotating', text });
  return { ok: true, body: {} };
}

function finish(change: Change, body: CommandBody<'depAuthority'>): Reply {
  const { state, command } = change;
  const { ca } = state;
  const { trusts, force } = body;
  if (ca?.stage !== 'overlap' || ca.nextPin === undefined) {
    throw new Refusal('in-use', 'no CA is being rotated', 'begin with: lotc admin ca rotate');
  }
  if (trusts === undefined) throw new Refusal('unsupported', 'this server has no CA of its own');
  const lack = lacking(state);
  if (lack.length > 0 && force !== true) {
    const names = few(
      lack.map(({ name }) => name),
      NAMED,
    );
    throw new Refusal(
      'in-use',
      `they do not have the new CA yet: ${names}`,
      'wait for them, or revoke or remove them (lotc admin ca status); with --force they have to join anew',
    );
  }
  state.ca = { stage: 'stable', pin: ca.nextPin, trusts, at: command.at };
  // They name the old one.
  state.tokens.clear();
  const lost = lack.length === 0 ? '' : `; left behind: ${lack.map(({ name }) => name).join(', ')}`;
  const text = `the CA is rotated (pin ${short(ca.nextPin)}); tokens made before are void${lost}`;
  change.event({ kind: 'ca-rotated', text });
  return { ok: true, body: {} };
}

const short = (pin: string): string => pin.slice(0, 16);

/** Keys that count, and do not trust what everybody shall: nodes first, by name. */
export function lacking(state: State): readonly IdentityRecord[] {
  const { ca } = state;
  if (!ca) return [];
  return [...state.identities.values()]
    .filter((one) => counts(state, one) && one.trusts !== ca.trusts)
    .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

const rank = ({ role }: IdentityRecord): number => (role === 'agent' ? 0 : 1);

function counts(state: State, one: IdentityRecord): boolean {
  const { revokedAt, retiredAt, expiresAt = Infinity, node } = one;
  if (revokedAt !== undefined || retiredAt !== undefined || expiresAt <= state.at) return false;
  // A key that a node has asked for and not used yet.
  return node === undefined || state.nodes.get(node)?.spki === one.spki;
}

/** Somebody has said what it trusts. */
export function noteTrust(change: Change, { spki, trusts }: CommandBody<'trusts'>): Reply {
  const { identities } = change.state;
  const identity = identities.get(spki);
  if (identity) identities.set(spki, { ...identity, trusts });
  return { ok: true, body: {} };
}
