/**
 * A node's keys over the years. A new one is recorded beside the present one and counts as well;
 * its first use retires the old one. So wherever agent or server die in between, the key that the
 * agent has on disk is one that counts, and what was copied before is known when it is shown.
 */
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import type { NodeRecord, Reply } from './state.ts';

/** The answer is the same for the same key, also when the first one was lost. */
export function renewKey(change: Change, { uid, spki }: CommandBody<'renew'>): Reply {
  const { state, command } = change;
  const node = state.nodes.get(uid);
  const present = state.identities.get(command.by ?? '');
  if (!node || present?.node !== uid || present.revokedAt !== undefined) {
    throw new Refusal('unauthenticated', 'the node of this key was removed or revoked');
  }
  const known = state.identities.get(spki);
  if (known && (known.node !== uid || known.retiredAt !== undefined)) {
    throw new Refusal('exists', 'this key was used before; a new one is needed');
  }
  if (!known) {
    forgetUnused(change, node);
    const { at, who: createdBy, origin } = command;
    const { name } = node;
    const record = {
      spki,
      name,
      role: 'agent',
      node: uid,
      createdAt: at,
      createdBy,
      origin,
    } as const;
    state.identities.set(spki, record);
  }
  return { ok: true, body: { node: node.name, uid, labels: node.labels } };
}

/** A key that was asked for and never used: the agent made another since. */
function forgetUnused(change: Change, node: NodeRecord): void {
  for (const [spki, identity] of change.state.identities) {
    const isUnused = spki !== node.spki && identity.retiredAt === undefined;
    if (identity.node !== node.uid || !isUnused || spki === change.command.by) continue;
    change.state.identities.delete(spki);
    change.closed.push(spki);
  }
}

/** The key a node came in with is its key: with a newer one the old one is over. */
export function takeKey(change: Change, node: NodeRecord, spki: string | undefined): NodeRecord {
  const { state, command } = change;
  if (spki === undefined || spki === node.spki) return node;
  const used = state.identities.get(spki);
  if (used?.node !== node.uid || used.retiredAt !== undefined) return node;
  for (const [key, identity] of state.identities) {
    // Of those that are over, the last is remembered.
    if (identity.node === node.uid && identity.retiredAt !== undefined)
      state.identities.delete(key);
  }
  const old = state.identities.get(node.spki);
  if (old) state.identities.set(node.spki, { ...old, retiredAt: command.at });
  change.closed.push(node.spki);
  const text = `node ${node.name} has a new key`;
  change.event({ kind: 'key-rotated', text, node: node.name });
  return { ...node, spki };
}
