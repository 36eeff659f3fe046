/**
 * What the agent knows of one run's shim, and what an earlier life of the agent left behind: the
 * order file, a shim that answers, the record of an exit. Facts only; what follows is boot.ts's.
 * Where none of them says what became of a launch, the shim's socket decides: a shim binds it
 * before it starts anything, so whoever takes the name first settles whether the run was launched.
 */
import { closeSync, lstatSync, openSync } from 'node:fs';
import { step } from '../../base/step.io.ts';
import { paths } from '../../supervisor/paths.ts';
import { bootId } from '../../supervisor/proc.io.ts';
import { launchFault } from '../../supervisor/reason.ts';
import { attachShim, readExitRecord, type ShimHandle } from '../../supervisor/shim.io.ts';
import type {
  Acted as ActedEvent,
  Failed,
  TimedAct as ShimAct,
  ShimEvent,
  Started,
} from '../../supervisor/shim.ts';
import type { ProcessIdentity } from '../../supervisor/tree.ts';
import { asRecorded, type EndPlace, endOf, type TrueTime } from './end.io.ts';
import type { Acted, FoundRun, Item, Started as StartFacts } from './events.ts';
import { gateOf } from './firing.ts';
import { readOrder } from './order-file.io.ts';
import { type Said, stderrBytes } from './tail.io.ts';

/** What the answer to a `mark` is told as. */
export type Mark = 'marked' | 'retracted';

export interface Attached extends Said {
  readonly order: Item;
  /** 0 for the first launch of the run; then its restarts. */
  readonly launch: number;
  handle: ShimHandle | undefined;
  shim: ProcessIdentity | undefined;
  program: string;
  cwd: string | undefined;
  /** True time until which the program is held at its gate. */
  gateUs?: number | undefined;
  /** What its shim does by itself, and the true time of each. */
  readonly acts: Map<ShimAct, number>;
  /** It was cancelled there: what comes is the shim's end. */
  disarmed?: true;
  /** The shim has said how it ended, or that it never began. */
  over: boolean;
  /** It has said that no process of the run is left. */
  isEmpty?: true;
  /** Who has asked the shim for `marked`, in order. */
  marks: Mark[];
  /** Events wait here until the core asks for them. */
  held: ShimEvent[] | undefined;
}

export interface InspectOptions extends EndPlace {
  readonly directory: string;
  hear(attached: Attached, event: ShimEvent): void;
}

/** `attached` where a shim answers; its events are held until somebody asks for them. */
export async function inspectRun(
  options: InspectOptions,
): Promise<{ readonly found: FoundRun; readonly attached?: Attached }> {
  const { directory, run } = options;
  const file = await readOrder(paths(directory, run).order);
  if (!file) return { found: { run, launch: 0, found: { kind: 'unlaunched' } } };
  const { order, launch } = file;
  const places = paths(directory, run, launch);
  const what = { run, order, launch };
  const fresh = newAttached({ order, launch, cwd: places.work, logs: places.logs });
  const gateUs = launch === 0 ? gateOf(order) : undefined;
  const attached: Attached = { ...fresh, gateUs, saidBytes: 0, held: [] };
  const hear = (event: ShimEvent): void => options.hear(attached, event);
  attached.handle = await attachShim(places.socket, hear);
  const sameBoot = file.boot === bootId();
  let record = await readRecord(places.exit);
  if (!attached.handle && !record && sameBoot) {
    const barred = bar(places.socket);
    step('boot: name barred');
    if (!barred) attached.handle = await attachLate(places.socket, hear);
    record = attached.handle ? undefined : await readRecord(places.exit);
    if (barred && !record) return { found: { run, launch, found: { kind: 'unlaunched' } } };
  }
  step('boot: run inspected');
  if (attached.handle) {
    await said(attached);
    const acted = (attached.held ?? []).flatMap((event) => {
      return event.kind === 'acted' ? (actedOf(event, options.trueAt) ?? []) : [];
    });
    return { found: { ...what, acted, found: { kind: 'alive', frozen: false } }, attached };
  }
  if (record?.end.kind === 'exited') {
    const trueAt = sameBoot ? options.trueAt : asRecorded;
    const started = record.started && startedOf(record.started, trueAt);
    const end = endOf(record.end, { ...options, trueAt });
    const { lapsed, acted: did = [] } = record;
    const acted = did.flatMap((event) => actedOf(event, trueAt) ?? []);
    return { found: { ...what, acted, found: { kind: 'recorded', started, end, lapsed } } };
  }
  if (record?.end.step === CANCELLED) return { found: { ...what, found: { kind: 'disarmed' } } };
  if (record) {
    const { text: reason, code: errorCode } = faultOf(record.end, attached);
    return { found: { ...what, found: { kind: 'not-started', reason, errorCode } } };
  }
  const reason = sameBoot ? 'the shim died' : 'the node was rebooted';
  return { found: { ...what, found: { kind: 'dead', reason } } };
}

const readRecord = (path: string) => readExitRecord(path).catch(() => undefined);

/**
 * Takes the name a shim binds before it starts anything, so that one still on its way from an
 * earlier life of the agent can start nothing any more. False: one has bound it already.
 */
function bar(socket: string): boolean {
  try {
    closeSync(openSync(socket, 'wx', 0o600));
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    // A plain file is the bar of an agent that died right after it.
    return lstatSync(socket).isFile();
  }
}

/** From bind(2) to listen(2) a shim that starts right now refuses connections. */
const LISTENS_MS = 500;

async function attachLate(
  socket: string,
  hear: (event: ShimEvent) => void,
): Promise<ShimHandle | undefined> {
  const until = performance.now() + LISTENS_MS;
  for (;;) {
    const handle = await attachShim(socket, hear);
    if (handle || performance.now() > until) return handle;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const HELLO_MS = 1_000;

/** A shim says its state at once: who it is, and all that has happened. */
async function said(attached: Attached): Promise<void> {
  const until = performance.now() + HELLO_MS;
  attached.handle?.send({ kind: 'mark' });
  // One of an earlier version does not know the command, and says so as late.
  const isOver = ({ kind }: ShimEvent): boolean => kind === 'marked' || kind === 'error';
  const isWhole = (): boolean => attached.shim !== undefined && !!attached.held?.some(isOver);
  while (!isWhole() && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  attached.held = attached.held?.filter((event) => !isOver(event));
}

export interface AttachedDraft {
  readonly order: Item;
  readonly launch: number;
  readonly cwd: string | undefined;
  readonly logs: string;
}

export function newAttached({ order, launch, cwd, logs }: AttachedDraft): Attached {
  const program = order.spec?.command[0] ?? '';
  const unknown = {
    handle: undefined,
    shim: undefined,
    held: undefined,
    acts: new Map(),
    marks: [],
  };
  const said = { logs, saidBytes: stderrBytes(logs) };
  return { ...unknown, ...said, order, launch, program, cwd, over: false };
}

export function faultOf(event: Failed, { program, cwd }: Attached): ReturnType<typeof launchFault> {
  return launchFault({ step: event.step, errno: event.errno, program, cwd });
}

/** The step of a launch that was cancelled at its gate. */
export const CANCELLED = 'cancelled';

/** Undefined: it could not be done. */
export function actedOf(event: ActedEvent, trueAt: TrueTime): Acted | undefined {
  const { name, errno, monotonicUs } = event;
  if (name === 'lease' || errno !== 0) return undefined;
  return { act: name, ...trueAt({ monotonicUs, realUs: 0 }) };
}

export function startedOf(event: Started, trueAt: TrueTime): StartFacts {
  const { pid, startTicks } = event;
  return { pid, startTicks, ...trueAt(event) };
}
