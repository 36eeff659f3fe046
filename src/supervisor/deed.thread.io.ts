/**
 * The thread that does at an instant what no shim can do in one write: to stop, to signal, and
 * without control groups to suspend, resume and kill. It sleeps and does nothing else, so a busy
 * agent makes nothing late.
 *
 * A deed is done once: whoever turns its word first, this thread or the agent that wants to do it
 * itself or not at all, has decided (DeedThread). The last moments pass in a wait that turning the
 * word ends, the very last in a loop: a timer of a loaded node would be some milliseconds late.
 */
import { parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { LotcError } from '../base/errors.ts';
import type { Containment } from './containment.io.ts';
import { type RunTree, RunTrees } from './tree.io.ts';
import type { ProcessStat } from './tree.ts';
import { signalSame } from './walk.io.ts';

export type DeedKind = 'freeze' | 'thaw' | 'kill' | 'stop' | 'signal';

export interface Deed {
  readonly kind: DeedKind;
  readonly tree: RunTree;
  /** Of `stop` and `signal`. */
  readonly signal?: number | undefined;
  /** Of `signal`: whom. */
  readonly main?: Pick<ProcessStat, 'pid' | 'startTicks'> | undefined;
}

export interface ToDeedThread {
  readonly no: number;
  readonly deed: Deed;
  readonly containment: Containment;
  /** On CLOCK_MONOTONIC. */
  readonly atUs: number;
  /** One word of `words`. */
  readonly word: SharedArrayBuffer;
}

/** When it was done, on CLOCK_MONOTONIC; `reason`: it could not be. */
export interface FromDeedThread {
  readonly no: number;
  readonly atUs: number;
  readonly reason?: string | undefined;
}

/** `taken` by this thread; `dropped` by the agent. */
export const words = { planned: 0, taken: 1, dropped: 2 } as const;

/** Time enough to look who is there. */
const EARLY_MS = 100;
const SPIN_US = 300;
const TIMER_MS_MAX = 30_000;

const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

export function run(): void {
  const port = parentPort;
  assert(port !== null, 'deeds are done in a thread of their own');
  port.on('message', (order: ToDeedThread) => {
    sleep(order, (said: FromDeedThread) => port.postMessage(said, []));
  });
}

function sleep(order: ToDeedThread, say: (said: FromDeedThread) => void): void {
  const waitMs = (order.atUs - nowUs()) / 1_000 - EARLY_MS;
  const word = new Int32Array(order.word);
  setTimeout(
    () => {
      if (Atomics.load(word, 0) !== words.planned) return;
      if (order.atUs - nowUs() > 2 * EARLY_MS * 1_000) sleep(order, say);
      else void carryOut(order, word).then((said) => said && say(said));
    },
    Math.min(Math.max(0, waitMs), TIMER_MS_MAX),
  );
}

async function carryOut(
  { no, atUs, deed, containment }: ToDeedThread,
  word: Int32Array,
): Promise<FromDeedThread | undefined> {
  const trees = new RunTrees(containment);
  const known = deed.kind === 'signal' ? [] : await trees.look(deed.tree).catch(() => []);
  const leftUs = atUs - SPIN_US - nowUs();
  if (leftUs > 0) Atomics.wait(word, 0, words.planned, leftUs / 1_000);
  while (nowUs() < atUs && Atomics.load(word, 0) === words.planned);
  const was = Atomics.compareExchange(word, 0, words.planned, words.taken);
  if (was !== words.planned) return undefined;
  try {
    return { no, atUs: await act(trees, deed, known) };
  } catch (error) {
    return { no, atUs: nowUs(), reason: (error as Error).message };
  }
}

const sent = { freeze: 'SIGSTOP', thaw: 'SIGCONT', kill: 'SIGKILL' } as const;

/** When everybody who was known to be there had been told; what is missed then is seen to after. */
async function act(trees: RunTrees, deed: Deed, known: readonly ProcessStat[]): Promise<number> {
  const { kind, tree, signal = 0, main } = deed;
  if (kind === 'signal') {
    if (main && signalSame(main, signal)) return nowUs();
    throw new LotcError('not-running', 'its main process is not there any more');
  }
  if (kind === 'stop') {
    if (trees.groupPath(tree.run) !== undefined) await trees.thaw(tree).catch(() => undefined);
    const told = trees.signalTree(tree, signal, true, known);
    const atUs = nowUs();
    await told;
    return atUs;
  }
  for (const stat of known) signalSame(stat, sent[kind]);
  const atUs = nowUs();
  if (kind === 'freeze') await trees.freeze(tree);
  else if (kind === 'thaw') await trees.thaw(tree);
  else await trees.killTree(tree);
  return atUs;
}
