/**
 * Years of key renewals of one node in virtual time, with deaths of either side at every step: the
 * agent's steps are those of agent/rotation.io.ts, the server is the model behind its journal.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { identify } from '../identify.ts';
import { apply } from './apply.ts';
import type { Command, CommandBody, CommandKind } from './command.ts';
import { emptyState, type Reply, type State } from './state.ts';

const MONTH_US = 30 * 86_400_000_000;

class Server {
  state: State = emptyState();
  readonly journal: Command[] = [];
  at = 1;

  do<K extends CommandKind>(kind: K, body: CommandBody<K>, by?: string): Reply {
    const key = Buffer.from(String(this.journal.length).padStart(16, '0'));
    this.at += 1;
    const stamp = { key, at: this.at, who: 'n1', origin: 'test', by };
    const command = { kind, body, ...stamp } as unknown as Command;
    this.journal.push(command);
    return apply(this.state, command, this.journal.length).reply;
  }

  /** It died: what it knows is what its journal says. */
  replay(): void {
    this.state = emptyState();
    for (const [index, command] of this.journal.entries()) apply(this.state, command, index + 1);
  }

  lets(spki: string): string {
    const door = { spki, authorized: true, plaintext: false, address: '[::1]:1' };
    const found = identify(this.state, door, { atUs: this.at });
    return 'peer' in found ? 'in' : found.refused;
  }
}

/** What is on its disk, and nothing else survives it. */
class Agent {
  key = 'key-0';
  next: string | undefined;
  made = 0;
  uid = '';

  /** Steps of one renewal, each durable; `stopAt` is where it dies. Whether it got through. */
  renew(server: Server, stopAt: number, deaf: boolean): boolean {
    if (stopAt === 0) return false;
    if (this.next === undefined) {
      this.made += 1;
      this.next = `key-${this.made}`;
    }
    if (stopAt === 1) return false;
    const reply = server.do('renew', { uid: this.uid, spki: this.next }, this.key);
    expect(reply).toMatchObject({ ok: true });
    if (deaf || stopAt === 2) return false;
    this.key = this.next;
    if (stopAt === 3) return false;
    this.next = undefined;
    return true;
  }

  connect(server: Server): void {
    const { uid, key: spki } = this;
    const body = { uid, instance: 'i', build: 'b', addresses: [], spki };
    expect(server.do('attach', body)).toMatchObject({ ok: true });
  }
}

function joined(): { server: Server; agent: Agent } {
  const [server, agent] = [new Server(), new Agent()];
  server.do('found', { fleet: 'f', spki: 'root', identity: 'root' });
  server.do('hostToken', { spki: '12345678', role: 'agent', ttlMs: 60_000, usesLeft: 1 });
  const body = { spki: agent.key, token: '12345678', instance: 'i', build: 'b', node: 'n1' };
  const reply = server.do('enrol', body, '12345678');
  agent.uid = (reply.ok ? reply.body['uid'] : '') as string;
  return { server, agent };
}

const month = fc.record({
  stopAt: fc.integer({ min: 0, max: 5 }),
  deaf: fc.boolean(),
  serverDies: fc.boolean(),
});

test('whatever dies at whatever step, the key on disk counts, and one that is over does not', () => {
  fc.assert(
    fc.property(fc.array(month, { minLength: 12, maxLength: 36 }), (months) => {
      const { server, agent } = joined();
      const over = new Set<string>();
      let last = agent.key;
      for (const { stopAt, deaf, serverDies } of months) {
        server.at += MONTH_US;
        // Over the session that is there: its first word retires what came before.
        agent.connect(server);
        if (agent.key !== last) over.add(last);
        last = agent.key;
        agent.renew(server, stopAt, deaf);
        if (serverDies) server.replay();
        // As at its start: what was put in place is not asked for again.
        if (agent.next === agent.key) agent.next = undefined;
        expect(server.lets(agent.key)).toBe('in');
        for (const key of over) expect(server.lets(key)).not.toBe('in');
      }
      const living = [...server.state.identities.values()].filter(({ node }) => node === agent.uid);
      expect(living.length).toBeLessThanOrEqual(4);
    }),
    { numRuns: 200 },
  );
});

test('a key that was replaced is told so; a key of another node is none', () => {
  const { server, agent } = joined();
  agent.connect(server);
  agent.renew(server, 9, false);
  expect([server.lets('key-0'), server.lets('key-1')]).toEqual(['in', 'in']);
  agent.connect(server);
  expect(server.lets('key-0')).toBe('a newer key has taken its place');
  const again = server.do('renew', { uid: agent.uid, spki: 'key-0' }, agent.key);
  expect(again).toMatchObject({ ok: false, code: 'exists' });
  const stolen = server.do('renew', { uid: agent.uid, spki: 'key-9' }, 'root');
  expect(stolen).toMatchObject({ ok: false, code: 'unauthenticated' });
});
