/**
 * Who a task runs as: `--user NAME|UID[:GROUP|GID]` out of /etc/passwd and /etc/group.
 *
 * Node has no getgrouplist(3), and its spawn would set no supplementary groups; the shim sets what
 * is found here. Users of other sources (LDAP through NSS) are not seen: their number with a group
 * (`--user 1200:1200`) works, without supplementary groups.
 */
import { readFileSync, statSync } from 'node:fs';
import { LotcError } from '../base/errors.ts';
import { findUser, type RunUser } from './user.ts';

const PASSWD = '/etc/passwd';
const GROUP = '/etc/group';

/** Users that were found, by how they were asked for, as long as the files are the same. */
const found = new Map<string | undefined, RunUser>();
let foundIn = '';

/** `spec` undefined: the agent's own user. A user the agent cannot become is refused here. */
export function resolveUser(spec: string | undefined): RunUser {
  const files = stamp(PASSWD) + stamp(GROUP);
  if (files !== foundIn) found.clear();
  foundIn = files;
  const known = found.get(spec);
  if (known) return known;
  const user = lookUp(spec);
  found.set(spec, user);
  return user;
}

/** A file that was written or replaced has another. */
function stamp(path: string): string {
  const { ino = 0, size = 0, ctimeMs = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return `${ino} ${size} ${ctimeMs};`;
}

function lookUp(spec: string | undefined): RunUser {
  const ownUid = process.geteuid?.() ?? 0;
  const ownGid = process.getegid?.() ?? 0;
  const databases = { passwd: read(PASSWD), group: read(GROUP) };
  if (spec === undefined) {
    const own = findUser(`${ownUid}:${ownGid}`, databases);
    const groups = process.getgroups?.() ?? [];
    if (typeof own === 'string') throw new LotcError('exec-failed', own);
    return { ...own, groups: [...new Set([ownGid, ...groups])] };
  }
  const user = findUser(spec, databases);
  if (typeof user === 'string') {
    throw new LotcError('exec-failed', user, {
      hint: 'create it there, or change the task: lotc admin task set NAME --user USER',
    });
  }
  if (ownUid !== 0 && (user.uid !== ownUid || user.gid !== ownGid)) {
    throw new LotcError(
      'exec-failed',
      `this node's agent is not root and cannot become "${spec}"`,
      {
        hint: 'run the agent as root, or leave --user out',
      },
    );
  }
  return user;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
