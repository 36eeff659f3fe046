/**
 * Who is at the other end of a connection: the one function that makes a `Peer`. The certificate
 * only carries a key; what that key is, the server's records say. Nothing is read before this.
 */

import type { Instant } from '../../base/clock.ts';
import { limits } from '../../base/limits.ts';
import { identityFault, PLAINTEXT } from './model/authority.ts';
import type { IdentityRecord, State } from './model/state.ts';
import { tokenIdOf } from './model/tokens.ts';
import type { Peer } from './ports.ts';

export interface Door {
  /** Hex SHA-256 of the public key whose possession TLS has proven. */
  readonly spki: string | undefined;
  /** The certificate chain ends in the fleet's CA. */
  readonly authorized: boolean;
  /** A listener without TLS, on loopback: whoever reaches it is the admin. */
  readonly plaintext: boolean;
  readonly address: string;
}

export type Identified = { readonly peer: Peer } | { readonly refused: string };

export function identify(state: State, door: Door, now: Instant): Identified {
  const { spki, address } = door;
  if (door.plaintext) {
    return { peer: { role: 'admin', name: PLAINTEXT, spki: PLAINTEXT, address } };
  }
  if (spki === undefined) return { refused: 'no client certificate' };
  const token = state.tokens.get(tokenIdOf(spki));
  if (token?.spki === spki) {
    return {
      peer: { role: 'enrol', name: `token ${token.token}`, spki, token: token.token, address },
    };
  }
  if (!door.authorized) return { refused: 'its key is not known here' };
  const identity = state.identities.get(spki);
  if (!identity) return { refused: 'its identity was removed, or belongs to another fleet' };
  return judged(state, identity, address, now);
}

/**
 * On a listener without TLS a node is who it says it is: nobody proves anything there, and whoever
 * reaches it may do all that the admin may. Its record is judged as ever.
 */
export function believed(
  state: State,
  { name, address }: { readonly name: string | undefined; readonly address: string },
  now: Instant,
): Identified {
  for (const identity of state.identities.values()) {
    if (identity.role !== 'agent' || identity.name !== name) continue;
    return judged(state, identity, address, now);
  }
  return { refused: `no node named "${name}" has joined: nodes join over TLS, by a token` };
}

function judged(state: State, identity: IdentityRecord, address: string, now: Instant): Identified {
  const fault = identityFault(identity, now.atUs, now.errorUs) ?? awayFault(state, identity, now);
  if (fault !== undefined) return { refused: fault };
  const { role, name, node: uid, spki } = identity;
  return { peer: { role, name, uid, spki, address } };
}

/** A node nobody has heard of for longer than a year has lapsed, and its key with it. */
function awayFault(state: State, { node }: IdentityRecord, now: Instant): string | undefined {
  const lastSeen = state.nodes.get(node ?? '')?.lastSeen;
  if (lastSeen === undefined) return undefined;
  const awayMs = (now.atUs - (now.errorUs ?? 0) - lastSeen) / 1000;
  return awayMs > limits.nodeAwayMsMax ? 'it was away for more than 400 days' : undefined;
}
