/**
 * The liveness of this node's runs: for each that runs, the machine of supervisor/liveness.ts,
 * fed with what its shim, its health checks and its state say; what it decides becomes facts of
 * the run, events for people, and verbs. Nothing of it is stored but what the run's row shows: an
 * agent that comes back hears from the shim what it has to know.
 */
import { roughDurationMs } from '../../base/duration.ts';
import { signalName } from '../../base/signals.ts';
import { livenessDueMs, stepLiveness } from '../../supervisor/liveness.ts';
import type { Liveness, LivenessAction, LivenessInput } from '../../supervisor/liveness-rule.ts';
import { livenessRule } from '../../supervisor/liveness-spec.ts';
import { extended, isUp, ranMs } from '../../supervisor/process.ts';
import { Agenda } from './agenda.ts';
import type { AgentAction, StoredRun, Time, VitalEvent } from './events.ts';
import { type Life, newLife } from './life.ts';
import type { Reports } from './reports.ts';
import type { Runs } from './runs.ts';
import { signOf } from './sign.ts';
import { wordsOf } from './vital-words.ts';

export interface VitalPorts {
  readonly reports: Reports;
  readonly act: (action: AgentAction) => void;
  time(): Time;
  runs(): Runs;
}

const MICROSECONDS = 1_000;

export class Vitals {
  readonly #ports: VitalPorts;
  readonly #lives = new Map<string, Life>();
  readonly #agenda = new Agenda();

  constructor(ports: VitalPorts) {
    this.#ports = ports;
  }

  /** The run's program was seen to have begun, now or (told again) `sinceMs` ago. */
  started(run: string, sinceMs: number): void {
    const stored = this.#ports.runs().get(run);
    if (!stored || !isUp(stored.process.state)) return;
    const { process, order } = stored;
    const { nowMs } = this.#ports.time();
    const rule = livenessRule({ ...order.spec, stopGraceMs: process.stop.graceMs });
    const launch = process.restarts;
    const life = newLife(this.#lives.get(run), { rule, launch, nowMs });
    this.#lives.set(run, life);
    this.#step(run, life, { event: 'started', sinceMs, ranMs: ranMs(process, this.#ports.time()) });
    this.settled(run);
  }

  told(run: string, event: VitalEvent): void {
    const stored = this.#ports.runs().get(run);
    if (!stored) return;
    if (event.kind === 'main') this.#main(stored, event);
    else if (event.kind === 'moved') this.#moved(stored, event);
    else if (event.kind === 'sign') this.#sign(run, stored, event);
    else {
      const life = this.#lives.get(run);
      if (!life) return;
      switch (event.kind) {
        case 'quiet':
          this.#step(run, life, { event: 'quiet', silentMs: event.silentMs });
          break;
        case 'marked':
          this.#step(run, life, { event: 'marked' });
          break;
        case 'checked':
          if (event.launch !== life.launch) return;
          life.checked = event.text;
          this.#step(run, life, { event: 'checked', result: event.result });
          break;
        case 'inspected':
          this.#event(
            stored,
            event.step === 'hang' ? 'process-hung' : 'process-warned',
            event.text,
          );
          if (event.launch !== life.launch || event.step !== 'hang') return;
          this.#step(run, life, { event: 'inspected' });
          break;
      }
    }
  }

  /** The run has changed: whether it is held, and whether there is anything to be watched. */
  settled(run: string): void {
    const life = this.#lives.get(run);
    if (!life) return;
    const state = this.#ports.runs().get(run)?.process.state;
    if (state === undefined || !isUp(state)) {
      if (state !== 'stopping') this.#lives.delete(run);
      this.#enter(run);
      if (life.liveness.phase !== 'off') this.#step(run, life, { event: 'ended' });
      return;
    }
    const held = state !== 'running';
    if (held === life.liveness.held) return;
    this.#step(run, life, { event: held ? 'suspended' : 'resumed' });
  }

  get deadlineMs(): number | undefined {
    return this.#agenda.firstMs;
  }

  tick(): void {
    const { nowMs } = this.#ports.time();
    for (const run of this.#agenda.by(nowMs)) {
      const life = this.#lives.get(run);
      if (!life) continue;
      if ((livenessDueMs(life.liveness) ?? Infinity) <= nowMs) {
        this.#step(run, life, { event: 'tick' });
      }
      this.#tellStatus(run, life);
    }
  }

  // ---- what is heard ----

  #sign(run: string, stored: StoredRun, event: VitalEvent & { readonly kind: 'sign' }): void {
    const sign = signOf(event.name, event.value);
    const life = this.#lives.get(run);
    if (!life || sign === undefined) return;
    switch (sign.event) {
      case 'status':
        life.status.say(sign.text);
        this.#tellStatus(run, life);
        break;
      case 'trigger':
        // Told again to an agent that comes back: it was acted upon.
        if (event.atUs === stored.process.triggeredUs) return;
        this.#ports.runs().note(run, { triggeredUs: event.atUs });
        this.#step(run, life, sign);
        break;
      case 'ready':
        life.readyUs = event.atUs;
        this.#step(run, life, sign);
        break;
      case 'reloading':
        if (event.atUs > life.readyUs) this.#step(run, life, sign);
        break;
      case 'extend': {
        const ms = sign.ms - event.ageMs;
        this.#ports.runs().note(run, extended(stored.process, this.#ports.time(), ms));
        this.#step(run, life, { event: 'extend', ms });
        break;
      }
      default:
        this.#step(run, life, sign);
    }
  }

  #main({ process }: StoredRun, event: VitalEvent & { readonly kind: 'main' }): void {
    const { pid, startTicks } = event;
    if (pid !== process.pid) this.#ports.runs().note(process.run, { pid, startTicks });
  }

  /** Only what nobody here did is news: a stop of ours happens to a run that is not `running`. */
  #moved(stored: StoredRun, event: VitalEvent & { readonly kind: 'moved' }): void {
    const { run, state, outside, releasedAt = 0 } = stored.process;
    const name = signalName(event.signal);
    if (event.stopped) {
      // Told late it may be what was done to it before it was resumed.
      const isOld = this.#ports.time().atUs - event.ageMs * MICROSECONDS <= releasedAt;
      if (state !== 'running' || outside !== undefined || isOld) return;
      this.#event(stored, 'process-stopped', `somebody else stopped it (${name}); it is left so`);
      this.#ports.runs().note(run, { outside: `stopped by somebody else's ${name}` });
    } else if (state === 'suspended') {
      this.#event(
        stored,
        'process-continued',
        'somebody else continued it, though it is suspended',
      );
    } else if (outside !== undefined) {
      this.#event(stored, 'process-continued', 'somebody else continued it');
      this.#ports.runs().note(run, { outside: undefined });
    }
  }

  #tellStatus(run: string, life: Life): void {
    const status = life.status.take(this.#ports.time().nowMs);
    if (status !== undefined) this.#ports.runs().note(run, { status: status || undefined });
    this.#enter(run);
  }

  /** When it is to be looked at next. */
  #enter(run: string): void {
    const life = this.#lives.get(run);
    const due = life ? [livenessDueMs(life.liveness), life.status.dueMs] : [];
    const first = Math.min(...due.map((ms) => ms ?? Number.POSITIVE_INFINITY));
    this.#agenda.set(run, Number.isFinite(first) ? first : undefined);
  }

  // ---- what is done ----

  #step(run: string, life: Life, input: LivenessInput): void {
    const { liveness, actions } = stepLiveness(
      life.rule,
      life.liveness,
      input,
      this.#ports.time().nowMs,
    );
    const before = life.liveness;
    life.liveness = liveness;
    this.#enter(run);
    for (const action of actions) this.#do(run, life, action, before);
  }

  #do(run: string, life: Life, action: LivenessAction, before: Liveness): void {
    const { act } = this.#ports;
    const runs = this.#ports.runs();
    const { launch } = life;
    switch (action.act) {
      case 'count':
        act({ type: 'count', run, us: action.ms * MICROSECONDS, anew: action.anew });
        break;
      case 'check':
        act({ type: 'check', run, launch });
        break;
      case 'mark':
        act({ type: 'mark', run });
        break;
      case 'ready':
      case 'unready':
        runs.note(run, { ready: action.act === 'ready' });
        break;
      case 'calm':
        if (life.warning.end()) this.#eventOf(run, 'process-alive', 'it gives signs of life again');
        break;
      case 'warn':
      case 'hang': {
        if (action.act === 'hang') life.warning.hung();
        else if (!life.warning.begin(this.#ports.time().nowMs)) break;
        const text = wordsOf(action.cause, action.act, life);
        const pid = runs.get(run)?.process.pid;
        act({ type: 'inspect', run, pid, launch, step: action.act, text });
        break;
      }
      case 'continue':
        this.#eventOf(
          run,
          'process-continued',
          'it was stopped or hung, and is continued (on-hang)',
        );
        runs.note(run, { outside: undefined });
        act({ type: 'continue', run });
        break;
      case 'restart':
      case 'abort': {
        const reason = `hung: ${wordsOf(action.cause, 'hang', { ...life, liveness: before })}`;
        const again = action.act === 'restart';
        const ending = { reason, again, signal: again ? undefined : 'SIGABRT' };
        runs.apply(run, { event: 'hung', ending });
        break;
      }
      case 'linger': {
        const reason = 'it said that it was stopping and did not end';
        runs.apply(run, { event: 'hung', ending: { reason } });
        break;
      }
      case 'overdue': {
        const ms = life.rule.runTimeoutMs ?? 0;
        const reason = `ran for longer than ${roughDurationMs(ms)} (run timeout)`;
        runs.apply(run, { event: 'want-stop', ending: { reason } });
        break;
      }
    }
  }

  #eventOf(run: string, kind: string, text: string): void {
    const stored = this.#ports.runs().get(run);
    if (stored) this.#event(stored, kind, text);
  }

  #event({ process: { run }, order: { task } }: StoredRun, eventKind: string, text: string): void {
    this.#ports.reports.event({ eventKind, text, run, task }, this.#ports.time().atUs);
  }
}
