/**
 * Whether somebody may ask what they ask: role × message (may.ts), grants, and the scope against
 * the resolved nodes (reach.ts). Asked twice, with the same answer: at the door, so that what is
 * not allowed never reaches the journal, and in `apply`, because the record decides: between the
 * two the identity may have been revoked, or a node have got another label.
 *
 * A request that leaves the scope is refused whole and told what is outside; it is never narrowed.
 */
import { few } from '../../../base/few.ts';
import type { AnyBody, MessageKind } from '../../../net/layout.ts';
import { type PeerRole, rightOf } from '../may.ts';
import { Refusal } from './change.ts';
import { isProgrammed, userFault } from './grants.ts';
import { requestsOf } from './manifest-parts.ts';
import { reachOf } from './reach.ts';
import { isWithin, selectorOf } from './resolve.ts';
import type { IdentityRecord, State } from './state.ts';

/** Who asks: an identity's record, or what stands for one (a token's session, plaintext). */
export interface Authority extends Pick<IdentityRecord, 'scope' | 'grants'> {
  readonly role: PeerRole;
  readonly name: string;
}

/** Nodes named in a refusal; the others are counted. */
const NODES_NAMED = 10;

export function judge(
  state: State,
  authority: Authority,
  kind: MessageKind,
  body: AnyBody,
): Refusal | undefined {
  const { role, name } = authority;
  const right = rightOf(role, kind, body);
  if (right === 'no') {
    const what = kind === 'retQuery' || kind === 'retWatch' ? ` (${body.query ?? ''})` : '';
    return refusal(
      `${role} "${name}" may not send ${kind}${what}`,
      'an admin may: see identity ls',
    );
  }
  if (right === 'yes' || right === 'own') return undefined;
  if (kind === 'depApply') return judgeParts(state, authority, body);
  return grantRefusal(authority, right, kind, body) ?? scopeRefusal(state, authority, kind, body);
}

/** Manifests may what their documents may, each as the request it stands for. */
function judgeParts(state: State, authority: Authority, body: AnyBody): Refusal | undefined {
  for (const [kind, part] of requestsOf(state, body)) {
    const refused = judge(state, authority, kind, part);
    if (refused) return refused;
  }
  return undefined;
}

const refusal = (text: string, hint?: string): Refusal => new Refusal('not-allowed', text, hint);

const GRANT_HINT = 'an admin can make a token with more: lotc admin token create --grant';

function grantRefusal(
  { role, name, grants = [] }: Authority,
  right: string,
  kind: MessageKind,
  body: AnyBody,
): Refusal | undefined {
  const who = `${role} "${name}"`;
  if (right !== 'scope' && !grants.includes(right)) {
    return refusal(`${who} has no grant "${right}", which ${kind} needs`, GRANT_HINT);
  }
  const programmed = kind === 'taskRun' && isProgrammed(body);
  if (programmed && !grants.includes('define') && !grants.includes('run')) {
    const text = `${who} may start what exists as it is; arguments and variables need the grant "define" or "run"`;
    return refusal(text, GRANT_HINT);
  }
  if (kind !== 'taskAdd' && kind !== 'retExec') return undefined;
  const fault = userFault(grants, body.spec?.user);
  return fault === undefined ? undefined : refusal(`${who}: ${fault}`, GRANT_HINT);
}

function scopeRefusal(
  state: State,
  { role, name, scope }: Authority,
  kind: MessageKind,
  body: AnyBody,
): Refusal | undefined {
  if (scope === undefined) return undefined;
  const outside: string[] = [];
  for (const node of reachOf(state, kind, body))
    if (!isWithin(scope, node)) outside.push(node.name);
  if (outside.length > 0) {
    const named = few(outside.sort(), NODES_NAMED);
    const text = `${role} "${name}" may act on "${scope}" only, and this is also about ${named}`;
    return refusal(text, `name nodes inside it, for instance: --on '${scope}'`);
  }
  if (kind !== 'hostState') return undefined;
  const tested = new Set(selectorOf(scope).labels.map(({ key }) => key));
  const touched = [...Object.keys(body.labels ?? {}), ...(body.labelsRemoved ?? [])];
  const [label] = touched.filter((key) => tested.has(key));
  if (label === undefined) return undefined;
  return refusal(`${role} "${name}" may not change label "${label}": its own scope tests it`);
}

/**
 * The authority behind a command, by its key; `undefined` for the server itself. Throws `Refusal`
 * where the key's word does not count any more. `atUs`: true time, `errorUs` its bound.
 */
export function authorityOf(
  state: State,
  by: string,
  { at, errorUs }: { readonly at: number; readonly errorUs?: number | undefined },
): Authority {
  if (by === PLAINTEXT) return { role: 'admin', name: PLAINTEXT };
  const identity = state.identities.get(by);
  const fault = identity ? identityFault(identity, at, errorUs) : 'it was removed';
  if (identity && fault === undefined) return identity;
  throw new Refusal('unauthenticated', `this identity does not count any more: ${fault}`);
}

/** What a listener without TLS makes of everybody: loopback only, and only when asked for. */
export const PLAINTEXT = 'plaintext';

/** Why an identity is refused, as the end of a sentence. Lapsed only where that is certain. */
export function identityFault(
  { revokedAt, expiresAt, retiredAt }: IdentityRecord,
  at: number,
  errorUs = 0,
): string | undefined {
  if (revokedAt !== undefined) return 'it was revoked';
  if (retiredAt !== undefined) return 'a newer key has taken its place';
  if (expiresAt !== undefined && at - errorUs >= expiresAt) return 'it has lapsed';
  return undefined;
}
