/**
 * Placement: 10,000 instances on 1,000 nodes, and what one change costs afterwards. It is the
 * model alone, command by command, as the journal brings them; agents have no part in a choice.
 * Sums are of the thread's time on a processor, so that they are the same on a busy machine; that
 * is counted in ticks, so of single changes it is the mean, beside the median by the clock.
 */
import { apply } from '../../src/roles/server/model/apply.ts';
import type { Command, CommandKind } from '../../src/roles/server/model/command.ts';
import { emptyState, type State } from '../../src/roles/server/model/state.ts';
import { digits, type Finding, median, quantile, type Row } from '../measure.ts';

const NODES = 1_000;
const INSTANCES = 10_000;
const CHANGES = 200;

export const place: Row = {
  name: 'place',
  limitMs: 120_000,
  run: () => Promise.resolve([placed(1_000), placed(100), placed(10), ...changed()]),
};

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

class Fleet {
  readonly state: State = emptyState();
  #no = 0;

  constructor() {
    this.act('found', { fleet: 'f', spki: 'root', identity: 'root' });
    for (let n = 0; n < NODES; n += 1) this.join(n);
  }

  act(kind: CommandKind, body: object): number {
    this.#no += 1;
    const key = Buffer.from(String(this.#no).padStart(16, '0'));
    const command = { kind, body, key, at: this.#no, who: 'bench', origin: '' };
    const begunMs = performance.now();
    const { reply } = apply(this.state, command as unknown as Command, this.#no);
    const tookMs = performance.now() - begunMs;
    if (!reply.ok) throw new Error(reply.text);
    return tookMs;
  }

  join(n: number): number {
    const token = String(n).padStart(8, '0');
    const spki = token.padEnd(64, '0');
    this.act('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
    const labels = { rack: `r${n % 40}` };
    const body = { spki: `key-${n}`, token, instance: 'i', build: 'b' };
    this.act('enrol', { ...body, node: `n${n}`, labels });
    return this.attach(n);
  }

  attach(n: number): number {
    const room = { cores: 16, memoryBytes: 2 ** 36, slots: 64 };
    const uid = this.uid(n);
    return this.act('attach', { uid, instance: 'i', build: 'b', addresses: [], room });
  }

  uid(n: number): string {
    return this.state.index.nodeByName.get(`n${n}`) ?? '';
  }

  create(tasks: number): number {
    const begunMs = cpuMs();
    for (let task = 0; task < tasks; task += 1) {
      const spec = { command: ['x'], cpuMax: 0.1, memoryMaxBytes: 1 << 24, slots: 1 };
      const on = { instances: INSTANCES / tasks, spread: 'rack' };
      this.act('taskAdd', { task: `t${task}`, mode: 'create', spec: { ...spec, ...on } });
    }
    return cpuMs() - begunMs;
  }
}

function placed(tasks: number): Finding {
  const times: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    const fleet = new Fleet();
    const tookMs = fleet.create(tasks);
    if (round > 0) times.push(tookMs);
  }
  const ms = median(times);
  return {
    what: `10,000 instances placed on 1,000 nodes: ${tasks} tasks, spread over 40 racks`,
    figure: `${digits(ms)} ms (worst ${digits(Math.max(...times))})`,
    against: 'nothing',
    result: `${digits(ms)} ms`,
    goal: '≤ 1 s',
    met: ms <= 1_000,
  };
}

/** Ten instances are on each node when it changes. */
function changed(): readonly Finding[] {
  const fleet = new Fleet();
  fleet.create(1_000);
  const targets = Array.from({ length: 1_000 }, (_, n) => `t${n}`);
  for (let at = 0; at < targets.length; at += 100)
    fleet.act('taskRun', { targets: targets.slice(at, at + 100) });
  const spec = { command: ['x'], cpuMax: 0.1, instances: 10, spread: 'rack', slots: 1 };
  const more = { ...spec, instances: 11 };
  const kinds: Readonly<Record<string, (n: number) => number>> = {
    'one task wants one instance more': (n) =>
      fleet.act('taskAdd', { task: `t${n}`, mode: 'set', spec: more }),
    'one node comes': (n) => {
      fleet.act('detach', { uid: fleet.uid(n), orderly: false });
      return fleet.attach(n);
    },
    'one node is drained, ten instances to move': (n) =>
      fleet.act('depDrain', { mode: 'drain', names: [`n${n}`] }),
  };
  return Object.entries(kinds).map(([what, change]) => {
    const begunMs = cpuMs();
    const times = Array.from({ length: CHANGES }, (_, n) => change(n));
    const ms = (cpuMs() - begunMs) / CHANGES;
    return {
      what: `10,000 instances placed and started on 1,000 nodes: ${what}`,
      figure: `${digits(median(times))} ms (p99 ${digits(quantile(times, 0.99))}), CPU ${digits(ms)}`,
      against: 'nothing',
      result: `${digits(ms)} ms of CPU`,
      goal: '≤ 5 ms',
      met: Math.max(ms, median(times)) <= 5,
    };
  });
}
