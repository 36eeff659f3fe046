/**
 * Why a task is as it is on a node: from the live state and the journal to one chain of plain
 * sentences, each because of the one after it. Pure: facts in, sentences out. What is not known is
 * not guessed: a chain ends where the facts do.
 */
import { formatInstant } from '../../base/clock.ts';
import { roughDurationMs } from '../../base/duration.ts';
import { matches, parseSelector } from '../../base/selector.ts';
import type { Shape } from '../../net/layout.ts';
import { heldBy, isPreempted, type Rival, wantsRoom } from './why-room.ts';

type Process = Shape<'process'>;
type Node = Shape<'node'>;

export interface Facts {
  readonly task: Shape<'task'> | undefined;
  readonly nodes: readonly Node[];
  /** Of the task, newest first, ended ones too. */
  readonly processes: readonly Process[];
  readonly bundle: Shape<'bundle'> | undefined;
  readonly schedules: readonly Shape<'schedule'>[];
  /** Firings of the task, newest first. */
  readonly fires: readonly Shape<'fire'>[];
  readonly operations: readonly Shape<'operation'>[];
  /** Of the task, newest first. */
  readonly events: readonly Shape<'event'>[];
  /** Runs of all tasks, where it waits for room. */
  readonly rivals?: readonly Rival[] | undefined;
  readonly nowUs: number;
}

export interface Explanation {
  readonly node: string | undefined;
  readonly run: string | undefined;
  readonly state: string;
  readonly chain: readonly string[];
}

/** One of each node that the task concerns; `only`: of these nodes. */
export function explain(facts: Facts, only?: ReadonlySet<string>): readonly Explanation[] {
  const found: Explanation[] = [];
  const names = new Set(facts.nodes.map(({ node }) => node));
  for (const { node } of facts.processes) if (node !== undefined) names.add(node);
  for (const name of [...names].sort()) {
    if (only && !only.has(name)) continue;
    const process = facts.processes.find(({ node }) => node === name);
    const node = facts.nodes.find((one) => one.node === name);
    const isOutside = node && facts.task && !(selects(facts, node) && isPlaced(facts, name));
    // Where it neither belongs nor is there is nothing to ask, unless one does.
    if (isOutside && !only && (!process || hasLeft(facts, process))) continue;
    found.push(process ? ofProcess(facts, process) : ofNothing(facts, name));
  }
  const { placed, reason } = facts.task ?? {};
  if (placed && reason !== undefined && !only) {
    found.push({ node: undefined, run: undefined, state: 'waiting', chain: [reason] });
  }
  if (found.length === 0) {
    const chain = ['it has no run, and no node matches it', ...notStarting(facts, undefined)];
    found.push({ node: undefined, run: undefined, state: 'none', chain });
  }
  return found;
}

/** Of a task with `instances`: it is on this node. */
const isPlaced = ({ task }: Facts, node: string): boolean => task?.placed?.includes(node) ?? true;

/** An instance that ended where another node has taken its place. */
const hasLeft = ({ task }: Facts, { processState }: Process): boolean =>
  task?.placed !== undefined && ['exited', 'failed', 'lost'].includes(processState);

/** Why a node was chosen, or was not. */
function choice({ task }: Facts, node: string | undefined): string[] {
  const place = task?.places?.find((one) => one.node === node);
  if (!place?.text) return [];
  return [place.ok ? `node ${node} was ${place.text}` : `it is not placed there: ${place.text}`];
}

const at = (us: number | undefined): string =>
  us === undefined ? '' : ` at ${formatInstant(us).slice(0, 19)}Z`;
const dated = ({ text, at: us }: Shape<'event'>): string => `${at(us).slice(1)}: ${text}`;
const askedFor = ({ verb, who, at: us, operation: id }: Shape<'operation'>): string =>
  `${who ?? 'somebody'} asked for ${verb}${at(us)} (operation ${id})`;
const because = (reason: string | undefined): string[] => (reason ? [reason] : []);

function ofProcess(facts: Facts, process: Process): Explanation {
  const { node, run, processState: state } = process;
  const chain = [head(facts, process), ...(tails[state] ?? begun)(facts, process)];
  chain.push(...choice(facts, node));
  return { node, run, state, chain };
}

function head(facts: Facts, process: Process): string {
  const { run, processState: state, startedAt, exitedAt, exitCode, signal, suspendedAt } = process;
  if (state === 'exited') {
    const how = signal === undefined ? `with code ${exitCode ?? '?'}` : `by ${signal}`;
    return `run ${run} ended ${how}${at(exitedAt)}`;
  }
  if (state === 'suspended') return `run ${run} is suspended since${at(suspendedAt).slice(3)}`;
  if (state === 'running') {
    const since = roughDurationMs(Math.max(0, facts.nowUs - (startedAt ?? facts.nowUs)) / 1000);
    return `run ${run} has been running for ${since}`;
  }
  const ended = exitedAt === undefined ? '' : at(exitedAt);
  return `run ${run} is ${state}${ended}`;
}

type Tail = (facts: Facts, process: Process) => readonly string[];

const begun: Tail = (facts, process) => [
  ...restarted(facts, process),
  ...startedBy(facts, process),
];

const tails: Readonly<Record<string, Tail>> = {
  pending: (facts, process) => [...waitsFor(facts, process), ...begun(facts, process)],
  armed: (facts, process) => ['it is held at its gate until its instant', ...begun(facts, process)],
  suspended: (facts, process) => [
    ...because(process.reason),
    ...(isPreempted(process) ? held(facts, process) : suspendedBy(facts, process)),
    ...startedBy(facts, process),
  ],
  stopping: (facts, process) => ordered(facts, process, ['stop', 'kill', 'restart']) ?? [],
  exited: (facts, process) => [
    ...because(process.reason),
    ...(process.wish === 'down'
      ? (ordered(facts, process, ['stop', 'kill', 'restart', 'task rm']) ?? moved(facts, process))
      : policy(facts)),
    ...notStarting(facts, process.node),
  ],
  failed: (facts, process) => [
    process.reason ?? 'no reason is on record',
    ...bundleOn(facts, process.node),
    ...startedBy(facts, process),
    ...notStarting(facts, process.node),
  ],
  lost: (facts, process) => [
    process.reason ?? 'how it ended cannot be known',
    ...away(facts, process.node),
    ...notStarting(facts, process.node),
  ],
};

/** Who has what it waits for. */
const held: Tail = ({ rivals = [] }, process) =>
  wantsRoom(process) ? heldBy(rivals, process.node) : [];

const suspendedBy: Tail = (facts, process) =>
  ordered(facts, process, ['suspend'], process.suspendedAt) ?? ['nobody is on record for it'];

/** What a pending run waits for, down to what holds that up. */
function waitsFor(facts: Facts, process: Process): readonly string[] {
  const { reason, node } = process;
  const isAway = away(facts, node);
  if (isAway.length > 0) return isAway;
  return [...because(reason), ...held(facts, process), ...bundleOn(facts, node)];
}

function away(facts: Facts, name: string | undefined): string[] {
  const node = facts.nodes.find((one) => one.node === name);
  if (!node) return name === undefined ? [] : [`node ${name} was removed`];
  if (node.nodeState === 'draining') return [`node ${name} is draining: nothing starts there`];
  if (node.nodeState === 'online') return [];
  const seen = node.lastSeen === undefined ? '' : `; it was last seen${at(node.lastSeen)}`;
  return [`node ${name} is ${node.nodeState}${seen}`];
}

function bundleOn({ bundle, task }: Facts, node: string | undefined): string[] {
  if (task?.spec.bundle === undefined) return [];
  if (!bundle) return [`its bundle "${task.spec.bundle}" is not there`];
  const presence = bundle.presences?.find((one) => one.node === node);
  if (!presence) return [`its bundle "${bundle.bundle}" is not selected for node ${node}`];
  if (presence.bundleState === 'loaded') return [];
  const why = presence.reason === undefined ? '' : `: ${presence.reason}`;
  return [`its bundle "${bundle.bundle}" is ${presence.bundleState} there${why}`];
}

function restarted({ events }: Facts, { run, restarts = 0 }: Process): string[] {
  if (restarts === 0) return [];
  const last = events.find((event) => event.run === run && event.eventKind === 'process-pending');
  const times = restarts === 1 ? 'once' : `${restarts} times`;
  return [`it was restarted by its policy ${times}`, ...because(last && `last: ${last.text}`)];
}

function startedBy(facts: Facts, process: Process): string[] {
  const told = facts.events.filter(({ run }) => run === process.run);
  const move = told.find(({ eventKind }) => eventKind === 'task-moved');
  if (move) return [dated(move)];
  const fire = facts.fires.find(({ run, action }) => run === process.run && action !== 'stop');
  if (fire) return [`schedule "${fire.schedule}" fired for${at(fire.plannedUs).slice(3)}`];
  const operation = facts.operations.find((one) => one.operation === process.operation);
  if (!operation) return process.who === undefined ? [] : [`${process.who} started it`];
  return [askedFor(operation)];
}

/** Who asked for this, by a verb or a schedule: the newest of both up to `untilUs`. */
function ordered(
  facts: Facts,
  process: Process,
  verbs: readonly string[],
  untilUs = Infinity,
): readonly string[] | undefined {
  const { run, task = '', node } = process;
  const targets = new Set([run, task, `${task}@${node}`]);
  const operation = facts.operations
    .filter(({ verb, targets: of }) => verbs.includes(verb) && of.some((one) => targets.has(one)))
    .filter((one) => one.at <= untilUs && one.at >= (process.createdAt ?? 0))
    .toSorted((a, b) => b.at - a.at)[0];
  const fire = facts.fires.find(
    (one) =>
      verbs.includes(one.action) &&
      one.result === 'ok' &&
      (one.node ?? node) === node &&
      (one.run ?? run) === run &&
      one.plannedUs <= untilUs,
  );
  if (fire && fire.plannedUs > (operation?.at ?? 0))
    return [`schedule "${fire.schedule}" fired ${fire.action} for${at(fire.plannedUs).slice(3)}`];
  return operation ? [askedFor(operation)] : undefined;
}

/** The server stopped it, for it was to leave its node. */
function moved({ events }: Facts, { node, createdAt = 0 }: Process): string[] {
  const event = events.find(
    ({ eventKind, text, at: us }) =>
      eventKind === 'task-placed' && us >= createdAt && text.includes(`leaves ${node}: `),
  );
  return event ? [dated(event)] : [];
}

function policy({ task }: Facts): string[] {
  if (!task) return ['its task was removed'];
  const { restart = 'no' } = task.spec;
  if (restart === 'no') return ['its restart policy is "no": it does not begin again by itself'];
  return [`its restart policy is "${restart}"`];
}

/** Why nothing of it starts next, or when it does. */
function notStarting(facts: Facts, node: string | undefined): string[] {
  const { task, schedules } = facts;
  if (!task) return [];
  const lines: string[] = [];
  if (!task.enabled) {
    const by = facts.events.find(({ eventKind }) => eventKind === 'task-disabled');
    const who = by ? ` (${by.who ?? 'somebody'}${at(by.at)})` : '';
    lines.push(`the task is disabled${who}: it does not start`);
  }
  const skipped = facts.fires.find((fire) => (fire.node ?? node) === node);
  if (skipped?.result && skipped.result !== 'ok') {
    const why = skipped.reason === undefined ? '' : `: ${skipped.reason}`;
    const planned = at(skipped.plannedUs).slice(4);
    lines.push(
      `the firing of schedule "${skipped.schedule}" for ${planned} ${was(skipped.result)}${why}`,
    );
  }
  for (const { schedule, action, paused, pausedOn = [], next = [] } of schedules) {
    if (action !== 'start' && action !== 'restart') continue;
    if (paused || (node !== undefined && pausedOn.includes(node)))
      lines.push(`schedule "${schedule}" is paused${paused ? '' : ` on ${node}`}`);
    else if (next[0] !== undefined)
      lines.push(`schedule "${schedule}" starts it next${at(next[0])}`);
    else lines.push(`schedule "${schedule}" has no instant left`);
  }
  return lines;
}

const was = (result: string): string =>
  result === 'skipped' ? 'was skipped' : result === 'lost' ? 'is lost' : 'failed';

/** A node on which it never ran. */
function ofNothing(facts: Facts, name: string): Explanation {
  const node = facts.nodes.find((one) => one.node === name);
  const chain = [`it has not run on node ${name}`];
  if (node && facts.task && !selects(facts, node)) {
    const { on } = facts.task.spec;
    const labels = Object.entries(node.labels ?? {}).map(([key, value]) => `${key}=${value}`);
    chain.push(
      on === undefined
        ? `its bundle "${facts.task.spec.bundle ?? ''}" is not selected for that node`
        : `its selector "${on}" does not match the node (labels: ${labels.join(', ') || 'none'})`,
    );
    return { node: name, run: undefined, state: 'not selected', chain };
  }
  if (!isPlaced(facts, name)) {
    chain.push(...choice(facts, name));
    return { node: name, run: undefined, state: 'not placed', chain };
  }
  chain.push(...away(facts, name), ...bundleOn(facts, name));
  const next = notStarting(facts, name);
  chain.push(...(next.length > 0 ? next : ['nobody has started it there, and no schedule does']));
  return { node: name, run: undefined, state: 'none', chain };
}

function selects({ task, bundle }: Facts, node: Node): boolean {
  const { on, bundle: name } = task?.spec ?? {};
  if (on !== undefined) {
    return matches(parseSelector(on), { name: node.node, labels: node.labels ?? {} });
  }
  if (name === undefined) return true;
  return bundle?.presences?.some((one) => one.node === node.node) ?? false;
}
