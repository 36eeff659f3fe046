/**
 * The lease machine alone under virtual time: one task that may move, three nodes, a server, and
 * all that may happen to them. True time is known here and to nobody else; what each side sees is
 * within its bound, and as unlucky as that allows. The one rule: no two copies at once.
 *
 * A copy is begun by a shim that ends it at its fence (CLOCK_BOOTTIME), the agent there or not. A
 * machine that wakes runs on for as long as its shim takes to notice: that is beyond anybody, and
 * let pass (docs/LEASES.md).
 */
import { Prng } from '../../src/base/prng.ts';
import { worstErrorUs } from '../../src/scheduler/lease.ts';
import { LeaseBook } from '../../src/scheduler/lease-book.ts';
import { type HoldReading, LeaseHold } from '../../src/scheduler/lease-hold.ts';
import { Agenda, Rated, UncertainClock } from './lease-clocks.ts';

const SECOND = 1_000_000;
const HOUR = 3_600 * SECOND;
/** Of a busy machine: until its shim's KILL has worked. */
const KILL_US = 150_000;
const EXEC_US = 50_000;
const NODES = 3;

/** As far as a kernel slews, either way or not at all. */
const slewed = (random: Prng): number => 1 + random.pick([-1, -0.5, 0, 0, 1]) / 12;

/** How the machine is broken on purpose, each at one place. */
export const mutants = [
  'the server forgets its error',
  'the node forgets its error',
  'a fresh server moves at once',
  'the fence does not reckon with a slewed clock',
  'the fence does not count sleep',
  'the node reads its clock first',
  'a server forgets what it granted',
] as const;
export type Mutant = (typeof mutants)[number];

export interface LeaseOutcome {
  readonly hours: number;
  readonly leases: number;
  readonly events: number;
  readonly starts: number;
  readonly moves: number;
  /** Copies that their fence ended though nothing had gone wrong for long. */
  readonly needless: number;
  /** What was seen to run twice. */
  readonly overlaps: readonly string[];
}

interface Copy {
  readonly run: string;
  fenceUs: number;
  alive: boolean;
  /** It runs on after a sleep, until its shim has noticed. */
  woken: boolean;
}

class Node {
  readonly no: number;
  readonly clock: UncertainClock;
  boot: Rated;
  hold = new LeaseHold();
  life = 1;
  isUp = true;
  /** Durable: what it is assigned, and what has ended. */
  assigned: { readonly run: string; readonly term: number } | undefined;
  readonly ended = new Set<string>();
  copy: Copy | undefined;
  frozenUntil = 0;
  frozenAt = 0;
  frozenBootUs = 0;
  asleepUntil = 0;
  cutOut = 0;
  cutIn = 0;
  isLaunching = false;
  wakes = 0;
  /** It will be stopped for so long right after it has asked the next time. */
  stopsAskingUs = 0;

  constructor(no: number, clock: UncertainClock, boot: Rated) {
    this.no = no;
    this.clock = clock;
    this.boot = boot;
  }
}

class World {
  readonly random: Prng;
  readonly agenda = new Agenda();
  readonly leaseMs: number;
  readonly leaseUs: number;
  readonly nodes: Node[];
  readonly mutant: Mutant | undefined;
  // The server: what is journaled, and what a life of it knows.
  holder = { node: 0, run: 'R0', term: 0 };
  serverUp = false;
  serverLife = 0;
  book = new LeaseBook();
  readonly serverClock: UncertainClock;
  readonly serverMono: Rated;
  troubledUntil = 0;
  starts = 0;
  moves = 0;
  needless = 0;
  readonly overlaps: string[] = [];

  constructor(seed: number, mutant: Mutant | undefined) {
    this.random = new Prng(seed);
    const { random } = this;
    this.leaseMs = random.chance(0.3) ? random.int(1_000, 60_000) : random.int(15_000, 3_600_000);
    this.leaseUs = this.leaseMs * 1_000;
    const worst = worstErrorUs(this.leaseMs);
    const clock = (): UncertainClock => new UncertainClock(random, worst);
    this.nodes = Array.from({ length: NODES }, (_, no) => {
      return new Node(no, clock(), new Rated(random.int(0, 1e9), slewed(random)));
    });
    this.serverClock = clock();
    this.serverMono = new Rated(0, slewed(random));
    this.mutant = mutant;
  }

  get nowUs(): number {
    return this.agenda.nowUs;
  }

  run(leases: number): void {
    const { random, leaseUs } = this;
    const endUs = this.nowUs + leases * leaseUs;
    this.place(random.int(0, NODES - 1));
    this.startServer();
    for (let at = this.nowUs; at < endUs; at += random.int(0, random.pick([1, 20]) * leaseUs)) {
      this.agenda.at(at, () => this.fault());
    }
    this.agenda.runUntil(endUs, () => this.overlaps.length > 0);
  }

  // ---- the server ----

  startServer(): void {
    this.serverUp = true;
    this.serverLife += 1;
    this.book = new LeaseBook();
    if (this.mutant === 'a fresh server moves at once') {
      this.book.observe({ atUs: 0, errorUs: 0, monotonicMs: -1e15 });
    }
    this.look(this.serverLife);
  }

  serverNow(): { atUs: number; errorUs?: number | undefined; monotonicMs: number } {
    const monotonicMs = this.serverMono.at(this.nowUs) / 1_000;
    const read = this.serverClock.read(this.nowUs);
    const forgets = this.mutant === 'the server forgets its error' && read.errorUs !== undefined;
    return { ...read, ...(forgets ? { errorUs: 0 } : {}), monotonicMs };
  }

  look(life: number): void {
    if (this.serverLife !== life || !this.serverUp) return;
    const now = this.serverNow();
    if (this.book.isOver(this.holder.run, this.leaseMs, now)) this.giveAway();
    else this.assign();
    const overMs = this.book.overAtMs(this.holder.run, this.leaseMs, now) ?? Infinity;
    const soonUs = Math.max(1_000, (overMs - now.monotonicMs) * 1_000 + 2);
    this.agenda.after(Math.min(this.leaseUs / 6, soonUs), () => this.look(life));
  }

  giveAway(): void {
    this.moves += 1;
    this.book.forget(this.holder.run);
    // Where it was is as good as anywhere else: what ran there is over.
    this.place(this.random.int(0, NODES - 1));
    this.assign();
  }

  place(node: number): void {
    const term = this.holder.term + 1;
    this.holder = { node, run: `R${term}`, term };
    // That it was asked to begin counts as a lease, or it would be moved before it can ask.
    if (this.serverUp) this.book.grant(this.holder.run, this.leaseMs, this.serverNow());
  }

  assign(): void {
    const node = this.nodes[this.holder.node] as Node;
    const { run, term } = this.holder;
    this.toNode(node, () => {
      if (node.ended.has(run) || (node.assigned?.term ?? 0) >= term) return;
      if (node.assigned) this.withdraw(node, node.assigned.run);
      node.assigned = { run, term };
      node.hold.add(run, term, this.leaseMs);
    });
  }

  asked(node: Node, run: string): void {
    if (!this.serverUp || this.holder.run !== run) return;
    const endsAt = this.book.grant(run, this.leaseMs, this.serverNow());
    if (this.mutant === 'a server forgets what it granted') this.book.forget(run);
    if (endsAt === undefined) return;
    const { term } = this.holder;
    this.toNode(node, (now) => {
      const forgets = this.mutant === 'the node forgets its error';
      const seen = forgets && now.errorUs !== undefined ? { ...now, errorUs: 0 } : now;
      for (const [of, fenceUs] of node.hold.granted([{ run, term, endsAt }], seen)) {
        this.plan(node, of, this.reckoned(fenceUs, now));
      }
    });
  }

  reckoned(fenceUs: number, { bootUs }: HoldReading): number {
    const unslewed = this.mutant === 'the fence does not reckon with a slewed clock';
    return unslewed ? bootUs + ((fenceUs - bootUs) * 12) / 11 : fenceUs;
  }

  ended(run: string): void {
    if (!this.serverUp || this.holder.run !== run) return;
    this.book.forget(run);
    this.place(this.random.int(0, NODES - 1));
    this.assign();
  }

  // ---- a node ----

  reading(node: Node): HoldReading {
    const { nowUs, random } = this;
    // It was stopped between the two readings: the first is of long ago.
    const wasStopped = nowUs - node.frozenUntil < 1_000 && random.chance(0.5);
    const earlierUs = wasStopped ? node.frozenAt : nowUs;
    const clockFirst = this.mutant === 'the node reads its clock first';
    const bootUs = wasStopped && !clockFirst ? node.frozenBootUs : node.boot.at(nowUs);
    return { ...node.clock.read(clockFirst ? earlierUs : nowUs), bootUs };
  }

  /** Something happens to the agent, as soon as it can notice. */
  step(node: Node, happens: (now: HoldReading) => void): void {
    const busyUntil = Math.max(node.frozenUntil, node.asleepUntil);
    if (busyUntil > this.nowUs) {
      const { life } = node;
      this.agenda.at(busyUntil, () => {
        if (node.life === life) this.step(node, happens);
      });
      return;
    }
    if (!node.isUp) return;
    const now = this.reading(node);
    happens(now);
    const { run = '' } = node.assigned ?? {};
    for (const over of node.hold.lapsed(now)) this.lapse(node, over);
    for (const want of node.hold.ask(now)) {
      this.toServer(node, () => this.asked(node, want.run));
      if (node.stopsAskingUs > 0) this.freeze(node, this.nowUs + node.stopsAskingUs);
    }
    if (!node.copy && !node.isLaunching && !node.ended.has(run)) this.launch(node, run, now);
    node.wakes += 1;
    const { wakes, life } = node;
    const nextUs = node.hold.nextUs(now, true);
    if (nextUs === undefined) return;
    this.agenda.at(Math.max(node.boot.whenUs(nextUs), this.nowUs + 1_000), () => {
      if (node.wakes === wakes && node.life === life) this.step(node, () => undefined);
    });
  }

  launch(node: Node, run: string, now: HoldReading): void {
    const fenceUs = node.hold.fence(run, now);
    if (fenceUs === undefined) return;
    node.isLaunching = true;
    const { life } = node;
    this.agenda.after(this.random.int(100, EXEC_US), () => {
      if (node.life !== life) return;
      node.isLaunching = false;
      if (!node.copy && !node.ended.has(run)) this.exec(node, run, this.reckoned(fenceUs, now));
    });
  }

  /** The shim's child looks at the fence for the last time right before its exec. */
  exec(node: Node, run: string, fenceUs: number): void {
    if (node.asleepUntil > this.nowUs || this.bootOf(node) >= fenceUs) return;
    this.starts += 1;
    for (const other of this.nodes) {
      if (other.copy?.alive && !other.copy.woken && other.asleepUntil <= this.nowUs) {
        this.overlaps.push(`${run} on ${node.no}: ${other.copy.run} lives on ${other.no}`);
      }
    }
    node.copy = { run, fenceUs, alive: true, woken: false };
    this.guard(node, node.copy);
  }

  bootOf(node: Node): number {
    const asleep = this.mutant === 'the fence does not count sleep' ? node.boot.asleepUs : 0;
    return node.boot.at(this.nowUs) - asleep;
  }

  /** The fence was moved: by the agent, over the shim's channel. */
  plan(node: Node, run: string, fenceUs: number): void {
    const { copy } = node;
    if (copy?.run !== run || !copy.alive) return;
    copy.fenceUs = fenceUs;
    this.guard(node, copy);
  }

  /** The shim's timer; it looks again whenever the fence or the clock's rate moved. */
  guard(node: Node, copy: Copy): void {
    const { fenceUs } = copy;
    const { boot } = node;
    const slept = this.mutant === 'the fence does not count sleep' ? boot.asleepUs : 0;
    const atUs = Math.max(boot.whenUs(fenceUs + slept), this.nowUs);
    const { rate, asleepUs } = boot;
    this.agenda.at(atUs, () => {
      if (!copy.alive || copy.fenceUs !== fenceUs || node.boot !== boot) return;
      if (boot.rate !== rate || boot.asleepUs !== asleepUs) return;
      if (node.asleepUntil > this.nowUs) return;
      // A short lease is lost to any hiccup of the network.
      if (this.nowUs > this.troubledUntil && this.leaseUs > 10 * SECOND) this.needless += 1;
      this.kill(node, copy);
    });
  }

  kill(node: Node, copy: Copy): void {
    this.agenda.after(this.random.int(100, KILL_US), () => {
      if (!copy.alive) return;
      copy.alive = false;
      if (node.copy === copy) node.copy = undefined;
      node.ended.add(copy.run);
      this.step(node, () => {
        node.hold.remove(copy.run);
        this.toServer(node, () => this.ended(copy.run));
      });
    });
  }

  lapse(node: Node, run: string): void {
    node.hold.remove(run);
    node.ended.add(run);
    if (node.copy?.run === run) this.kill(node, node.copy);
    else this.toServer(node, () => this.ended(run));
  }

  withdraw(node: Node, run: string): void {
    node.hold.remove(run);
    if (node.copy?.run === run) this.kill(node, node.copy);
  }

  // ---- the network ----

  toServer(node: Node, arrives: () => void): void {
    if (node.cutOut > this.nowUs && this.random.chance(0.5)) return;
    this.agenda.after(this.delay(node.cutOut), arrives);
  }

  toNode(node: Node, arrives: (now: HoldReading) => void): void {
    const { random } = this;
    if (node.cutIn > this.nowUs && random.chance(0.5)) return;
    const { life } = node;
    const arrive = (): void => {
      if (node.life === life && node.isUp) this.step(node, arrives);
    };
    this.agenda.after(this.delay(node.cutIn), arrive);
    if (random.chance(0.02)) this.agenda.after(this.delay(node.cutIn), arrive);
  }

  /** What is sent again and again arrives some time after the cable is back; or much later. */
  delay(cutUntil: number): number {
    const { random, leaseUs } = this;
    const waits = Math.max(0, cutUntil - this.nowUs);
    const usual = random.chance(0.5) ? 1_000 : Math.min(leaseUs / 20, SECOND);
    const most = random.chance(0.01) ? 3 * leaseUs : usual;
    return waits + random.int(100, most);
  }

  // ---- what goes wrong ----

  fault(): void {
    const { random, leaseUs, nowUs } = this;
    const node = random.pick(this.nodes);
    const untilUs = nowUs + random.int(0, 3 * leaseUs);
    this.troubledUntil = Math.max(this.troubledUntil, untilUs + 7 * leaseUs);
    const roll = random.int(1, 12);
    if (roll <= 2) node.cutIn = node.cutOut = untilUs;
    else if (roll === 3) node.cutIn = untilUs;
    else if (roll === 4) node.cutOut = untilUs;
    else if (roll === 5) this.crash(node, untilUs);
    else if (roll === 6) this.freeze(node, untilUs);
    else if (roll === 7) this.freezeAsking(node);
    else if (roll === 8) this.crashServer(random.chance(0.5) ? nowUs + 10_000 : untilUs);
    else if (roll === 9) this.reboot(node, untilUs);
    else if (roll === 10) random.pick([node.clock, this.serverClock]).unknownUntil = untilUs;
    else if (roll === 11) this.slew(node);
    else this.sleep(node, untilUs);
  }

  /** Between its question and the answer, and cut off soon after. */
  freezeAsking(node: Node): void {
    const { random, leaseUs, nowUs } = this;
    node.stopsAskingUs = random.int(0, leaseUs);
    this.agenda.after(leaseUs / 3, () => {
      node.cutOut = nowUs + 3 * leaseUs;
    });
  }

  freeze(node: Node, untilUs: number): void {
    node.stopsAskingUs = 0;
    node.frozenAt = this.nowUs;
    node.frozenBootUs = node.boot.at(this.nowUs);
    node.frozenUntil = untilUs;
    const { life } = node;
    this.agenda.at(untilUs, () => {
      if (node.life === life) this.step(node, () => undefined);
    });
  }

  crash(node: Node, untilUs: number): void {
    node.isUp = false;
    node.life += 1;
    node.isLaunching = false;
    this.agenda.at(untilUs, () => this.boot(node));
  }

  /** Another life of the agent: it knows what it is assigned, and what its shims tell. */
  boot(node: Node): void {
    node.isUp = true;
    node.life += 1;
    node.frozenUntil = 0;
    node.hold = new LeaseHold();
    const { assigned } = node;
    if (assigned && !node.ended.has(assigned.run)) {
      node.hold.add(assigned.run, assigned.term, this.leaseMs);
    }
    this.step(node, () => undefined);
  }

  reboot(node: Node, untilUs: number): void {
    if (node.copy) node.copy.alive = false;
    node.copy = undefined;
    node.boot = new Rated(0, 1, this.nowUs);
    this.crash(node, untilUs);
  }

  crashServer(untilUs: number): void {
    if (!this.serverUp) return;
    this.serverUp = false;
    this.agenda.at(untilUs, () => this.startServer());
  }

  slew(node: Node): void {
    const { random } = this;
    node.boot.turn(this.nowUs, slewed(random));
    this.serverMono.turn(this.nowUs, slewed(random));
    if (node.copy) this.guard(node, node.copy);
  }

  /** Suspended: neither program nor shim nor agent runs; CLOCK_BOOTTIME goes on. */
  sleep(node: Node, untilUs: number): void {
    node.asleepUntil = untilUs;
    const sleptUs = untilUs - this.nowUs;
    this.agenda.at(untilUs, () => {
      node.boot.asleepUs += sleptUs;
      const { copy } = node;
      if (!copy?.alive) return;
      this.guard(node, copy);
      if (node.boot.at(this.nowUs) < copy.fenceUs) return;
      copy.woken = true;
      this.agenda.after(KILL_US + 1_000, () => {
        copy.woken = false;
      });
    });
  }
}

/** So many leases of one fleet; the same seed tells the same story. */
export function simulateLeases(seed: number, leases: number, mutant?: Mutant): LeaseOutcome {
  const world = new World(seed, mutant);
  const beganUs = world.nowUs;
  world.run(leases);
  const { starts, moves, needless, overlaps, agenda } = world;
  const hours = (world.nowUs - beganUs) / HOUR;
  return { hours, leases, starts, moves, needless, overlaps, events: agenda.events };
}
