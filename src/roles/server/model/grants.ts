/**
 * Grants: what an operator may beyond acting on what exists, and a viewer beyond reading records.
 *
 * - `define`: create, change and remove tasks and bundles, which is to choose what runs
 * - `run`: ad-hoc commands
 * - `user=NAME`: what is defined or run may name that user; `user=*` any. Whoever has one may use
 *   those users only, and not the agent's own, which is often root
 * - `logs`: a viewer may read what programs print
 */
import type { AnyBody } from '../../../net/layout.ts';
import type { Role } from './state.ts';

const plain: Readonly<Record<string, readonly Role[]>> = {
  define: ['operator'],
  run: ['operator'],
  logs: ['viewer'],
};
/** useradd(8), and a number. */
const USER = /^user=(\*|[a-z_][a-z0-9_.-]{0,31}\$?|\d{1,10})$/i;

/** Why a role cannot have it, as the end of a sentence. */
export function grantFault(grant: string, role: Role): string | undefined {
  if (USER.test(grant)) {
    return role === 'operator' ? undefined : `"${grant}" is for an operator, not for a ${role}`;
  }
  const roles = Object.hasOwn(plain, grant) ? plain[grant] : undefined;
  if (!roles) return `"${grant}" is none of define, run, logs, user=NAME, user=*`;
  return roles.includes(role) ? undefined : `"${grant}" is for ${roles.join(', ')}, not ${role}`;
}

/** Why programs may not be started as this user; undefined where they may. */
export function userFault(grants: readonly string[], user: string | undefined): string | undefined {
  const allowed = grants
    .filter((grant) => grant.startsWith('user='))
    .map((grant) => grant.slice('user='.length));
  if (allowed.includes('*')) return undefined;
  if (allowed.length === 0) {
    return user === undefined ? undefined : `it may not choose the user "${user}"`;
  }
  if (user !== undefined && allowed.includes(user)) return undefined;
  const list = allowed.join(', ');
  return user === undefined ? `it must name one of the users ${list}` : `it may use ${list} only`;
}

/** A start that brings words or variables of its own chooses what runs, as a definition does. */
export const isProgrammed = ({ env, arguments: words }: AnyBody): boolean =>
  Object.keys(env ?? {}).length > 0 || (words?.length ?? 0) > 0;
