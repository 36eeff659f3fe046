/**
 * What /proc says about processes, and which of them belong to one run.
 *
 * Pure: takes the text of /proc files and returns values; it neither reads nor signals. The idea
 * of the set: a shim is subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), so whatever its descendants
 * do (double fork, setsid, their parent's death), the chain of parents above each of them ends at
 * the shim. Following the parents of one listing of /proc therefore finds the whole tree. Only
 * when the shim itself is gone are marks left: the session it led and LOTC_RUN in the environment.
 *
 * Reference: proc(5), /proc/PID/stat; the name in brackets may hold blanks and brackets itself.
 */

/** Clock ticks a second in /proc (USER_HZ): 100 on every Linux that LOTC runs on. */
export const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly pid: number;
  /** One letter: R S D T t Z X I (proc(5)). */
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  /** CPU time of the process itself, and of its ended children that were waited for; in ticks. */
  readonly ownTicks: number;
  readonly childTicks: number;
  readonly threads: number;
  /** Ticks after the boot at which it started: with the boot's id, its identity. */
  readonly startTicks: number;
  readonly rssPages: number;
}

/** A process that can be told from a later one with the same pid, also across a reboot. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
}

/** The fields of /proc/PID/stat or of a thread's stat; undefined for what is no such line. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 1 || close < open) return undefined;
  const pid = Number(text.slice(0, open));
  const fields = text.slice(close + 2).split(' ');
  const at = (index: number): number => Number(fields[index - 3]);
  const stat: ProcessStat = {
    pid,
    state: fields[0] ?? '',
    parent: at(4),
    session: at(6),
    ownTicks: at(14) + at(15),
    childTicks: at(16) + at(17),
    threads: at(20),
    startTicks: at(22),
    rssPages: at(24),
  };
  return Number.isSafeInteger(pid) && pid > 0 && fields.length > 21 ? stat : undefined;
}

function isDead(state: string): boolean {
  return state === 'Z' || state === 'X' || state === 'x';
}

/** Ended, only not yet waited for. A first thread may end (Z) while others of its process go on. */
export function hasEnded(stat: ProcessStat): boolean {
  return isDead(stat.state) && stat.threads <= 1;
}

/** A thread stopped by a signal or held by a tracer; the dead do not count as moving. */
export function isStill(state: string): boolean {
  return state === 'T' || state === 't' || isDead(state);
}

const SIGSTOP_BIT = 1n << 18n;

/** Of /proc/PID/status: SIGSTOP was sent to the process and has not been acted on. */
export function isStopPending(status: string): boolean {
  const mask = /^ShdPnd:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) & SIGSTOP_BIT) !== 0n;
}

/** Processes by their parent: made once for a listing in which several trees are looked for. */
export function byParent(all: Iterable<ProcessStat>): Map<number, ProcessStat[]> {
  const children = new Map<number, ProcessStat[]>();
  for (const stat of all) {
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [stat]);
    else siblings.push(stat);
  }
  return children;
}

/** Every process below `root` (which is not part of it), parents before their children. */
export function descendants(all: Iterable<ProcessStat>, root: number): ProcessStat[] {
  return below(byParent(all), root);
}

export function below(
  children: ReadonlyMap<number, readonly ProcessStat[]>,
  root: number,
): ProcessStat[] {
  const found: ProcessStat[] = [...(children.get(root) ?? [])];
  const seen = new Set<number>([root, ...found.map((stat) => stat.pid)]);
  for (let i = 0; i < found.length; i += 1) {
    for (const child of children.get(found[i]?.pid ?? 0) ?? []) {
      // A listing is not one instant: a reused pid could close a circle.
      if (seen.has(child.pid)) continue;
      seen.add(child.pid);
      found.push(child);
    }
  }
  return found;
}

/** Whether an environment as in /proc/PID/environ carries `name=value`. */
export function hasVariable(environ: string, name: string, value: string): boolean {
  const wanted = `${name}=${value}`;
  return (
    environ.startsWith(`${wanted}\0`) ||
    environ.includes(`\0${wanted}\0`) ||
    environ === wanted ||
    environ.endsWith(`\0${wanted}`)
  );
}

/** Lines of one number each, as in cgroup.procs; 0 (a process of another namespace) is left out. */
export function parsePids(text: string): number[] {
  const pids: number[] = [];
  for (const line of text.split('\n')) {
    const pid = Number(line);
    if (line !== '' && Number.isSafeInteger(pid) && pid > 0) pids.push(pid);
  }
  return pids;
}

/** The value of a key in a flat file of a control group (`frozen 1`), if it has it. */
export function keyedValue(text: string, key: string): number | undefined {
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${key} `)) continue;
    const value = Number(line.slice(key.length + 1));
    return Number.isFinite(value) ? value : undefined;
  }
  return undefined;
}

/** The v2 entry of /proc/self/cgroup (`0::/a/b` → `/a/b`). */
export function ownGroup(text: string): string | undefined {
  const line = text.split('\n').find((entry) => entry.startsWith('0::/'));
  return line?.slice(3);
}

/** Mount points of cgroup v2 in /proc/self/mounts, in order; blanks there are written as \040. */
export function groupMounts(text: string): string[] {
  const points: string[] = [];
  for (const line of text.split('\n')) {
    const [, point, type] = line.split(' ');
    if (type !== 'cgroup2' || point === undefined) continue;
    points.push(
      point.replace(/\\([0-7]{3})/g, (_, o: string) => String.fromCharCode(parseInt(o, 8))),
    );
  }
  return points;
}
