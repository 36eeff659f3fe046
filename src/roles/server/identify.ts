/**
 * Who is at the other end of a connection: the one function that makes a `Peer`. The certificate
 * only carries a key; what that key is, the server's records say. Nothing is read before this.
 */

import type { State } from './model/state.ts';
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

export function identify(state: State, door: Door): Identified {
  const { spki, address } = door;
  if (door.plaintext) {
    return { peer: { role: 'admin', name: 'plaintext', spki: 'plaintext', address } };
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
  const { role, name, node: uid } = identity;
  return { peer: { role, name, uid, spki, address } };
}
