import fc from 'fast-check';
import { expect, test } from 'vitest';
import { errorCodes, ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { encodeCoded, encodeFrame } from './codec.ts';
import { sealFrame } from './frame.ts';
import type { Req } from './layout.ts';
import { Session } from './session.ts';
import type { SessionEvent } from './session-events.ts';

const helloBody: Req<'hostHello'> = { build: '0', features: [], role: 'agent', instance: 'i' };
const welcomeBody = { build: '0', features: [], fleet: 'f', at: 5, heartbeatMs: 5_000 };

/** Two sessions and the bytes between them, with a clock that is told. */
class Pair {
  nowMs = 1_000;
  readonly opener: Session;
  readonly acceptor: Session;

  constructor(enrol = false) {
    this.opener = new Session({ side: 'opener', nowMs: this.nowMs });
    this.acceptor = new Session({ side: 'acceptor', nowMs: this.nowMs, enrol });
  }

  toAcceptor(): readonly SessionEvent[] {
    return this.#carry(this.opener, this.acceptor);
  }

  toOpener(): readonly SessionEvent[] {
    return this.#carry(this.acceptor, this.opener);
  }

  open(): this {
    this.opener.hello(helloBody);
    this.toAcceptor();
    this.acceptor.welcome(welcomeBody);
    this.toOpener();
    return this;
  }

  #carry(from: Session, to: Session): readonly SessionEvent[] {
    const bytes = Buffer.concat(from.takeOutput(Number.POSITIVE_INFINITY));
    return to.receive(bytes, this.nowMs);
  }
}

const query = { query: 'nodes' };
const raw = (kind: 'ping' | 'retQuery', id: number) =>
  encodeFrame({ kind, state: 'REQ', id, body: kind === 'ping' ? {} : query });
const endOf = (events: readonly SessionEvent[]) =>
  events.flatMap((event) => (event.type === 'end' ? [event.end] : []))[0];

test('HELLO, WELCOME, then requests both ways with odd and even ids', () => {
  const pair = new Pair();
  pair.opener.hello(helloBody);
  expect(pair.toAcceptor()).toEqual([{ type: 'hello', body: helloBody }]);
  pair.acceptor.welcome(welcomeBody);
  expect(pair.toOpener()).toMatchObject([{ type: 'welcome', body: welcomeBody }]);
  expect([pair.opener.phase, pair.acceptor.phase]).toEqual(['open', 'open']);
  expect(pair.opener.request('retQuery', query, pair.nowMs)).toBe(3);
  expect(pair.acceptor.request('ping', {}, pair.nowMs)).toBe(2);
  const asked = { type: 'request', kind: 'retQuery', id: 3, body: query };
  expect(pair.toAcceptor()).toEqual([asked]);
  pair.nowMs += 7;
  expect(pair.toOpener()).toEqual([]);
  pair.acceptor.reply(3, 'OK', { nodes: [] }, true);
  pair.acceptor.reply(3, 'OK', { seq: 4 });
  expect(pair.toAcceptor()).toMatchObject([{ type: 'reply', kind: 'ping', id: 2, state: 'OK' }]);
  expect(pair.acceptor.rttMs).toBe(7);
  expect(pair.toOpener()).toEqual([
    { type: 'reply', kind: 'retQuery', id: 3, state: 'OK', more: true, body: { nodes: [] } },
    { type: 'reply', kind: 'retQuery', id: 3, state: 'OK', more: false, body: { seq: 4 } },
  ]);
});

test('a refused HELLO ends both sides, with the reason at the opener', () => {
  const pair = new Pair();
  pair.opener.hello(helloBody);
  pair.toAcceptor();
  const failure = { errorCode: errorCodes['name-taken'].number, text: 'n1 lives' };
  pair.acceptor.refuse(failure);
  const events = pair.toOpener();
  expect(events[0]).toEqual({ type: 'refused', failure });
  expect(endOf(events)).toEqual({ by: 'peer', fault: undefined, text: 'n1 lives' });
  expect([pair.opener.phase, pair.acceptor.phase]).toEqual(['ended', 'ended']);
});

test.each([
  ['a request before HELLO', raw('retQuery', 1)],
  ['a ping before HELLO', raw('ping', 1)],
  [
    'an enrolment where none is expected',
    encodeFrame({
      ...{ kind: 'hostAdd', state: 'REQ', id: 1 },
      body: { csr: new Uint8Array(1), instance: 'i', build: '0' },
    }),
  ],
  [
    'a HELLO with another id',
    encodeFrame({ kind: 'hostHello', state: 'REQ', id: 3, body: helloBody }),
  ],
])('%s ends the session', (_, bytes) => {
  const acceptor = new Session({ side: 'acceptor', nowMs: 0 });
  expect(endOf(acceptor.receive(bytes, 0))).toMatchObject({
    by: 'us',
    fault: 'unexpected-message',
  });
});

test('a request right behind HELLO, before WELCOME, ends the session', () => {
  const acceptor = new Session({ side: 'acceptor', nowMs: 0 });
  const hello = encodeFrame({ kind: 'hostHello', state: 'REQ', id: 1, body: helloBody });
  const events = acceptor.receive(Buffer.concat([hello, raw('ping', 3)]), 0);
  expect(events.map(({ type }) => type)).toEqual(['hello', 'end']);
});

test('an enrolment is one request and nothing else', () => {
  const pair = new Pair(true);
  const body = { csr: new Uint8Array(3), instance: 'i', build: '0' };
  expect(pair.opener.enrol(body)).toBe(1);
  expect(pair.toAcceptor()).toEqual([{ type: 'request', kind: 'hostAdd', id: 1, body }]);
  const answer = { certificate: 'c', authority: 'a', fleet: 'f' };
  pair.acceptor.reply(1, 'OK', answer);
  expect(pair.toOpener()).toMatchObject([{ type: 'reply', kind: 'hostAdd', id: 1, body: answer }]);
  expect(endOf(pair.acceptor.receive(raw('retQuery', 3), 0))?.fault).toBe('unexpected-message');
});

test('16 KiB before WELCOME, 1 MiB after', () => {
  const big = encodeFrame({
    ...{ kind: 'synReport', state: 'REQ', id: 3 },
    body: { reports: [{ seq: 1, at: 1, entry: 'x', reason: 'y'.repeat(20_000) }] },
  });
  const early = new Session({ side: 'acceptor', nowMs: 0 });
  expect(endOf(early.receive(big, 0))?.fault).toBe('body-too-large');
  expect(new Pair().open().acceptor.receive(big, 0)).toMatchObject([{ kind: 'synReport' }]);
});

test('no HELLO or no WELCOME in time ends the session', () => {
  for (const side of ['opener', 'acceptor'] as const) {
    const session = new Session({ side, nowMs: 0 });
    expect(session.deadlineMs()).toBe(limits.handshakeMs);
    expect(session.tick(limits.handshakeMs - 1)).toEqual([]);
    expect(endOf(session.tick(limits.handshakeMs))?.fault).toBe('handshake-timeout');
  }
});

test('a peer that falls silent is pinged, and dead after three intervals', () => {
  const { opener } = new Pair().open();
  const seen: [number, string][] = [];
  for (let turn = 0; turn < 10 && opener.phase === 'open'; turn += 1) {
    const atMs = opener.deadlineMs();
    const end = endOf(opener.tick(atMs));
    if (end) seen.push([atMs, String(end.fault)]);
    else if (opener.takeOutput(1).length > 0) seen.push([atMs, 'ping']);
  }
  expect(seen).toEqual([
    [6_000, 'ping'],
    [11_000, 'ping'],
    [16_000, 'silent'],
  ]);
  expect(opener.takeOutput(1)).toEqual([]);
});

test('a peer that answers pings lives for ever, and so does one that only talks', () => {
  const pair = new Pair().open();
  for (let turn = 0; turn < 20; turn += 1) {
    pair.nowMs = pair.opener.deadlineMs();
    expect(pair.opener.tick(pair.nowMs)).toEqual([]);
    pair.toAcceptor();
    pair.toOpener();
    if (turn > 10) {
      pair.nowMs += 4_000;
      pair.acceptor.notify('hostSample', { samples: [] });
      expect(pair.toOpener()).toMatchObject([{ type: 'notify' }]);
    }
  }
  expect(pair.opener.phase).toBe('open');
});

test('one that slept itself asks before it judges', () => {
  const { opener } = new Pair().open();
  expect(opener.tick(3_600_000)).toEqual([]);
  expect(opener.phase).toBe('open');
  expect(opener.takeOutput(1)).toHaveLength(1);
});

test('a request without a sign is repeated with AGAIN, then given up by name', () => {
  const pair = new Pair().open();
  const id = pair.opener.request(
    'taskAdd',
    { key: new Uint8Array(16), task: 't', spec: { command: ['x'] }, mode: 'set' },
    pair.nowMs,
  );
  expect(pair.toAcceptor()).toHaveLength(1);
  const repeats: number[] = [];
  for (;;) {
    pair.nowMs += 1_000;
    const events = pair.opener.tick(pair.nowMs);
    const frames = pair.opener.takeOutput(1e6);
    for (const frame of frames) if (frame[7] === 1) repeats.push(pair.nowMs - 1_000);
    expect(pair.acceptor.receive(Buffer.concat(frames), pair.nowMs)).toEqual([]);
    pair.toOpener();
    if (events.length > 0) {
      expect(events).toMatchObject([{ type: 'reply', id, state: 'ERR', body: { errorCode: 39 } }]);
      break;
    }
  }
  expect(repeats).toEqual([15_000, 30_000, 45_000]);
  expect(pair.nowMs).toBe(61_000);
  expect(pair.opener.phase).toBe('open');
});

test('an acknowledged request, and one that waits for the world, is never given up', () => {
  const pair = new Pair().open();
  const run = pair.opener.request(
    'taskRun',
    { key: new Uint8Array(16), targets: ['t'] },
    pair.nowMs,
  );
  pair.opener.request('retWait', { operation: 'O1' }, pair.nowMs);
  pair.toAcceptor();
  pair.acceptor.reply(run, 'ACK', { operation: 'O1' });
  pair.toOpener();
  for (let turn = 0; turn < 100; turn += 1) {
    pair.nowMs += 5_000;
    expect(pair.opener.tick(pair.nowMs)).toEqual([]);
    expect(pair.toAcceptor()).toEqual([]);
    pair.toOpener();
  }
});

test('a repeat has one effect: ignored while in progress, the same answer once done', () => {
  const { acceptor, nowMs } = new Pair().open();
  const request = raw('retQuery', 3);
  expect(acceptor.receive(request, nowMs)).toHaveLength(1);
  expect(acceptor.receive(request, nowMs)).toEqual([]);
  expect(acceptor.takeOutput(1e6)).toEqual([]);
  acceptor.reply(3, 'OK', { seq: 9 });
  const [first] = acceptor.takeOutput(1e6);
  expect(acceptor.receive(request, nowMs)).toEqual([]);
  expect(acceptor.takeOutput(1e6)).toEqual([first]);
});

test('answers are kept within bounds: an old repeat gets none, and starts nothing', () => {
  const { acceptor } = new Pair().open();
  let nowMs = 2_000;
  for (let n = 0; n < limits.answersKept + 10; n += 1) {
    nowMs += 1;
    acceptor.receive(raw('ping', 3 + 2 * n), nowMs);
    acceptor.takeOutput(1e6);
  }
  expect(acceptor.receive(raw('ping', 3), nowMs)).toEqual([]);
  expect(acceptor.takeOutput(1e6)).toEqual([]);
  acceptor.receive(raw('ping', 2049), nowMs);
  expect(acceptor.takeOutput(1e6)).toHaveLength(1);
  acceptor.tick(nowMs + limits.answerGiveUpMs + 1);
  acceptor.takeOutput(1e6);
  acceptor.receive(raw('ping', 2049), nowMs);
  expect(acceptor.takeOutput(1e6)).toEqual([]);
});

const most = limits.ownAnswersPerSecond;
const sample = { kind: 'hostSample', state: 'REQ', id: 0, body: { samples: [] } } as const;
const drop = { kind: 'synDrop', state: 'REQ', id: 0 } as const;

test('as many pings as a session answers in a second may come in each', () => {
  const { acceptor } = new Pair().open();
  acceptor.takeOutput(1e6);
  for (let second = 0; second < 5; second += 1) {
    const pings = Array.from({ length: most }, (_, n) => raw('ping', 3 + 2 * (second * most + n)));
    expect(acceptor.receive(Buffer.concat(pings), 2_000 + second * 1_000)).toEqual([]);
    expect(acceptor.takeOutput(1e6)).toHaveLength(most);
  }
});

test.each([
  ['pings', (id: number) => raw('ping', id)],
  ['one ping, again and again', () => raw('ping', 3)],
  [
    'messages nobody knows',
    (id: number) => encodeCoded(0b010_011_00, 0, id, { must: [], may: [] }, {}),
  ],
])('a flood of %s ends the session: it is answered without asking anybody', (_, make) => {
  const { acceptor, nowMs } = new Pair().open();
  acceptor.takeOutput(1e6);
  const flood = Array.from({ length: 2 * most }, (__, n) => make(3 + 2 * n));
  const end = endOf(acceptor.receive(Buffer.concat(flood), nowMs));
  expect(end).toMatchObject({ by: 'us', fault: 'too-many-requests' });
  // The answers so far, and its last words.
  expect(acceptor.takeOutput(1e9)).toHaveLength(most + 1);
});

test.each([
  ['readings', limits.samplesPerSecond, () => encodeFrame(sample)],
  ['withdrawals of nothing', most, () => encodeFrame({ ...drop, body: { request: 3 } })],
] as const)(
  'a flood of %s ends the session: nobody is answered, and somebody is busy',
  (_, so, make) => {
    const { acceptor, nowMs } = new Pair().open();
    for (let second = 0; second < 3; second += 1) {
      const many = Buffer.concat(Array.from({ length: so }, make));
      expect(endOf(acceptor.receive(many, nowMs + second * 1_000))).toBeUndefined();
    }
    expect(endOf(acceptor.receive(make(), nowMs + 2_500))).toMatchObject({
      ...{ by: 'us', fault: 'too-many-requests' },
    });
  },
);

test('more than 256 requests at once are refused by name, and the session goes on', () => {
  const pair = new Pair().open();
  for (let n = 0; n < limits.requestsInFlight; n += 1) pair.opener.request('retQuery', query, 0);
  expect(pair.opener.canRequest).toBe(false);
  expect(() => pair.opener.request('retQuery', query, 0)).toThrow('too many requests');
  expect(pair.toAcceptor()).toHaveLength(limits.requestsInFlight);
  const id = 3 + 2 * limits.requestsInFlight;
  expect(pair.acceptor.receive(raw('retQuery', id), 0)).toEqual([]);
  const [refusal] = pair.acceptor.takeOutput(1e6);
  expect(refusal?.[5]).toBe(0b100_001_11);
  pair.acceptor.receive(raw('ping', id + 2), 0);
  expect(pair.acceptor.takeOutput(1e6)).toHaveLength(1);
  expect(pair.acceptor.phase).toBe('open');
});

test.each([
  ['a request with our own parity', raw('retQuery', 4), 'bad-id'],
  ['a request without an id', raw('retQuery', 0), 'bad-id'],
  ['an answer to nothing', encodeFrame({ kind: 'ping', state: 'OK', id: 2, body: {} }), 'bad-id'],
  [
    'a chunk of nothing',
    encodeFrame({
      kind: 'fileChunk',
      state: 'REQ',
      id: 99,
      body: { offset: 0, data: new Uint8Array(0) },
    }),
    'bad-id',
  ],
  [
    'a sample with an id',
    encodeFrame({ kind: 'hostSample', state: 'REQ', id: 5, body: { samples: [] } }),
    'bad-id',
  ],
  ['noise', Buffer.from('GET / HTTP/1.1\r\nHost: lotc\r\n\r\n'), 'bad-magic'],
])('%s ends the session with an ERR frame', (_, bytes, fault) => {
  const pair = new Pair().open();
  expect(endOf(pair.acceptor.receive(bytes, 0))).toMatchObject({ by: 'us', fault });
  expect(endOf(pair.toOpener())).toMatchObject({ by: 'peer', fault });
  expect(pair.acceptor.receive(raw('ping', 3), 0)).toEqual([]);
  expect(pair.acceptor.deadlineMs()).toBe(Number.POSITIVE_INFINITY);
});

test('an answer to another kind than was asked ends the session', () => {
  const pair = new Pair().open();
  const id = pair.opener.request('retQuery', query, 0);
  const bytes = encodeFrame({ kind: 'ping', state: 'OK', id, body: {} });
  expect(endOf(pair.opener.receive(bytes, 0))?.fault).toBe('unexpected-message');
});

test('a message nobody knows is refused with its id, and the session goes on', () => {
  const pair = new Pair().open();
  const id = pair.opener.request('pingNode', { on: 'x' }, 0);
  const [frame] = pair.opener.takeOutput(1e6);
  const strange = Buffer.from(frame as Uint8Array);
  sealFrame(strange, { code: 0b010_011_00, flags: 0, id });
  expect(pair.acceptor.receive(strange, 0)).toEqual([]);
  expect(pair.toOpener()).toMatchObject([
    { type: 'reply', id, state: 'ERR', body: { errorCode: errorCodes.unsupported.number } },
  ]);
  expect([pair.opener.phase, pair.acceptor.phase]).toEqual(['open', 'open']);
  const answer = encodeCoded(0b010_011_10, 0, 3, { must: [], may: [] }, {});
  expect(endOf(pair.acceptor.receive(answer, 0))?.fault).toBe('bad-code');
});

test('a request that is withdrawn: the other side is told, late answers are for nobody', () => {
  const pair = new Pair().open();
  const id = pair.opener.request('retWatch', { query: 'events' }, 0);
  pair.toAcceptor();
  pair.acceptor.reply(id, 'ACK', {});
  pair.acceptor.reply(id, 'OK', { events: [] }, true);
  pair.opener.drop(id);
  pair.opener.drop(id);
  expect(pair.toAcceptor()).toEqual([{ type: 'drop', id }]);
  expect(pair.toOpener()).toEqual([]);
  pair.acceptor.reply(id, 'OK', { events: [] }, true);
  expect(pair.acceptor.queuedBytes).toBe(0);
});

test('control goes before bulk; parts of one answer keep their order', () => {
  const pair = new Pair().open();
  const list = pair.opener.request('retQuery', query, 0);
  const other = pair.opener.request('retQuery', query, 0);
  pair.toAcceptor();
  pair.acceptor.reply(list, 'OK', { seq: 1 }, true);
  pair.acceptor.reply(list, 'OK', { seq: 2 }, true);
  pair.acceptor.reply(list, 'OK', { seq: 3 });
  pair.acceptor.reply(other, 'OK', { seq: 4 });
  const order = pair.toOpener().map((event) => (event.type === 'reply' ? event.body.seq : 0));
  expect(order).toEqual([4, 1, 2, 3]);
});

test('chunks come last, by turns, and the answer behind its own chunks', () => {
  const pair = new Pair().open();
  const get = { digest: 'sha256:0', offset: 0, credit: 9 };
  const ids = [pair.opener.request('fileGet', get, 0), pair.opener.request('fileGet', get, 0)];
  pair.toAcceptor();
  for (const id of ids) {
    let at = 0;
    pair.acceptor.attach(id, () => {
      const chunk = { offset: at, data: Uint8Array.of(at), last: at === 2 };
      at += 1;
      return chunk;
    });
  }
  pair.acceptor.notify('hostSample', { samples: [] });
  const seen: unknown[] = [];
  for (let turn = 0; turn < 3; turn += 1) {
    const frame = Buffer.concat(pair.acceptor.takeOutput(1));
    seen.push(...pair.opener.receive(frame, 0));
  }
  pair.acceptor.notify('hostSample', { samples: [] });
  seen.push(...pair.toOpener());
  expect(
    seen.map((event) => {
      const one = event as SessionEvent;
      return one.type === 'chunk' ? `${one.id}:${one.offset}${one.last ? '!' : ''}` : one.type;
    }),
  ).toEqual(['notify', '3:0', '5:0', 'notify', '3:1', '5:1', '3:2!', '5:2!']);
  for (const id of ids) pair.acceptor.reply(id, 'OK', { digest: 'sha256:0' });
  expect(pair.toOpener()).toHaveLength(2);
});

test('credit reaches the transfer it is for; for one that is over it is passed over', () => {
  const pair = new Pair().open();
  const id = pair.opener.request('fileGet', { digest: 'x', offset: 0, credit: 9 }, 0);
  pair.toAcceptor();
  pair.opener.grant(id, 99);
  expect(pair.toAcceptor()).toEqual([{ type: 'credit', id, credit: 99 }]);
  pair.acceptor.reply(id, 'OK', { digest: 'x' });
  pair.opener.grant(id, 100);
  expect(pair.toAcceptor()).toEqual([]);
});

test('a peer that does not read control is cut off; bulk waits within its bound', () => {
  const pair = new Pair().open();
  const body = { operation: 'O1', data: new Uint8Array(16_000) };
  for (let n = 0; n < 100; n += 1)
    if (pair.opener.canRequest) pair.opener.request('retInput', body, 0);
  expect(pair.opener.phase).toBe('ended');
  expect(endOf(pair.opener.tick(0))).toMatchObject({ by: 'us', fault: 'slow-consumer' });
  expect(pair.opener.queuedBytes).toBe(0);
  const id = 3;
  pair.acceptor.receive(raw('retQuery', id), 0);
  const part = { text: 'x'.repeat(100_000) };
  const samples = [{ at: 1, node: part.text }];
  for (let n = 0; n < 600; n += 1) pair.acceptor.reply(id, 'OK', { samples }, true);
  expect(pair.acceptor.phase).toBe('open');
  for (let n = 0; n < 600; n += 1) pair.acceptor.reply(id, 'OK', { samples }, true);
  expect(pair.acceptor.phase).toBe('ended');
});

test('request ids never wrap: the session ends first, in order', () => {
  const pair = new Pair();
  const opener = new Session({ side: 'opener', nowMs: 0, idsEnd: 7 });
  opener.hello(helloBody);
  pair.acceptor.receive(Buffer.concat(opener.takeOutput(1e6)), 0);
  pair.acceptor.welcome(welcomeBody);
  opener.receive(Buffer.concat(pair.acceptor.takeOutput(1e6)), 0);
  expect([opener.request('ping', {}, 0), opener.canRequest]).toEqual([3, true]);
  expect([opener.request('retQuery', query, 0), opener.canRequest]).toEqual([5, false]);
  expect(endOf(opener.tick(1))).toMatchObject({ by: 'us', fault: undefined });
});

test('a fault found above the session ends it like any other', () => {
  const pair = new Pair().open();
  pair.acceptor.fail(new ProtocolError('credit-overrun', 'too much'));
  expect(endOf(pair.toOpener())).toEqual({ by: 'peer', fault: 'credit-overrun', text: 'too much' });
  expect(pair.acceptor.deadlineMs()).toBeLessThanOrEqual(pair.nowMs);
  expect(endOf(pair.acceptor.tick(pair.nowMs))?.by).toBe('us');
});

test('every split of a conversation, whole or damaged, gives the same events', () => {
  const frames = [
    encodeFrame({ kind: 'hostHello', state: 'REQ', id: 1, body: helloBody }),
    raw('retQuery', 3),
    raw('ping', 5),
    encodeFrame({ kind: 'synDrop', state: 'REQ', id: 0, body: { request: 3 } }),
    encodeFrame({ kind: 'hostSample', state: 'REQ', id: 0, body: { samples: [{ at: 7 }] } }),
    raw('retQuery', 7),
  ];
  const stream = Buffer.concat(frames);
  const run = (pieces: readonly Uint8Array[]) => {
    const session = new Session({ side: 'acceptor', nowMs: 0 });
    const events: SessionEvent[] = [];
    for (const piece of pieces) {
      for (const event of session.receive(piece, 0)) {
        events.push(event);
        if (event.type === 'hello') session.welcome(welcomeBody);
      }
    }
    return { events, output: Buffer.concat(session.takeOutput(1e9)).toString('hex') };
  };
  const head = frames[0]?.length ?? 0;
  const change = fc.option(fc.tuple(fc.nat(stream.length - 1), fc.nat(255)));
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length)), change, (places, changed) => {
      const bytes = Buffer.from(stream);
      if (changed) bytes[changed[0]] = changed[1];
      // WELCOME comes between HELLO and the rest, as it does where peers wait for it.
      const cuts = [...places.filter((at) => at > head), bytes.length].sort((a, b) => a - b);
      const pieces = cuts.map((end, n) => bytes.subarray(n === 0 ? head : cuts[n - 1], end));
      const early = places.filter((at) => at < head).sort((a, b) => a - b);
      const first = [...early, head].map((end, n) =>
        bytes.subarray(n === 0 ? 0 : early[n - 1], end),
      );
      expect(run([...first, ...pieces])).toEqual(
        run([bytes.subarray(0, head), bytes.subarray(head)]),
      );
    }),
    { numRuns: 300 },
  );
});
