/**
 * A node without its agent: run directories, shims, programs and their children, frozen or not.
 * All of it outlives the agent, as on a real node; only a reboot ends it. It knows no core and no
 * order: whoever is attached hears what the shims say, in order, a moment later.
 *
 * It is also the witness of the checks: which programs were started, how each really ended, which
 * shims were killed. A program does what its command says: `exit CODE MS`, `ignore` (TERM), `run`,
 * `fork MS` (ends, and leaves a child), `missing` (cannot be executed).
 */
import type {
  Acted,
  FoundRun,
  Item,
  RunEvent,
  Started,
  TimedAct,
} from '../../src/roles/agent/events.ts';
import type { End } from '../../src/supervisor/end.ts';
import type { Sim } from './sim.ts';

export interface Directory {
  readonly run: string;
  readonly order: Item;
  /** 0 for the first launch of the run; then its restarts. */
  readonly launch: number;
  /** Another launch is to follow: what this one still says, nobody hears. */
  superseded: boolean;
  shim: 'none' | 'alive' | 'done' | 'dead';
  shimPid: number;
  shimTicks: number;
  main: 'none' | 'alive' | 'ended';
  child: boolean;
  frozen: boolean;
  /** It wanted to exit while it was frozen. */
  due?: number | undefined;
  started?: Started | undefined;
  /** The exit record, as the shim wrote it. */
  record?: End | undefined;
  failed?: boolean | undefined;
  /** It waits at its gate until then, whatever has become of the agent. */
  gateUs?: number | undefined;
  cancelled?: boolean;
  /** What the shim does by itself, and when; what it has done. */
  /** What its shim was told to do: when by its own clock, and for which instant of true time. */
  readonly acts: Map<TimedAct, { readonly atUs: number; readonly dueUs: number }>;
  readonly acted: Acted[];
  /** Of these, what was done since the agent looked and before it attached. */
  readonly missed: Acted[];
  /** No agent of this life has attached to its shim. */
  unheard?: boolean;
  /** Until then its record may be lost with the power. */
  syncedUs?: number;
}

/** What no part of LOTC can reach: the truth that its rows are compared with. */
export interface Witness {
  readonly starts: Map<string, number>;
  readonly ends: Map<string, End>;
  /** Runs whose shim was killed, or whose node rebooted, before their end was on disk. */
  readonly mayBeLost: Set<string>;
  readonly signals: Map<string, number>;
}

export type Listener = (run: string, event: RunEvent) => void;

export class Machine {
  readonly name: string;
  readonly #sim: Sim;
  readonly directories = new Map<string, Directory>();
  readonly witness: Witness;
  boot = 1;
  bootUs: number;
  /** The shims and all strangers by pid; ticks tell one holder of a pid from the next. */
  readonly #pids = new Map<number, number>();
  #nextPid = 300;
  #listener: Listener | undefined;
  readonly #toldUs = new Map<string, number>();
  /** A mutant of the agent's edge: a pid that exists is taken for the shim that had it. */
  byPidAlone = false;
  /** Shims can freeze, thaw and kill by one write. */
  hasGroups = false;
  /** A shim is heard only once the agent has attached to it, and then from the beginning. */
  waitsForAttach = false;
  /** How long a shim's record is on its way to the disk. */
  recordUs = 0;
  onExec: (directory: Directory) => void = () => undefined;
  /** A shim does what it was told to, for that instant. */
  onAct: (directory: Directory, act: TimedAct, dueUs: number) => void = () => undefined;
  onFound: (found: FoundRun) => FoundRun = (found) => found;

  constructor(sim: Sim, name: string, witness: Witness) {
    this.#sim = sim;
    this.name = name;
    this.witness = witness;
    this.bootUs = sim.nowUs;
  }

  /** The agent that hears the shims; undefined while there is none. */
  listen(listener: Listener | undefined): void {
    this.#listener = listener;
    this.#toldUs.clear();
    for (const directory of this.directories.values()) {
      directory.unheard = this.waitsForAttach;
      directory.missed.length = 0;
    }
  }

  found(): FoundRun[] {
    return [...this.directories.values()].map((directory) => this.onFound(this.#found(directory)));
  }

  #found(directory: Directory): FoundRun {
    const { run, order, launch, shim, record, started, failed, frozen } = directory;
    const acted = shim === 'alive' || record ? directory.acted : undefined;
    const what = { run, order, launch, acted };
    if (shim === 'none') return { ...what, found: { kind: 'unlaunched' } };
    if (directory.cancelled) return { ...what, found: { kind: 'disarmed' } };
    if (this.#seemsAlive(directory)) return { ...what, found: { kind: 'alive', frozen } };
    if (failed) {
      const found = { kind: 'not-started', reason: 'no such file', errorCode: 'exec-failed' };
      return { ...what, found: found as FoundRun['found'] };
    }
    if (record) return { ...what, found: { kind: 'recorded', started, end: record } };
    return { ...what, found: { kind: 'dead', reason: 'the shim died' } };
  }

  isLiving({ main, child }: Directory): boolean {
    return main === 'alive' || child;
  }

  /** The atomic creation of the run's directory. */
  claim(run: string, order: Item, launch: number): void {
    const before = this.directories.get(run);
    if (launch === 0 && before) throw new Error(`${this.name}: ${run} is claimed twice`);
    if (launch > 0) this.#clear(run, before, launch);
    const [shim, main] = ['none', 'none'] as const;
    const none = { shimPid: 0, shimTicks: 0, child: false, frozen: false };
    const nothing = { ...none, acts: new Map(), acted: [], missed: [] };
    const directory = { run, order, launch, superseded: false, shim, main, ...nothing };
    this.directories.set(run, directory);
  }

  /** The agent is about to launch once more: from now on it listens to that launch alone. */
  supersede(run: string): void {
    const directory = this.directories.get(run);
    if (directory) directory.superseded = true;
  }

  #clear(run: string, before: Directory | undefined, launch: number): void {
    if (!before) throw new Error(`${this.name}: ${run} is launched again, and was never`);
    const { shim } = before;
    if (this.isLiving(before) || shim === 'alive') throw new Error(`${run} lives twice`);
    const isNext = launch === before.launch + 1 || (launch === before.launch && shim === 'none');
    if (!isNext) throw new Error(`${run}: launch ${launch} follows ${before.launch}`);
  }

  /** `gateUs`: by the clock of the simulation. */
  fork(run: string, gateUs?: number): void {
    const directory = this.directories.get(run);
    if (directory?.shim !== 'none') throw new Error(`${this.name}: ${run} has a shim already`);
    directory.shim = 'alive';
    directory.shimPid = this.#pid();
    directory.shimTicks = this.#ticks();
    if (gateUs === undefined || gateUs <= this.#sim.nowUs) {
      this.#later(directory, 30_000, 'exec', () => this.#exec(directory));
      return;
    }
    directory.gateUs = gateUs;
    this.#tell(run, { kind: 'armed' }, directory);
    this.#sleepToGate(directory, gateUs);
  }

  #sleepToGate(directory: Directory, gateUs: number): void {
    this.#after(directory, gateUs - this.#sim.nowUs, 'passes its gate', () => {
      if (directory.gateUs === gateUs) this.#exec(directory);
    });
  }

  /** The agent has learned what time it is. */
  moveGate(run: string, gateUs: number): void {
    const directory = this.directories.get(run);
    if (!directory || !this.#isHeld(directory)) return;
    directory.gateUs = gateUs;
    this.#sleepToGate(directory, gateUs);
  }

  /** What a shim does by itself at an instant, with one write; undefined: never mind. */
  plan(run: string, act: TimedAct, dueUs: number | undefined, skewUs: number): void {
    const directory = this.directories.get(run);
    if (!this.hasGroups || directory?.shim !== 'alive') return;
    directory.acts.delete(act);
    if (dueUs === undefined) return;
    const planned = { atUs: dueUs - skewUs, dueUs };
    directory.acts.set(act, planned);
    this.#after(directory, planned.atUs - this.#sim.nowUs, `does ${act} by itself`, () => {
      if (directory.acts.get(act) === planned) this.#act(directory, act);
    });
  }

  /** Its shim has told all that it has done, or is there no more. */
  saidAll(run: string): void {
    this.#tell(run, { kind: 'retracted' });
  }

  #act(directory: Directory, act: TimedAct): void {
    const { dueUs = 0 } = directory.acts.get(act) ?? {};
    directory.acts.delete(act);
    if (directory.shim !== 'alive' || !this.isLiving(directory)) return;
    this.onAct(directory, act, dueUs);
    const acted: Acted = { act, atUs: this.#sim.nowUs };
    directory.acted.push(acted);
    if (directory.unheard) directory.missed.push(acted);
    this.#tell(directory.run, { kind: 'acted', acted }, directory);
    if (act !== 'kill') this.#setFrozen(directory, act === 'freeze');
    else {
      directory.frozen = false;
      this.#mainEnds(directory, { how: 'signal', value: 9 });
      this.#childEnds(directory);
    }
  }

  cancel(run: string): void {
    const directory = this.directories.get(run);
    if (!directory || !this.#isHeld(directory)) return;
    directory.cancelled = true;
    this.#shimEnds(directory);
    this.#tell(run, { kind: 'disarmed' }, directory);
  }

  #isHeld({ shim, main, gateUs }: Directory): boolean {
    return shim === 'alive' && main === 'none' && gateUs !== undefined;
  }

  /** The agent connects to a shim of before: it hears everything from the beginning. */
  attach(run: string): void {
    const directory = this.directories.get(run);
    if (!directory) return;
    directory.unheard = false;
    if (this.byPidAlone && this.#seemsAlive(directory) && directory.shim !== 'alive') return;
    const { shim, started, record, failed, child } = directory;
    if (failed) this.#tellFailed(directory);
    if (this.#isHeld(directory)) this.#tell(run, { kind: 'armed' }, directory);
    if (directory.cancelled) this.#tell(run, { kind: 'disarmed' }, directory);
    if (started) this.#tell(run, { kind: 'started', started }, directory);
    for (const acted of directory.missed.splice(0)) this.#tell(run, { kind: 'acted', acted });
    const left = child || shim === 'dead';
    if (record) this.#tell(run, { kind: 'ended', end: record, left }, directory);
    if (shim === 'dead') this.#tell(run, { kind: 'detached', reason: 'the shim died' }, directory);
  }

  freeze(run: string, frozen: boolean): void {
    const directory = this.directories.get(run);
    if (!directory || !this.isLiving(directory)) {
      const kind = frozen ? 'freeze-failed' : 'thaw-failed';
      this.#tell(run, { kind, reason: 'nothing lives there' });
      return;
    }
    this.#setFrozen(directory, frozen);
    this.#tell(run, { kind: frozen ? 'frozen' : 'thawed' });
  }

  terminate(run: string): void {
    const directory = this.directories.get(run);
    if (!directory) return;
    this.#setFrozen(directory, false);
    const [program] = directory.order.spec?.command ?? [];
    if (program === 'ignore') return;
    this.#later(directory, 400_000, 'TERM', () => {
      this.#mainEnds(directory, { how: 'signal', value: 15 });
      this.#childEnds(directory);
    });
  }

  /** One signal to the main process; the order that asked for it is remembered for the checks. */
  signal(run: string, signal: string, order: string): void {
    const { signals } = this.witness;
    const what = `${run} ${order}`;
    signals.set(what, (signals.get(what) ?? 0) + 1);
    const directory = this.directories.get(run);
    const [program] = directory?.order.spec?.command ?? [];
    if (directory && signal === 'SIGTERM' && program !== 'ignore') {
      this.#later(directory, 10_000, signal, () => {
        this.#mainEnds(directory, { how: 'signal', value: 15 });
      });
    }
    this.#tell(run, { kind: 'signalled', order });
  }

  killTree(run: string, isStuck: boolean): void {
    const directory = this.directories.get(run);
    if (isStuck) {
      this.#tell(run, { kind: 'stuck', reason: 'a process waits for a disk' });
      return;
    }
    const killed = directory?.child ? 1 : 0;
    if (directory) {
      directory.frozen = false;
      if (this.#isHeld(directory)) {
        directory.failed = true;
        this.#shimEnds(directory);
        this.#tellFailed(directory);
      }
      this.#mainEnds(directory, { how: 'signal', value: 9 });
      this.#childEnds(directory);
    }
    this.#tell(run, { kind: 'cleared', killed });
  }

  remove(run: string): void {
    const directory = this.directories.get(run);
    if (directory?.shim === 'alive') throw new Error(`${this.name}: ${run} lives and is removed`);
    if (directory && this.isLiving(directory)) throw new Error(`${run} would be an orphan`);
    this.directories.delete(run);
    this.#tell(run, { kind: 'removed' });
  }

  killShim(run: string): void {
    const directory = this.directories.get(run);
    if (directory?.shim !== 'alive') return;
    directory.shim = 'dead';
    this.#pids.delete(directory.shimPid);
    if (!directory.record) this.witness.mayBeLost.add(run);
    this.#tell(run, { kind: 'detached', reason: 'the shim died' }, directory);
  }

  /** Everything that runs is gone; what was written is not. Pids begin anew. */
  reboot(): void {
    this.boot += 1;
    this.bootUs = this.#sim.nowUs;
    this.#pids.clear();
    this.#nextPid = 300;
    for (const directory of this.directories.values()) {
      const { run, shim, main, child, syncedUs = 0 } = directory;
      if (syncedUs > this.#sim.nowUs) {
        directory.record = undefined;
        directory.shim = 'dead';
      }
      const { record } = directory;
      if (shim === 'alive') directory.shim = 'dead';
      if (directory.shim === 'dead' && !record) this.witness.mayBeLost.add(run);
      if (main === 'alive') {
        directory.main = 'ended';
        this.witness.mayBeLost.add(run);
      }
      if (child) directory.child = false;
      directory.frozen = false;
    }
    // Daemons of the system take the pids that shims had.
    for (let i = 0; i < 40; i += 1) this.#pid();
  }

  #seemsAlive({ shimPid, shimTicks }: Directory): boolean {
    const ticks = this.#pids.get(shimPid);
    return this.byPidAlone ? ticks !== undefined : ticks === shimTicks;
  }

  #pid(): number {
    this.#nextPid += 1;
    this.#pids.set(this.#nextPid, this.#ticks());
    return this.#nextPid;
  }

  /** The number of the boot is in it, as the boot id is on a real node. */
  #ticks(): number {
    return this.boot * 1e12 + (this.#sim.nowUs - this.bootUs);
  }

  #exec(directory: Directory): void {
    if (directory.shim !== 'alive' || directory.main !== 'none') return;
    this.onExec(directory);
    const { run, order, launch } = directory;
    const [program, a = '0', b = '0'] = order.spec?.command ?? [];
    if (program === 'missing') {
      directory.failed = true;
      this.#shimEnds(directory);
      this.#tellFailed(directory);
      return;
    }
    directory.main = 'alive';
    const { starts } = this.witness;
    const name = `${run}/${launch}`;
    starts.set(name, (starts.get(name) ?? 0) + 1);
    const pid = this.#pid();
    const started = { pid, startTicks: this.#ticks(), atUs: this.#sim.nowUs };
    directory.started = started;
    directory.child = program === 'fork';
    this.#tell(run, { kind: 'started', started }, directory);
    const [code, ms] = program === 'fork' ? [0, Number(a)] : [Number(a), Number(b)];
    if (program === 'run' || program === 'ignore') return;
    this.#after(directory, ms * 1000, 'exit', () => {
      if (directory.frozen) directory.due = code;
      else this.#mainEnds(directory, { how: 'code', value: code });
    });
  }

  #mainEnds(directory: Directory, how: Pick<End, 'how' | 'value'>): void {
    const { run, main, shim, child, started } = directory;
    if (main !== 'alive') return;
    directory.main = 'ended';
    if (started) this.#pids.delete(started.pid);
    const end: End = { ...how, cpuMs: 1, maxMemoryBytes: 4096, atUs: this.#sim.nowUs };
    this.witness.ends.set(run, end);
    if (shim !== 'alive') return;
    directory.record = end;
    directory.syncedUs = this.#sim.nowUs + this.recordUs;
    if (!child) this.#shimEnds(directory);
    this.#tell(run, { kind: 'ended', end, left: child }, directory);
  }

  #childEnds(directory: Directory): void {
    if (!directory.child) return;
    directory.child = false;
    if (directory.main !== 'ended' || directory.shim !== 'alive') return;
    this.#shimEnds(directory);
    this.#tell(directory.run, { kind: 'gone' }, directory);
  }

  #shimEnds(directory: Directory): void {
    directory.shim = 'done';
    this.#pids.delete(directory.shimPid);
  }

  #setFrozen(directory: Directory, frozen: boolean): void {
    if (!this.isLiving(directory)) return;
    directory.frozen = frozen;
    const { due } = directory;
    if (frozen || due === undefined) return;
    directory.due = undefined;
    this.#later(directory, 1_000, 'exit after thaw', () => {
      if (directory.frozen) directory.due = due;
      else this.#mainEnds(directory, { how: 'code', value: due });
    });
  }

  #tellFailed(directory: Directory): void {
    const reason = 'no such file';
    const event = { kind: 'launch-failed', reason, errorCode: 'exec-failed' } as const;
    this.#tell(directory.run, event, directory);
  }

  #later(directory: Directory, mostUs: number, what: string, run: () => void): void {
    this.#after(directory, this.#sim.random.int(50, mostUs), what, run);
  }

  /** Something a process does; it does nothing any more once the node has rebooted. */
  #after(directory: Directory, us: number, what: string, run: () => void): void {
    const { boot } = this;
    this.#sim.after(us, `${this.name} ${directory.run} ${what}`, () => {
      if (this.boot === boot) run();
    });
  }

  /** `from`: the launch whose shim says it. */
  #tell(run: string, event: RunEvent, from?: Directory): void {
    const listener = this.#listener;
    if (!listener || from?.unheard) return;
    const sim = this.#sim;
    const last = this.#toldUs.get(run) ?? 0;
    const atUs = Math.max(last + 1, sim.nowUs + sim.random.int(20, 3_000));
    this.#toldUs.set(run, atUs);
    sim.after(atUs - sim.nowUs, `${this.name} ${run} says ${event.kind}`, () => {
      if (from?.superseded) return;
      if (this.#listener === listener) listener(run, event);
    });
  }
}
