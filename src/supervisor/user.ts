/** The user and group databases as passwd(5) and group(5) have them. Pure: text in, user out. */

export interface RunUser {
  readonly uid: number;
  readonly gid: number;
  /** Every group of the process, `gid` among them. */
  readonly groups: readonly number[];
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

export interface Databases {
  readonly passwd: string;
  readonly group: string;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** 2^32 - 1 means "do not change" to setuid(2) and its like. */
const ID_MAX = 0xffff_fffe;

/** The user that `NAME|UID[:GROUP|GID]` names, or the sentence that says why there is none. */
export function findUser(spec: string, databases: Databases): RunUser | string {
  const colon = spec.indexOf(':');
  const who = colon < 0 ? spec : spec.slice(0, colon);
  const wantedGroup = colon < 0 ? undefined : spec.slice(colon + 1);
  const groups = parseGroups(databases.group);
  let gid: number | undefined;
  if (wantedGroup !== undefined) {
    gid = groups.find((group) => group.name === wantedGroup)?.gid ?? numericId(wantedGroup);
    if (gid === undefined) return `group "${wantedGroup}" does not exist on this node`;
  }
  const known = findEntry(who, databases.passwd);
  if (known === undefined) {
    const uid = numericId(who);
    if (uid === undefined || gid === undefined) return `user "${who}" does not exist on this node`;
    return { uid, gid, groups: [gid], name: String(uid), home: '/', shell: '/bin/sh' };
  }
  const primary = gid ?? known.gid;
  const more = groups.filter((group) => group.members.includes(known.name));
  const all = new Set([primary, ...more.map((group) => group.gid)]);
  return { ...known, gid: primary, groups: [...all] };
}

/** A name wins over a number: a user may be called "1000". */
function findEntry(who: string, passwd: string): Omit<RunUser, 'groups'> | undefined {
  const entries = parsePasswd(passwd);
  const uid = numericId(who);
  return entries.find((entry) => entry.name === who) ?? entries.find((entry) => entry.uid === uid);
}

function parsePasswd(text: string): Omit<RunUser, 'groups'>[] {
  const entries: Omit<RunUser, 'groups'>[] = [];
  for (const line of text.split('\n')) {
    const [name, , uidText, gidText, , home, shell] = line.split(':');
    const uid = numericId(uidText ?? '');
    const gid = numericId(gidText ?? '');
    if (!name || name.startsWith('#') || uid === undefined || gid === undefined) continue;
    entries.push({ name, uid, gid, home: home || '/', shell: shell || '/bin/sh' });
  }
  return entries;
}

function parseGroups(text: string): Group[] {
  const groups: Group[] = [];
  for (const line of text.split('\n')) {
    const [name, , gidText, members] = line.split(':');
    const gid = numericId(gidText ?? '');
    if (!name || name.startsWith('#') || gid === undefined) continue;
    groups.push({ name, gid, members: (members ?? '').split(',').filter((one) => one !== '') });
  }
  return groups;
}

function numericId(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= ID_MAX ? id : undefined;
}
