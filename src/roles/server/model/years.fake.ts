/**
 * Years of keys and CAs of a fleet in virtual time, in weeks. Nodes renew their keys, are away for
 * months, and die between any two things that are durable; the server dies and replays its journal;
 * its CA is rotated again and again. What is on a node's disk and what stands in the journal are
 * all that survives. After each week nobody may be lost: the key on the disk of each node gets it
 * in, it trusts the CA whose certificate the server shows, and what is over gets nobody in.
 *
 * The agent's steps are those of agent/rotation.io.ts; how the server's files follow its journal
 * is tests/server/rotate-ca.test.ts.
 */
import { Prng } from '../../../base/prng.ts';
import { identify } from '../identify.ts';
import { apply } from './apply.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { emptyState, type Reply, type State } from './state.ts';

const WEEK_US = 7 * 86_400_000_000;
const WEEKS_OF_YEAR = 52;
/** As `limits.rotateKeyMs`, in weeks. */
const KEY_WEEKS = 4;
const FIRST_CA = 'ca-0';
/** Renewals, then words about the CA: where a node dies. */
const DEATHS = ['before', 'made', 'asked', 'answered', 'stored', 'told-ca', 'stored-ca'] as const;
type Death = (typeof DEATHS)[number];

export interface Years {
  /** What was found wrong, and when; empty is what is wanted. */
  readonly lost: readonly string[];
  readonly renewals: number;
  readonly rotations: number;
  readonly deaths: ReadonlyMap<string, number>;
}

class Server {
  state: State = emptyState();
  readonly #journal: Command[] = [];
  at = 1;

  do<K extends CommandKind>(kind: K, body: CommandBody<K>, by?: string): Reply {
    const key = Buffer.from(String(this.#journal.length).padStart(16, '0'));
    this.at += 1;
    const stamp = { key, at: this.at, who: 'somebody', origin: 'test', by };
    const command = { kind, body, ...stamp } as unknown as Command;
    this.#journal.push(command);
    return apply(this.state, command, this.#journal.length).reply;
  }

  die(): void {
    this.state = emptyState();
    for (const [index, command] of this.#journal.entries()) apply(this.state, command, index + 1);
  }

  lets(spki: string): boolean {
    const door = { spki, authorized: true, plaintext: false, address: '[::1]:1' };
    return 'peer' in identify(this.state, door, { atUs: this.at });
  }

  get shown(): string {
    return this.state.ca?.pin ?? FIRST_CA;
  }

  /** CAs by name, as net/trust.ts has them by digest. */
  get wanted(): string {
    return this.state.ca?.trusts ?? FIRST_CA;
  }
}

class Node {
  readonly name: string;
  readonly uid: string;
  /** On its disk, and nothing else is. */
  key: string;
  next: string | undefined;
  trusts = FIRST_CA;
  keyWeek = 0;
  made = 0;
  /** Keys whose successor has been used: they get nobody in any more. */
  readonly over: string[] = [];
  #used: string;

  constructor(server: Server, name: string) {
    this.name = name;
    this.key = `${name}-0`;
    this.#used = this.key;
    const spki = Buffer.from(name.padStart(4, '0')).toString('hex');
    server.do('hostToken', { spki, role: 'agent', ttlMs: 60_000, usesLeft: 1 });
    const body = { spki: this.key, token: spki, instance: 'i', build: 'b', node: name };
    const reply = server.do('enrol', body, spki);
    this.uid = (reply.ok ? reply.body['uid'] : '') as string;
  }

  /** A session: its first word, the CA's, a renewal where one is due. It may die on the way. */
  visit(server: Server, week: number, death: Death | undefined): boolean {
    if (!server.lets(this.key) || !this.trusts.split('+').includes(server.shown)) return false;
    if (this.next === this.key) this.next = undefined;
    const { uid, key: spki } = this;
    server.do('attach', { uid, instance: 'i', build: 'b', addresses: [], spki });
    if (this.#used !== spki) this.over.push(this.#used);
    this.#used = spki;
    if (this.trusts !== server.wanted) {
      if (death === 'told-ca') return true;
      this.trusts = server.wanted;
      if (death === 'stored-ca') return true;
    }
    if (server.state.ca) server.do('trusts', { spki, trusts: this.trusts });
    if (week - this.keyWeek >= KEY_WEEKS) this.#renew(server, week, death);
    return true;
  }

  #renew(server: Server, week: number, death: Death | undefined): void {
    if (death === 'before') return;
    if (this.next === undefined) {
      this.made += 1;
      this.next = `${this.name}-${this.made}`;
    }
    if (death === 'made') return;
    const reply = server.do('renew', { uid: this.uid, spki: this.next }, this.key);
    if (!reply.ok || death === 'asked' || death === 'answered') return;
    this.key = this.next;
    this.keyWeek = week;
    if (death !== 'stored') this.next = undefined;
  }
}

export function liveYears(years: number, seed: number, nodes = 4): Years {
  const random = new Prng(seed);
  const server = new Server();
  server.do('found', { fleet: 'f', spki: 'root', identity: 'root' });
  const all = Array.from({ length: nodes }, (_, no) => new Node(server, `n${no}`));
  const [lost, deaths] = [[] as string[], new Map<string, number>()];
  const died = (what: string): void => void deaths.set(what, (deaths.get(what) ?? 0) + 1);
  const awayUntil = new Map<Node, number>();
  let [cas, rotations] = [0, 0];
  for (let week = 1; week <= years * WEEKS_OF_YEAR; week += 1) {
    server.at += WEEK_US;
    for (const node of all) {
      if ((awayUntil.get(node) ?? 0) > week) continue;
      if (random.int(0, 19) === 0) awayUntil.set(node, week + random.int(2, 30));
      const death = random.int(0, 2) === 0 ? random.pick(DEATHS) : undefined;
      if (!node.visit(server, week, death)) lost.push(`week ${week}: ${node.name} is not let in`);
      if (death) died(death);
      if (random.int(0, 3) === 0) {
        server.die();
        died('server');
      }
      // Its next session, with what is on its disk: what came before is over.
      if (!node.visit(server, week, undefined)) lost.push(`week ${week}: ${node.name} is lost`);
      const back = node.over.find((key) => server.lets(key));
      if (back !== undefined) lost.push(`week ${week}: ${back} is over and gets in`);
    }
    if (random.int(0, 7) === 0 && server.state.ca?.stage !== 'overlap') {
      cas += 1;
      const [pin, nextPin] = [server.shown, `ca-${cas}`];
      server.do('depAuthority', { mode: 'rotate', pin, nextPin, trusts: `${pin}+${nextPin}` });
    }
    server.do('trusts', { spki: 'root', trusts: server.wanted });
    const { ca } = server.state;
    if (ca?.stage !== 'overlap' || ca.nextPin === undefined) continue;
    if (server.do('depAuthority', { mode: 'finish', trusts: ca.nextPin }).ok) rotations += 1;
    if (random.int(0, 1) === 0) server.die();
  }
  const renewals = all.reduce((sum, { over }) => sum + over.length, 0);
  return { lost, renewals, rotations, deaths };
}
