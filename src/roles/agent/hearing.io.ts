/**
 * What a run's shim says, told to the core: in its order, in true time, and only of the launch that
 * is the run's present one. Where the channel closes without a last word, what became of the run is
 * looked for.
 */
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import type { SystemClock } from '../../scheduler/system-clock.ts';
import { paths } from '../../supervisor/paths.ts';
import { isAlive, processStart } from '../../supervisor/proc.io.ts';
import { attachShim, readExitRecord } from '../../supervisor/shim.io.ts';
import type {
  Acted as ActedEvent,
  Exited,
  Failed,
  TimedAct as ShimAct,
  ShimEvent,
} from '../../supervisor/shim.ts';
import type { RunTrees } from '../../supervisor/tree.io.ts';
import { type Attached, actedOf, CANCELLED, faultOf, startedOf } from './attached.io.ts';
import { endOf, type TrueTime } from './end.io.ts';
import type { RunEvent } from './events.ts';
import { InOrder } from './in-order.ts';
import { ageMs, vitalOf } from './vital.io.ts';
import type { Watch } from './watch.io.ts';

export interface HearingOptions {
  readonly directory: string;
  readonly trees: RunTrees;
  readonly log: Log;
  readonly watch: Pick<Watch, 'quiet'>;
  readonly clock: Pick<SystemClock, 'trueAt' | 'monotonicOf' | 'monotonicUs'>;
  readonly emit: (run: string, event: RunEvent) => void;
  /** Until all is told that the thread for deeds has done to the run. */
  deedsTold(run: string): Promise<void>;
  /** Whether that is the launch the run is at. */
  isPresent(run: string, attached: Attached): boolean;
}

export class Hearing {
  readonly #options: HearingOptions;
  /** What is told of a run keeps its order, also where something has to be looked up first. */
  readonly #told: InOrder;
  /** A shim that sleeps on another clock than ours has only what its system clock said. */
  readonly trueAt: TrueTime = ({ monotonicUs, realUs }) => {
    const { clock } = this.#options;
    const at = clock.trueAt(monotonicUs);
    const isPast = at.atUs >= 0 && monotonicUs <= clock.monotonicUs();
    return isPast ? at : { atUs: realUs };
  };

  constructor(options: HearingOptions) {
    this.#options = options;
    this.#told = new InOrder((run, error) => {
      options.log('error', 'a run was not heard', { run, reason: String(error) });
    });
  }

  hear(run: string, attached: Attached, event: ShimEvent): void {
    if (event.kind === 'hello') attached.shim = processStart(event.shimPid);
    if (attached.held) {
      attached.held.push(event);
      return;
    }
    const { emit, log, watch } = this.#options;
    const vital = vitalOf(event);
    if (vital?.kind === 'marked' && attached.marks.shift() === 'retracted') {
      this.#retracted(run);
      return;
    }
    if (vital) {
      if (event.kind === 'quiet') watch.quiet(run, event.ticks);
      emit(run, vital);
      return;
    }
    switch (event.kind) {
      case 'armed':
        this.#armed(run, attached, event.plannedUs);
        break;
      case 'started': {
        attached.gateUs = undefined;
        const started = startedOf(event, this.trueAt);
        emit(run, { kind: 'started', started, sinceMs: ageMs(event.monotonicUs) });
        break;
      }
      case 'failed':
        this.#failed(run, attached, event);
        break;
      case 'exited':
        this.#exited(run, attached, event);
        break;
      case 'gone':
        this.#gone(run, attached);
        break;
      case 'detached':
        attached.handle = undefined;
        this.#detached(run, attached);
        break;
      case 'record-failed':
      case 'log-failed':
        log('warn', 'the shim cannot write', { run, what: event.kind, errno: event.errno });
        break;
      case 'error':
        // Moved or cancelled what had been fired a moment before; or the agent does it itself.
        if (event.reason === 'not-armed' || event.reason === 'no-group') break;
        log('warn', 'the shim said something unexpected', { run, ...event });
        break;
      case 'unknown':
        log('warn', 'the shim said something unexpected', { run, ...event });
        break;
      case 'acted':
        this.#acted(run, attached, event);
        break;
      default:
        break;
    }
  }

  /** One instant of each deed at a time: the next. */
  plan(attached: Attached, act: ShimAct, atUs: number | undefined): void {
    const { acts, handle } = attached;
    const known = acts.get(act);
    const isLater = atUs !== undefined && known !== undefined && known < atUs;
    if (isLater && this.#options.clock.monotonicOf(known) > this.#options.clock.monotonicUs())
      return;
    if (atUs === undefined) acts.delete(act);
    else acts.set(act, atUs);
    const at = atUs === undefined ? 0 : this.#options.clock.monotonicOf(atUs);
    handle?.send({ kind: 'at', act, atUs: at });
  }

  /** The instant as it is now: it may have moved since the shim was told, or the agent died. */
  move(attached: Attached, plannedUs?: number): void {
    const { acts, gateUs, handle } = attached;
    if (plannedUs === undefined) for (const [act, atUs] of acts) this.plan(attached, act, atUs);
    if (gateUs === undefined) return;
    const atUs = this.#options.clock.monotonicOf(gateUs);
    if (plannedUs !== undefined && Math.abs(atUs - plannedUs) <= limits.movedUs) return;
    handle?.send({ kind: 'gate', atUs });
  }

  /** Answered by `retracted`, when all is told that its shim has done by itself. */
  askDone(run: string, attached: Attached | undefined): void {
    if (!attached?.handle) return this.#retracted(run);
    attached.marks.push('retracted');
    attached.handle.send({ kind: 'mark' });
  }

  #retracted(run: string): void {
    this.#told.do(run, () => this.#options.emit(run, { kind: 'retracted' }));
  }

  #armed(run: string, attached: Attached, plannedUs: number): void {
    this.move(attached, plannedUs);
    this.#options.emit(run, { kind: 'armed' });
  }

  #acted(run: string, { acts }: Attached, event: ActedEvent): void {
    if (event.name === 'lease') {
      this.#options.emit(run, { kind: 'lease-over' });
      return;
    }
    acts.delete(event.name);
    this.#options.trees.notFresh(run);
    const acted = actedOf(event, this.trueAt);
    if (acted) this.#options.emit(run, { kind: 'acted', acted });
  }

  #failed(run: string, attached: Attached, event: Failed): void {
    attached.over = true;
    attached.gateUs = undefined;
    if (event.step === CANCELLED) {
      attached.disarmed = true;
      return;
    }
    const { text, code } = faultOf(event, attached);
    this.#options.emit(run, { kind: 'launch-failed', reason: text, errorCode: code });
  }

  #gone(run: string, attached: Attached): void {
    const kind = attached.disarmed ? 'disarmed' : 'gone';
    attached.over = true;
    attached.isEmpty = true;
    delete attached.disarmed;
    this.#tell(run, attached, () => this.#options.emit(run, { kind }));
  }

  /** Who has asked it something is answered by the shim as it is found again, or not. */
  #detached(run: string, attached: Attached): void {
    const isAsked = attached.marks.splice(0).includes('retracted');
    if (attached.disarmed) this.#gone(run, attached);
    else if (!attached.over) this.#tell(run, attached, () => this.#lost(run, attached));
    if (isAsked) this.#told.do(run, () => this.askDone(run, attached));
  }

  /**
   * Whether something of the tree is left is asked of the kernel: the shim's word comes later,
   * unless this agent has been slow to get here.
   */
  #exited(run: string, attached: Attached, event: Exited): void {
    const { trees, emit } = this.#options;
    this.#tell(run, attached, async () => {
      // What ended it on purpose is told first.
      await this.#options.deedsTold(run);
      const isLeft = (): Promise<boolean> => trees.hasMembers({ run, shim: attached.shim });
      const left = attached.isEmpty ? false : await isLeft().catch(() => true);
      const end = endOf(event, { run, trees, trueAt: this.trueAt, said: attached });
      emit(run, { kind: 'ended', end, left });
    });
  }

  /** In order; what concerns a launch that another has followed is no news any more. */
  #tell(run: string, attached: Attached, say: () => void | Promise<void>): void {
    this.#told.do(run, () => (this.#options.isPresent(run, attached) ? say() : undefined));
  }

  /** The channel closed without a last word: to a newer reader of ours, or with the shim. */
  async #lost(run: string, attached: Attached): Promise<void> {
    const { directory, emit, trees } = this.#options;
    const places = paths(directory, run, attached.launch);
    if (attached.shim && isAlive(attached.shim)) {
      attached.handle = await attachShim(places.socket, (event) => this.hear(run, attached, event));
      if (attached.handle) return;
    }
    const record = await readExitRecord(places.exit).catch(() => undefined);
    await this.#options.deedsTold(run);
    // A word to a shim that has just ended takes with it what had not been read.
    const { started } = record ?? {};
    if (started) emit(run, { kind: 'started', started: startedOf(started, this.trueAt) });
    if (record?.end.kind === 'failed') {
      this.#failed(run, attached, record.end);
      if (attached.disarmed) this.#gone(run, attached);
      return;
    }
    if (record?.end.kind === 'exited') {
      const end = endOf(record.end, { run, trees, trueAt: this.trueAt, said: attached });
      emit(run, { kind: 'ended', end, left: true });
    }
    emit(run, { kind: 'detached', reason: 'the shim died' });
  }
}
