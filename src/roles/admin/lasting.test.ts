import { expect, test } from 'vitest';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { AskHandlers } from '../../net/exchange.ts';
import type { MessageKind } from '../../net/layout.ts';
import { failure } from './client.ts';
import { type Call, type Connection, LastingAsk } from './lasting.ts';

interface Asked {
  readonly kind: MessageKind;
  readonly body: Readonly<Record<string, unknown>>;
  readonly handlers: AskHandlers;
  dropped: boolean;
  readonly credits: number[];
  readonly sent: Uint8Array[];
}

class FakeConnection implements Connection {
  end: { readonly text: string } | undefined;
  readonly asked: Asked[] = [];
  content: Uint8Array = new Uint8Array();
  /** It breaks behind the fourth byte. */
  isCut = false;
  closed = false;

  ask(kind: MessageKind, body: unknown, handlers: AskHandlers): Call {
    const asked: Asked = {
      ...{ kind, body: body as Asked['body'], handlers, dropped: false, credits: [], sent: [] },
    };
    this.asked.push(asked);
    return {
      drop: () => {
        asked.dropped = true;
      },
      credit: (credit) => void asked.credits.push(credit),
      receive: ({ offset }) => {
        const source = this.content.slice(offset);
        const pieces = source.length > 0 ? [source.subarray(0, 2), source.subarray(2, 4)] : [];
        return {
          read: () => {
            const piece = pieces.shift();
            if (this.isCut && !piece) {
              this.end = { text: 'cut' };
              return Promise.reject(new Error('lost'));
            }
            return Promise.resolve(piece?.length ? piece : undefined);
          },
          drained: () => undefined,
        };
      },
      send: () => ({
        write: (data) => {
          asked.sent.push(data);
          return Promise.resolve();
        },
        end: () => Promise.resolve(),
      }),
    };
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  lose(): void {
    this.end = { text: 'cut' };
    const open = [...this.asked];
    for (const { handlers } of open) handlers.fail(failure('unresponsive', 'cut'));
  }

  get last(): Asked {
    const last = this.asked.at(-1);
    if (!last) throw new Error('nothing asked');
    return last;
  }
}

function lasting(...connections: (FakeConnection | LotcError)[]) {
  let keys = 0;
  const opened: boolean[] = [];
  const ask = new LastingAsk({
    connect: (again) => {
      opened.push(again);
      const next = connections.shift();
      if (next === undefined) throw new Error('one connection too many');
      return next instanceof LotcError ? Promise.reject(next) : Promise.resolve(next);
    },
    key: () => new Uint8Array([(keys += 1)]),
  });
  return { ask, opened };
}

/** Everything that is ready to go on does. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

test('one connection, opened by the first question', async () => {
  const connection = new FakeConnection();
  const { ask, opened } = lasting(connection);
  expect(opened).toEqual([]);
  const first = ask.ask('retQuery', { query: 'nodes' });
  const second = ask.ask('retQuery', { query: 'tasks' });
  await settle();
  expect([opened, connection.asked.length]).toEqual([[false], 2]);
  connection.asked[0]?.handlers.ok({ nodes: [] });
  connection.asked[1]?.handlers.ok({ tasks: [] });
  expect([await first.done, await second.done]).toEqual([{ nodes: [] }, { tasks: [] }]);
  await ask.close();
  expect(connection.closed).toBe(true);
});

test('a command is asked again with the same key', async () => {
  const [one, two] = [new FakeConnection(), new FakeConnection()];
  const { ask, opened } = lasting(one, two);
  const acks: unknown[] = [];
  const command = { targets: ['web'], mode: 'start' };
  const asked = ask.ask('taskRun', command, { onAck: (ack) => void acks.push(ack) });
  await settle();
  one.last.handlers.ack?.({ operation: 'O1' });
  one.lose();
  await settle();
  expect(opened).toEqual([false, true]);
  expect(two.last.body).toEqual({ ...command, key: new Uint8Array([1]) });
  expect(two.last.body).toEqual(one.last.body);
  two.last.handlers.ok({ operation: 'O1' });
  expect(await asked.done).toEqual({ operation: 'O1' });
  expect(acks).toEqual([{ operation: 'O1' }]);
});

test('a download goes on where its connection broke', async () => {
  const [one, two] = [new FakeConnection(), new FakeConnection()];
  one.content = two.content = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  one.isCut = true;
  const { ask } = lasting(one, two);
  const taken: number[] = [];
  await ask.download({ digest: 'sha256:1', sizeBytes: 8 }, (data) => {
    taken.push(...data);
  });
  expect(taken).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect([one.last.body, two.last.body]).toMatchObject([{ offset: 0 }, { offset: 4 }]);
});

test('the server is gone for good: the second failure to connect is the answer', async () => {
  const connection = new FakeConnection();
  const down = new LotcError('unreachable', 'no server could be reached');
  const { ask } = lasting(connection, down);
  const asked = ask.ask('retWait', { targets: ['web'] });
  await settle();
  connection.lose();
  await expect(asked.done).rejects.toBe(down);
});

test('an answer that has begun is not asked again, nor is an exec', async () => {
  for (const kind of ['retWatch', 'retExec'] as const) {
    const connection = new FakeConnection();
    const { ask } = lasting(connection);
    const body =
      kind === 'retExec' ? { spec: { command: ['x'] }, on: '@all' } : { query: 'events' };
    const asked = ask.ask(kind, body as never);
    await settle();
    if (kind === 'retWatch') connection.last.handlers.more?.({ events: [] });
    connection.lose();
    await expect(asked.done).rejects.toThrow(/connection to the server was lost: cut/);
  }
});

test('parts are taken one after the other, and credit follows what was taken', async () => {
  const connection = new FakeConnection();
  const { ask } = lasting(connection);
  const taken: number[] = [];
  let go = (): void => undefined;
  const asked = ask.ask(
    'retLog',
    { targets: ['web'] },
    {
      onMore: ({ data }) => {
        taken.push(data?.length ?? 0);
        return new Promise((resolve) => {
          go = resolve;
        });
      },
    },
  );
  await settle();
  expect(connection.last.body['credit']).toBe(limits.creditBytes);
  const half = limits.creditBytes / 2;
  connection.last.handlers.more?.({ data: new Uint8Array(half) });
  connection.last.handlers.more?.({ data: new Uint8Array(5) });
  connection.last.handlers.ok({});
  await settle();
  expect([taken, connection.last.credits]).toEqual([[half], []]);
  go();
  await settle();
  expect([taken, connection.last.credits]).toEqual([[half, 5], [limits.creditBytes + half]]);
  go();
  expect(await asked.done).toEqual({});
});

test('a reader that fails ends the question', async () => {
  const connection = new FakeConnection();
  const { ask } = lasting(connection);
  const asked = ask.ask('retLog', {}, { onMore: () => Promise.reject(new Error('full')) });
  await settle();
  connection.last.handlers.more?.({ data: new Uint8Array(1) });
  await expect(asked.done).rejects.toThrow('full');
  expect(connection.last.dropped).toBe(true);
});

test('a refusal keeps its answers; a drop withdraws', async () => {
  const connection = new FakeConnection();
  const { ask } = lasting(connection);
  const refused = ask.ask('taskOk', { names: ['web'] });
  await settle();
  connection.last.handlers.fail(failure('no-such-task', 'no', { answers: [{ ok: false }] }));
  await expect(refused.done).rejects.toMatchObject({
    ...{ code: 'no-such-task', answers: [{ ok: false }] },
  });
  const dropped = ask.ask('retWatch', { query: 'events' });
  await settle();
  dropped.drop();
  await expect(dropped.done).rejects.toMatchObject({ code: 'cancelled' });
  expect(connection.last.dropped).toBe(true);
});

const upload = (sizeBytes: number) => ({
  ...{ digest: 'sha256:0', sizeBytes },
  read: (offset: number, length: number) =>
    Promise.resolve(new Uint8Array(Math.min(length, sizeBytes - offset)).fill(offset & 0xff)),
});

test('an upload: nothing where the server has it, the rest where it has a part', async () => {
  const connection = new FakeConnection();
  const { ask } = lasting(connection);
  const there = ask.upload(upload(10));
  await settle();
  connection.last.handlers.ok({ digest: 'sha256:0' });
  await there;
  expect(connection.last.sent).toEqual([]);
  const progress: number[] = [];
  const part = ask.upload(upload(10), (done) => void progress.push(done));
  await settle();
  connection.last.handlers.ack?.({ offset: 4, credit: 10 });
  await settle();
  connection.last.handlers.ok({ digest: 'sha256:0' });
  await part;
  expect(connection.last.sent).toEqual([new Uint8Array(6).fill(4)]);
  expect(progress).toEqual([10]);
});

test('an upload goes on over a lost connection, and ends where the content fails', async () => {
  const [one, two] = [new FakeConnection(), new FakeConnection()];
  const { ask } = lasting(one, two);
  const first = ask.upload(upload(10));
  await settle();
  one.last.handlers.ack?.({ offset: 0, credit: 10 });
  one.lose();
  await settle();
  two.last.handlers.ok({ digest: 'sha256:0' });
  await first;
  const changed = new LotcError('changed-while-read', 'it changed');
  const broken = { ...upload(10), read: () => Promise.reject(changed) };
  const second = ask.upload(broken);
  await settle();
  two.last.handlers.ack?.({ offset: 0, credit: 10 });
  await expect(second).rejects.toBe(changed);
  expect(two.last.dropped).toBe(true);
});
