/**
 * Whether a run lives: one machine for its signs of life, its health checks and its time limits.
 * Pure: facts and a monotonic time in, the next state and what is to be done out. It knows neither
 * sockets nor processes; each launch begins it anew.
 *
 * Two tracks, signs (sd_notify) and health, each go from `fine` over `quiet` (half of what is
 * granted has passed: a warning) to `hung`; what is done about a hang is settled once the tree was
 * looked at, and not at all where a sign came first. Which track counts at all follows from the
 * phase of the launch and from whether the run is held (suspended): then every clock stops.
 *
 * The agent's own absence never counts. Silence is measured by the shim, which tells of it; and
 * before a time limit is judged the shim is asked to tell what had come (`mark`), so that words
 * which lie unread are heard first. A limit that ran out after that question waits for the next.
 *
 * Reference: sd_notify(3), systemd.service(5): WatchdogSec, TimeoutStartSec, RuntimeMaxSec.
 */
import { Deeds, idle, warnMs } from './liveness-deeds.ts';
import type {
  Clock,
  Liveness,
  LivenessInput,
  LivenessRule,
  LivenessStep,
} from './liveness-rule.ts';
import { type PhaseEvent, phaseTable } from './liveness-table.ts';

export function newLiveness(): Liveness {
  return idle;
}

/** Whether the process is expected to say that it is ready; else it is as soon as it runs. */
export function awaitsReady({ startTimeoutMs, watchdogMs, health }: LivenessRule): boolean {
  return startTimeoutMs !== undefined || watchdogMs !== undefined || health !== undefined;
}

/** When a `tick` is due. */
export function livenessDueMs({ held, due, markedMs, checking }: Liveness): number | undefined {
  if (held) return undefined;
  const { check, ...limits } = due;
  const all = markedMs === undefined ? Object.values(limits) : [];
  if (check !== undefined && !checking) all.push(check);
  return all.length === 0 ? undefined : Math.min(...all);
}

export function stepLiveness(
  rule: LivenessRule,
  before: Liveness,
  input: LivenessInput,
  nowMs: number,
): LivenessStep {
  const deeds = new Deeds(rule, before, nowMs);
  const machine = new Machine(deeds);
  machine.take(input);
  machine.settle();
  return { liveness: deeds.now, actions: deeds.actions };
}

/** What each input does to the step. */
class Machine {
  readonly #deeds: Deeds;

  constructor(deeds: Deeds) {
    this.#deeds = deeds;
  }

  take(input: LivenessInput): void {
    switch (input.event) {
      case 'started':
        this.#started(input.sinceMs, input.ranMs);
        break;
      case 'ready':
      case 'reloading':
      case 'stopping':
      case 'ended':
        this.#move(input.event);
        break;
      case 'suspended':
      case 'resumed':
        this.#hold(input.event === 'suspended');
        break;
      case 'sign':
        this.#sign();
        break;
      case 'quiet':
        this.#quiet(input.silentMs);
        break;
      case 'trigger':
        if (this.#counts) this.#deeds.hang('trigger');
        break;
      case 'period':
        this.#deeds.set({ periodMs: input.ms > 0 ? input.ms : undefined });
        if (this.#deeds.now.signs !== 'off' && input.ms > 0) this.#deeds.track('signs', 'begin');
        break;
      case 'extend':
        this.#extend(input.ms);
        break;
      case 'checked':
        this.#checked(input.result);
        break;
      case 'tick':
        this.#tick();
        break;
      case 'marked':
        this.#judge();
        break;
      case 'inspected':
        this.#inspected();
        break;
    }
  }

  /** What counts follows from where the launch is, whatever led there. */
  settle(): void {
    for (const track of ['signs', 'health'] as const) {
      const wanted = track === 'signs' ? this.#wantsSigns : this.#wantsHealth;
      if (wanted === (this.#deeds.now[track] === 'off'))
        this.#deeds.track(track, wanted ? 'begin' : 'leave');
    }
  }

  // ---- what holds ----

  get #runs(): boolean {
    return this.#deeds.now.phase !== 'off' && !this.#deeds.now.held;
  }

  get #counts(): boolean {
    return this.#runs && this.#deeds.now.phase !== 'leaving';
  }

  get #wantsSigns(): boolean {
    const { periodMs, phase } = this.#deeds.now;
    if (!this.#counts || periodMs === undefined) return false;
    return phase !== 'starting' || (this.#deeds.rule.startTimeoutMs ?? 0) <= periodMs;
  }

  get #wantsHealth(): boolean {
    return this.#counts && this.#deeds.rule.health !== undefined;
  }

  // ---- what happens ----

  #started(sinceMs: number, ranMs: number): void {
    const { watchdogMs, startTimeoutMs, runTimeoutMs, health } = this.#deeds.rule;
    const begunMs = this.#deeds.nowMs - sinceMs;
    const due: Partial<Record<Clock, number>> = {};
    if (startTimeoutMs !== undefined) due.start = begunMs + startTimeoutMs;
    if (runTimeoutMs !== undefined) due.run = this.#deeds.nowMs - ranMs + runTimeoutMs;
    if (health) due.check = Math.max(this.#deeds.nowMs, begunMs + health.delayMs);
    const { held } = this.#deeds.now;
    this.#deeds.now = { ...idle, periodMs: watchdogMs, due };
    this.#move('started');
    if (!awaitsReady(this.#deeds.rule)) this.#move('ready');
    if (held) this.#hold(true);
  }

  #move(event: PhaseEvent): void {
    const cell = phaseTable[this.#deeds.now.phase][event];
    if (cell === 'ignore') return;
    const [phase, ...deeds] = cell;
    this.#deeds.set({ phase });
    for (const deed of deeds) {
      switch (deed) {
        case 'tell-ready':
          this.#deeds.actions.push({ act: 'ready' });
          break;
        case 'tell-unready':
          this.#deeds.actions.push({ act: 'unready' });
          break;
        case 'end-start':
          this.#deeds.clock('start', undefined);
          if (this.#deeds.now.hang === 'start') this.#deeds.calm('start');
          break;
        case 'begin-leave':
          this.#deeds.clock('leave', this.#deeds.rule.graceMs);
          break;
        case 'forget':
          this.#deeds.stopCounting();
          this.#deeds.now = idle;
          break;
      }
    }
  }

  #hold(held: boolean): void {
    if (held === this.#deeds.now.held) return;
    const shift = held ? -this.#deeds.nowMs : this.#deeds.nowMs;
    const due = Object.entries(this.#deeds.now.due).map(
      ([clock, ms]) => [clock, ms + shift] as const,
    );
    this.#deeds.set({ held, due: Object.fromEntries(due), hang: undefined });
  }

  #sign(): void {
    this.#deeds.track('signs', 'life');
    const { startTimeoutMs, health } = this.#deeds.rule;
    // Who gives signs of life and was not asked to say when it is ready, is.
    if (startTimeoutMs === undefined && !health && this.#deeds.now.phase === 'starting') {
      this.#move('ready');
    }
  }

  /** A word about less silence than is asked for now is about a time that is over. */
  #quiet(silentMs: number): void {
    const { periodMs = 0, signs } = this.#deeds.now;
    if (signs === 'quiet' && silentMs >= periodMs) this.#deeds.track('signs', 'full');
    else if (signs === 'fine' && silentMs >= warnMs(periodMs)) this.#deeds.track('signs', 'half');
  }

  #checked(result: 'passed' | 'failed' | 'void'): void {
    const { health } = this.#deeds.rule;
    this.#deeds.set({ checking: false });
    if (!health || !this.#counts || result === 'void') return;
    if (result === 'passed') {
      this.#deeds.set({ failures: 0 });
      this.#deeds.track('health', 'life');
      if (this.#deeds.now.phase === 'starting') this.#move('ready');
      return;
    }
    // A start that is given its own time is judged by that alone.
    if (this.#deeds.now.phase === 'starting' && this.#deeds.rule.startTimeoutMs !== undefined)
      return;
    const failures = this.#deeds.now.failures + 1;
    this.#deeds.set({ failures });
    if (failures >= health.failures) this.#deeds.track('health', 'full');
    else if (failures >= health.failures / 2) this.#deeds.track('health', 'half');
  }

  #extend(ms: number): void {
    const { phase, due } = this.#deeds.now;
    const clock = phase === 'starting' ? 'start' : phase === 'leaving' ? 'leave' : 'run';
    const at = due[clock];
    const base = this.#deeds.now.held ? 0 : this.#deeds.nowMs;
    if (at !== undefined) this.#deeds.set({ due: { ...due, [clock]: Math.max(at, base + ms) } });
  }

  #tick(): void {
    const { due, checking, held } = this.#deeds.now;
    if (held) return;
    const { check, ...limits } = due;
    const { health } = this.#deeds.rule;
    if (health && check !== undefined && check <= this.#deeds.nowMs && !checking) {
      this.#deeds.clock('check', health.everyMs);
      this.#deeds.set({ checking: true });
      this.#deeds.actions.push({ act: 'check' });
    }
    if (this.#deeds.now.markedMs !== undefined) return;
    if (!Object.values(limits).some((at) => at <= this.#deeds.nowMs)) return;
    this.#deeds.set({ markedMs: this.#deeds.nowMs });
    this.#deeds.actions.push({ act: 'mark' });
  }

  /** All that was said before the mark is heard. */
  #judge(): void {
    const { markedMs = Number.NEGATIVE_INFINITY, held } = this.#deeds.now;
    this.#deeds.set({ markedMs: undefined });
    if (held) return;
    const isOut = (clock: Clock): boolean => (this.#deeds.now.due[clock] ?? Infinity) <= markedMs;
    if (isOut('run')) this.#deeds.end({ act: 'overdue' });
    else if (isOut('leave')) this.#deeds.end({ act: 'linger' });
    else if (isOut('start')) {
      this.#deeds.clock('start', undefined);
      this.#deeds.hang('start');
    }
  }

  #inspected(): void {
    const { hang: cause, continuedMs } = this.#deeds.now;
    const { onHang } = this.#deeds.rule;
    if (cause === undefined) return;
    if (onHang === 'notify') {
      this.#deeds.set({ hang: undefined });
      return;
    }
    const soon =
      continuedMs !== undefined &&
      this.#deeds.nowMs - continuedMs <= 2 * this.#deeds.periodOf(cause);
    if (onHang !== 'continue' || soon) {
      this.#deeds.end({ act: onHang === 'abort' ? 'abort' : 'restart', cause });
      return;
    }
    this.#deeds.set({ continuedMs: this.#deeds.nowMs, hang: undefined, failures: 0 });
    this.#deeds.actions.push({ act: 'continue', cause });
    if (cause === 'start') this.#deeds.clock('start', this.#deeds.rule.startTimeoutMs);
    for (const track of ['signs', 'health'] as const) {
      if (this.#deeds.now[track] !== 'off') this.#deeds.track(track, 'begin');
    }
  }
}
