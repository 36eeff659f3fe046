/**
 * Orders: each is carried out once, in the order of its generation, judged by what is true here,
 * and answered when it is done.
 *
 * Once, over crashes: a start is claimed by the creation of its run's directory, so it need not
 * wait until its order is stored; stop and kill repeat without harm. The others wait until they
 * are durable, and a signal is also marked as begun, since nothing shows whether it was sent.
 * Suspend and resume take time: the next such order of the run waits for them; stop and kill
 * overtake nothing but do not wait for their end.
 */

import { type ErrorCode, errorCodeOf, errorCodes } from '../../base/errors.ts';
import { type Verb, verbWith, verdictOf, verdicts } from '../../base/verbs.ts';
import type { Shape } from '../../net/bodies.ts';
import { isPreempted } from '../../supervisor/preemption.ts';
import { judgedState, mayComeBack } from '../../supervisor/process.ts';
import { hasEnded } from '../../supervisor/states.ts';
import { resumeByHand, suspendByHand } from './by-hand.ts';
import type { AgentAction, Item, StoredItem, StoredRun, Time } from './events.ts';
import type { Ledger } from './ledger.ts';
import type { Reports } from './reports.ts';
import type { Runs } from './runs.ts';
import { alreadySo, interrupted, refusal, settle } from './verdict.ts';

export interface OrderPorts {
  readonly ledger: Ledger;
  readonly reports: Reports;
  readonly act: (action: AgentAction) => void;
  time(): Time;
  runs(): Runs;
}

interface Open {
  stored: StoredItem;
  durable: boolean;
  /** Given by an earlier life of the agent: it may have been carried out already. */
  readonly again: boolean;
  state: 'queued' | 'waiting' | 'signalling';
}

const EXPIRED = 'the order had expired when it reached the node';

/** Verbs that need not be durable before they are begun: see above. */
const atOnce: ReadonlySet<Verb> = new Set(['start', 'restart', 'stop', 'kill']);

export class Orders {
  readonly #ports: OrderPorts;
  /** Everything assigned, answered or not, by item key. */
  readonly #items = new Map<string, StoredItem>();
  /** Not answered yet, by run, in order. */
  readonly #open = new Map<string, Open[]>();
  /** At a start, nothing is done before every run is known. */
  #begun = false;

  constructor(ports: OrderPorts) {
    this.#ports = ports;
  }

  get names(): Iterable<string> {
    return this.#items.keys();
  }

  /** Orders of an earlier life, in the order of their generation; `begin` takes them up. */
  load(items: readonly StoredItem[]): void {
    const inOrder = [...items].sort((a, b) => a.item.generation - b.item.generation);
    for (const stored of inOrder) {
      this.#items.set(stored.item.item, stored);
      if (!stored.answered) this.#enqueue({ stored, durable: true, again: true, state: 'queued' });
    }
  }

  begin(): void {
    this.#begun = true;
    for (const run of [...this.#open.keys()]) this.pump(run);
  }

  /** Stores an order that is new; `pump` of its run is due at once and when it is durable. */
  assign(item: Item): void {
    const known = this.#items.get(item.item);
    if (known) {
      if (known.item.generation !== item.generation) this.#store({ ...known, item });
      return;
    }
    const begun = verbWith(item.verb, item.signal) === 'signal' ? true : undefined;
    const stored: StoredItem = { item, begun };
    this.#store(stored);
    const open: Open = { stored, durable: false, again: false, state: 'queued' };
    this.#enqueue(open);
    this.#ports.ledger.after(() => {
      open.durable = true;
      this.pump(item.run ?? '');
    });
    this.pump(item.run ?? '');
  }

  /** No longer assigned: forgotten; what had not been carried out is cancelled. */
  remove(key: string): void {
    const stored = this.#items.get(key);
    if (!stored) return;
    this.#items.delete(key);
    this.#ports.ledger.remove('items', key);
    const run = stored.item.run ?? '';
    this.#close(run, key);
    const verb = verbWith(stored.item.verb, stored.item.signal);
    const isStart = verb === 'start' || verb === 'restart';
    if (isStart && this.#ports.runs().get(run)?.process.state === 'pending') {
      this.#ports.runs().apply(run, { event: 'want-stop' });
    }
    this.pump(run);
  }

  /** A run has changed: answers that are due, then what waited behind them. */
  settled(run: string): void {
    if (!this.#begun) return;
    for (const open of [...(this.#open.get(run) ?? [])]) {
      if (open.state !== 'waiting') continue;
      const answer = settle(open.stored.item, this.#ports.runs().get(run)?.process);
      if (answer) this.#answer(open, answer);
    }
    this.pump(run);
  }

  signalled(order: string, run: string, reason: string | undefined): void {
    const open = this.#open.get(run)?.find((one) => one.stored.item.item === order);
    if (open?.state !== 'signalling') return;
    const failed = { ok: false, errorCode: errorCodes.failed.number, text: reason, run };
    this.#answer(open, reason === undefined ? { ok: true, run } : failed);
    this.pump(run);
  }

  /** Carries out what is next for a run, as far as that goes now. */
  pump(run: string): void {
    if (!this.#begun) return;
    for (const open of [...(this.#open.get(run) ?? [])]) {
      if (open.state !== 'queued') continue;
      const { verb: asked, signal } = open.stored.item;
      const verb = verbWith(asked, signal);
      if (!open.durable && !atOnce.has(verb)) return;
      const state = this.#ports.runs().get(run)?.process.state;
      const moving = state === 'freezing' || state === 'thawing';
      if (moving && (verb === 'suspend' || verb === 'resume')) return;
      this.#carryOut(open, verb);
    }
  }

  #carryOut(open: Open, verb: Verb): void {
    const { item, begun } = open.stored;
    const { run = '' } = item;
    const runs = this.#ports.runs();
    const { process } = runs.get(run) ?? {};
    open.state = 'waiting';
    if (open.again && begun) {
      this.#answer(open, interrupted(run));
      return;
    }
    if (verb === 'start' || verb === 'restart') {
      this.#start(open, verb);
      return;
    }
    const before = open.again ? settle(item, process) : undefined;
    if (before?.ok) {
      this.#answer(open, before);
      return;
    }
    if (item.errorCode !== undefined) {
      // What it waits for will not come; one that has begun meanwhile is not meant.
      const errorCode = errorCodeOf(item.errorCode);
      if (process?.state !== 'pending') this.#answer(open, alreadySo(item, process));
      else runs.apply(run, { event: 'give-up', reason: item.text ?? errorCode, errorCode });
      return;
    }
    if (this.#isExpired(item)) {
      this.#refuse(open, 'expired', EXPIRED);
      return;
    }
    const verdict = verdictOf(verb, judgedState(process), isPreempted(process));
    const ended = process && hasEnded(process.state) ? (process.exitedAt ?? 0) : undefined;
    if (verb === 'kill' && ended !== undefined && ended >= (item.at ?? Infinity)) {
      // By this very order, before a crash, or by itself.
      this.#answer(open, { ok: true, run });
    } else if (verdict === 'done' && !(verb === 'stop' && mayComeBack(process))) {
      this.#answer(open, alreadySo(item, process));
    } else if (verdict !== 'act' && verdict !== 'done')
      this.#answer(open, refusal(verdict, item, process));
    else this.#act(open, verb);
  }

  #act(open: Open, verb: Verb): void {
    const { item } = open.stored;
    const { order = item.item, run = '', signal = 'SIGTERM', stopSignal, stopGraceMs } = item;
    const runs = this.#ports.runs();
    switch (verb) {
      case 'suspend':
        suspendByHand(runs, run, item.who);
        this.settled(run);
        break;
      case 'resume':
        resumeByHand(runs, run);
        break;
      case 'stop': {
        const signalled = stopSignal === undefined ? {} : { signal: stopSignal };
        const graced = stopGraceMs === undefined ? {} : { graceMs: stopGraceMs };
        runs.apply(run, { event: 'want-stop', stop: { ...signalled, ...graced } });
        break;
      }
      case 'kill':
        runs.apply(run, { event: 'want-kill' });
        break;
      case 'signal':
        open.state = 'signalling';
        this.#ports.act({ type: 'signal', run, signal, order });
        break;
      case 'start':
      case 'restart':
        break;
    }
  }

  #start(open: Open, verb: 'start' | 'restart'): void {
    const { item } = open.stored;
    const { run = '', previous, task } = item;
    const runs = this.#ports.runs();
    if (!item.spec) {
      this.#refuse(open, 'internal', `order ${item.item} does not say what to start`);
      return;
    }
    if (runs.get(run)) {
      this.settled(run);
      return;
    }
    const other = runs.liveOf(task).find((stored) => stored.process.run !== previous);
    runs.create(item);
    if (item.errorCode !== undefined) {
      // It never was to begin: what waits for it here goes by that.
      const errorCode = errorCodeOf(item.errorCode);
      runs.apply(run, { event: 'give-up', reason: item.text ?? errorCode, errorCode });
      return;
    }
    if (other && verb === 'start') {
      this.#yield(open, other);
      return;
    }
    if (this.#isExpired(item)) {
      runs.apply(run, { event: 'give-up', reason: EXPIRED, errorCode: 'expired' });
      return;
    }
    const old = previous === undefined ? undefined : runs.get(previous);
    if (old && !hasEnded(old.process.state)) runs.apply(old.process.run, { event: 'want-stop' });
    runs.evaluate(run);
  }

  /** The task runs here already, which the server did not know: no second one beside it. */
  #yield(open: Open, other: StoredRun): void {
    const { item } = open.stored;
    const { run = '' } = item;
    const verdict = verdicts.start[judgedState(other.process)];
    const answer =
      verdict === 'done'
        ? { ok: true, unchanged: true, run: other.process.run }
        : refusal(verdict === 'act' ? 'running' : verdict, item, other.process);
    this.#answer(open, answer);
    const reason = `the task runs here already, as ${other.process.run}`;
    this.#ports.runs().apply(run, { event: 'give-up', reason, errorCode: 'running' });
  }

  #isExpired({ expiresAt }: Item): boolean {
    return expiresAt !== undefined && this.#ports.time().atUs >= expiresAt;
  }

  #refuse(open: Open, code: ErrorCode, text: string): void {
    const { run } = open.stored.item;
    this.#answer(open, { ok: false, errorCode: errorCodes[code].number, text, run });
  }

  #answer(open: Open, answer: Shape<'answer'>): void {
    const { item } = open.stored;
    this.#close(item.run ?? '', item.item);
    this.#store({ ...open.stored, answered: true });
    const { order = item.item, task } = item;
    this.#ports.reports.answer(order, { task, ...answer }, this.#ports.time().atUs);
  }

  #store(stored: StoredItem): void {
    this.#items.set(stored.item.item, stored);
    this.#ports.ledger.put('items', stored.item.item, stored);
  }

  #enqueue(open: Open): void {
    const run = open.stored.item.run ?? '';
    const queue = this.#open.get(run);
    if (queue) queue.push(open);
    else this.#open.set(run, [open]);
  }

  #close(run: string, key: string): void {
    const left = (this.#open.get(run) ?? []).filter((open) => open.stored.item.item !== key);
    if (left.length === 0) this.#open.delete(run);
    else this.#open.set(run, left);
  }
}
