/** The agent's line, told to end at the one moment when it has neither dialled nor been welcomed. */
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { Link } from '../../src/net/link.io.ts';
import { keepConnected } from '../../src/roles/agent/connection.io.ts';

const helloBody = { build: '0', features: [], role: 'agent', instance: 'i' } as const;

test.each(['while it waits for WELCOME', 'and WELCOME comes all the same'])(
  'told to end %s, it ends',
  async (when) => {
    const over = new AbortController();
    const greeted: string[] = [];
    const server = createServer((socket) => {
      const link = new Link({ socket, side: 'acceptor' });
      link.handle({
        hello: () => {
          over.abort();
          if (when.startsWith('while')) return;
          link.welcome({ build: '0', features: [], fleet: 'f', at: 1, heartbeatMs: 5_000 });
        },
      });
    });
    const listening = Promise.withResolvers<void>();
    server.listen(0, '::1', () => listening.resolve());
    await listening.promise;
    const { port } = server.address() as { port: number };
    await keepConnected({
      ...{ servers: [`[::1]:${port}`], plaintext: true, keylog: undefined, signal: over.signal },
      ...{ log: () => undefined, credentials: () => undefined, hello: () => helloBody },
      prepare: () => undefined,
      opened: () => void greeted.push('opened'),
      closed: () => void greeted.push('closed'),
    });
    // Whoever heard of its beginning hears of its end.
    expect(greeted).toEqual(greeted.length === 0 ? [] : ['opened', 'closed']);
    await new Promise((resolve) => server.close(resolve));
  },
  5_000,
);
