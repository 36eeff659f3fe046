import { expect, test } from 'vitest';
import { errorCodes, LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { Dialogue } from './dialogue.ts';
import type { Reply } from './exchange.ts';
import { failureOf, RefusedError } from './refused.ts';

const helloBody = { build: '0', features: [], role: 'agent', instance: 'i' } as const;
const welcomeBody = { build: '0', features: [], fleet: 'f', at: 5, heartbeatMs: 5_000 } as const;

/** Two dialogues; what they say is carried in microtasks, in pieces of any size. */
class Pair {
  nowMs = 0;
  readonly opener: Dialogue;
  readonly acceptor: Dialogue;
  cut = false;

  constructor(enrol = false) {
    const now = (): number => this.nowMs;
    this.opener = new Dialogue({ side: 'opener' }, now, () => this.#carry('opener', 'acceptor'));
    this.acceptor = new Dialogue({ side: 'acceptor', enrol }, now, () =>
      this.#carry('acceptor', 'opener'),
    );
  }

  async open(): Promise<this> {
    this.acceptor.handle({ hello: () => this.acceptor.welcome(welcomeBody) });
    await this.opener.hello(helloBody);
    return this;
  }

  #carry(from: 'opener' | 'acceptor', to: 'opener' | 'acceptor'): void {
    queueMicrotask(() => {
      if (this.cut) return;
      const frames = this[from].takeOutput(50_000);
      for (const frame of frames) {
        const middle = frame.length >> 1;
        this[to].receive(frame.subarray(0, middle));
        this[to].receive(frame.subarray(middle));
      }
      if (frames.length > 0) this.#carry(from, to);
    });
  }
}

const failed = async (promise: Promise<unknown>): Promise<LotcError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LotcError);
  return error as LotcError;
};

test('closed in the middle of what came at once, it hears no more of it', async () => {
  const pair = await new Pair().open();
  const { opener, acceptor } = pair;
  pair.cut = true;
  const heard: unknown[] = [];
  acceptor.onRequest('retQuery', ({ query }, reply) => {
    heard.push(query);
    reply.fail(failureOf('not-allowed', 'no'));
    acceptor.over('out of order', 'us');
  });
  acceptor.handle({ notify: (kind) => void heard.push(kind) });
  const asked = ['first', 'second'].map((query) => failed(opener.request('retQuery', { query })));
  opener.notify('hostSample', { samples: [] });
  acceptor.receive(Buffer.concat(opener.takeOutput(1e6)));
  expect(heard).toEqual(['first']);
  // Its last words are said all the same.
  for (const frame of acceptor.takeOutput(1e6)) opener.receive(frame);
  opener.over('closed', 'peer');
  expect((await Promise.all(asked)).map(({ code }) => code)).toEqual([
    'not-allowed',
    'unresponsive',
  ]);
});

test('HELLO is welcomed, or refused with the reason', async () => {
  const pair = new Pair();
  pair.acceptor.handle({
    hello: (body) => {
      expect(body).toEqual(helloBody);
      pair.acceptor.refuse(failureOf('name-taken', 'n1 is alive', 'lotc admin node rm n1'));
    },
  });
  const error = await failed(pair.opener.hello(helloBody));
  const { code, message, hint } = error;
  expect({ code, message, hint }).toEqual({
    ...{ code: 'name-taken', message: 'n1 is alive', hint: 'lotc admin node rm n1' },
  });
  expect((await pair.opener.closed).by).toBe('peer');
  expect((await pair.acceptor.closed).by).toBe('us');
});

test('an enrolment is answered, or refused', async () => {
  const pair = new Pair(true);
  const body = { csr: new Uint8Array(3), instance: 'i', build: '0' };
  const answer = { certificate: 'c', authority: 'a', fleet: 'f' };
  pair.acceptor.onRequest('hostAdd', (asked, reply) => {
    expect(asked.csr).toEqual(body.csr);
    reply.ok(answer);
  });
  expect(await pair.opener.enrol(body)).toEqual(answer);
  const other = new Pair(true);
  other.acceptor.onRequest('hostAdd', (_, reply) => reply.fail(failureOf('token-used', 'used')));
  expect((await failed(other.opener.enrol(body))).code).toBe('token-used');
});

test('a request gets its ACK, its parts one after the other, and its end', async () => {
  const { opener, acceptor } = await new Pair().open();
  acceptor.onRequest('retExec', (body, reply) => {
    expect(body.on).toBe('@all');
    reply.ack({ operation: 'O1', processes: [] });
    for (const offset of [0, 1, 2]) reply.more({ offset });
    reply.ok({ answers: [] });
  });
  const seen: unknown[] = [];
  const body = { key: new Uint8Array(16), spec: { command: ['true'] }, on: '@all', credit: 1 };
  const last = await opener.request('retExec', body, {
    onAck: (ack) => seen.push(ack.operation),
    onMore: async ({ offset }) => {
      await Promise.resolve();
      seen.push(offset);
    },
  });
  seen.push(last);
  expect(seen).toEqual(['O1', 0, 1, 2, { answers: [] }]);
});

test('ERR is an error with code, hint and the answers of all targets', async () => {
  const { opener, acceptor } = await new Pair().open();
  const failure = {
    ...failureOf('some-failed', '1 of 2 failed', 'look'),
    answers: [{ ok: true }, { ok: false, node: 'n2' }],
  };
  acceptor.onRequest('taskRun', (_, reply) => reply.fail(failure));
  const error = await failed(
    opener.request('taskRun', { key: new Uint8Array(16), targets: ['t'] }),
  );
  expect(error).toBeInstanceOf(RefusedError);
  expect((error as RefusedError).failure).toEqual(failure);
  expect([error.code, error.hint]).toEqual(['some-failed', 'look']);
});

test('what nobody answers is refused by name', async () => {
  const { opener } = await new Pair().open();
  expect((await failed(opener.request('retQuery', { query: 'x' }))).code).toBe('not-allowed');
});

test('an abort withdraws the request: the other side hears of it once', async () => {
  const { opener, acceptor } = await new Pair().open();
  const asked = Promise.withResolvers<Reply>();
  let drops = 0;
  acceptor.onRequest('retWatch', (_, reply) => {
    reply.onDrop(() => {
      drops += 1;
    });
    asked.resolve(reply);
  });
  const controller = new AbortController();
  const { signal } = controller;
  const watch = opener.request('retWatch', { query: 'events' }, { signal });
  const reply = await asked.promise;
  controller.abort(new LotcError('cancelled', 'enough'));
  expect((await failed(watch)).message).toBe('enough');
  await opener.request('ping', {});
  expect([drops, reply.over]).toEqual([1, true]);
  reply.ok({});
  const late = opener.request('retWatch', { query: 'events' }, { signal });
  expect((await failed(late)).message).toBe('enough');
});

test('a consumer of parts that throws ends its request and no other', async () => {
  const { opener, acceptor } = await new Pair().open();
  acceptor.onRequest('retWatch', (_, reply) => reply.more({ events: [] }));
  const watch = opener.request(
    'retWatch',
    { query: 'x' },
    {
      onMore: () => Promise.reject(new LotcError('io', 'stdout is gone')),
    },
  );
  expect((await failed(watch)).code).toBe('io');
  await opener.request('ping', {});
});

test('more than 256 requests at once wait for their turn', async () => {
  const { opener, acceptor } = await new Pair().open();
  let working = 0;
  let most = 0;
  acceptor.onRequest('retQuery', (body, reply) => {
    working += 1;
    most = Math.max(most, working);
    setImmediate(() => {
      working -= 1;
      reply.ok({ seq: body.limit });
    });
  });
  const all = await Promise.all(
    Array.from({ length: 1000 }, (_, limit) => opener.request('retQuery', { query: 'x', limit })),
  );
  expect(all.map(({ seq }) => seq)).toEqual(all.map((_, n) => n));
  expect(most).toBe(limits.requestsInFlight);
});

test('the end: open requests, waiting ones and later ones fail; replies are dropped', async () => {
  const pair = await new Pair().open();
  const { opener, acceptor } = pair;
  const ends: string[] = [];
  opener.handle({ end: ({ text }) => ends.push(text) });
  let dropped = 0;
  acceptor.onRequest('retWait', (_, reply) => {
    reply.onDrop(() => {
      dropped += 1;
    });
  });
  const asked = Array.from({ length: 300 }, () => opener.request('retWait', { operation: 'O1' }));
  await opener.request('ping', {});
  pair.cut = true;
  opener.over('cable', 'peer');
  acceptor.over('cable', 'peer');
  for (const one of asked) expect((await failed(one)).code).toBe('unresponsive');
  expect((await failed(opener.request('retWait', {}))).code).toBe('unresponsive');
  expect(dropped).toBe(limits.requestsInFlight);
  expect(ends).toEqual(['cable']);
  expect(await opener.closed).toEqual({ by: 'peer', fault: undefined, text: 'cable' });
});

test('a cut that says nothing is noticed by missed pings', async () => {
  const pair = await new Pair().open();
  pair.cut = true;
  const waiting = failed(pair.opener.request('retWait', { operation: 'O1' }));
  for (let turn = 0; turn < 3; turn += 1) {
    pair.nowMs = pair.opener.deadlineMs;
    pair.opener.tick();
  }
  expect(pair.nowMs).toBe(15_000);
  expect((await pair.opener.closed).fault).toBe('silent');
  expect((await waiting).code).toBe('unresponsive');
});

const content = new Uint8Array(1_000_000).map((_, n) => n % 251);

test('an upload: content goes in as the receiver drains, and OK comes after all of it', async () => {
  const { opener, acceptor } = await new Pair().open();
  const got: Uint8Array[] = [];
  acceptor.onRequest('filePut', (body, reply) => {
    const receiving = reply.receive({ offset: 1_000, sizeBytes: body.sizeBytes });
    reply.ack({ offset: 1_000, credit: receiving.credit });
    void (async () => {
      for await (const piece of receiving) got.push(piece.slice());
      reply.ok({ digest: body.digest });
    })();
  });
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const call = opener.ask(
    'filePut',
    { digest: 'd', sizeBytes: content.length },
    {
      ack: ({ offset = 0, credit = 0 }) => {
        const sending = call.send({ offset, sizeBytes: content.length, credit });
        void (async () => {
          for (let at = offset; at < content.length; at += 70_000) {
            await sending.write(content.subarray(at, at + 70_000));
          }
          await sending.end();
        })();
      },
      ok: resolve,
      fail: reject,
    },
  );
  expect(await promise).toEqual({ digest: 'd' });
  expect(Buffer.compare(Buffer.concat(got), content.subarray(1_000))).toBe(0);
});

test('a download, with pings in between; a lost session ends both sides of it', async () => {
  const pair = await new Pair().open();
  const { opener, acceptor } = pair;
  const ended: unknown[] = [];
  acceptor.onRequest('fileGet', ({ offset, credit }, reply) => {
    const sending = reply.send({ offset, sizeBytes: content.length, credit });
    reply.ack({ sizeBytes: content.length });
    sending.write(content.subarray(offset)).then(
      () => sending.end().then(() => reply.ok({ digest: 'd' })),
      (error: unknown) => ended.push((error as LotcError).code),
    );
  });
  const get = (): { receiving: AsyncIterable<Uint8Array>; done: Promise<unknown> } => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    promise.catch(() => undefined);
    const body = { digest: 'd', offset: 0, credit: limits.creditBytes };
    const call = opener.ask('fileGet', body, { ok: resolve, fail: reject });
    return { receiving: call.receive({ offset: 0 }), done: promise };
  };
  const first = get();
  const got: Uint8Array[] = [];
  for await (const piece of first.receiving) {
    got.push(piece.slice());
    if (got.length % 20 === 0) await opener.request('ping', {});
  }
  expect(await first.done).toEqual({ digest: 'd' });
  expect(Buffer.compare(Buffer.concat(got), content)).toBe(0);
  const second = get();
  await expect(async () => {
    for await (const piece of second.receiving) {
      if (piece.length > 0) {
        opener.over('cable', 'peer');
        acceptor.over('cable', 'peer');
      }
    }
  }).rejects.toThrow('cable');
  await expect(second.done).rejects.toMatchObject({ errorCode: errorCodes.unresponsive.number });
  await Promise.resolve();
  expect(ended).toEqual(['unresponsive']);
});

test('a sender beyond its credit ends its session', async () => {
  const { opener, acceptor } = await new Pair().open();
  acceptor.onRequest('filePut', (_, reply) => {
    reply.receive({ offset: 0, sizeBytes: content.length, windowBytes: 10_000 });
    reply.ack({ offset: 0, credit: 20_000 });
  });
  const call = opener.ask(
    'filePut',
    { digest: 'd', sizeBytes: content.length },
    {
      ack: () => {
        const sending = call.send({ offset: 0, sizeBytes: content.length, credit: 20_000 });
        sending.write(content).catch(() => undefined);
      },
      ok: () => undefined,
      fail: () => undefined,
    },
  );
  expect((await opener.closed).fault).toBe('credit-overrun');
  expect((await acceptor.closed).by).toBe('us');
});

test('WELCOME is taken before a request that came in the same chunk is heard', () => {
  const now = (): number => 0;
  const opener = new Dialogue({ side: 'opener' }, now, () => undefined);
  const acceptor = new Dialogue({ side: 'acceptor' }, now, () => undefined);
  const heard: string[] = [];
  opener.handle({ request: (kind) => heard.push(kind) });
  acceptor.handle({ hello: () => acceptor.welcome(welcomeBody) });
  void opener.hello(helloBody, () => heard.push('welcome'));
  acceptor.receive(Buffer.concat(opener.takeOutput(50_000)));
  void acceptor.ask(
    'synAssign',
    { generation: 1, base: 0, items: [] },
    {
      ok: () => undefined,
      fail: () => undefined,
    },
  );
  opener.receive(Buffer.concat(acceptor.takeOutput(50_000)));
  expect(heard).toEqual(['welcome', 'synAssign']);
});
