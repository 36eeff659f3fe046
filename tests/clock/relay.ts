/**
 * A path of a test's own: UDP datagrams are passed on to a server and back, each late by a delay
 * of its direction and an exponential jitter, some of them lost. Seeded, so that a path is the
 * same each time; in order of arrival, not of departure, as on a real one.
 */
import { createSocket, type Socket } from 'node:dgram';
import { Prng } from '../../src/base/prng.ts';

export interface Path {
  readonly outMs: number;
  readonly backMs: number;
  /** The mean of what is added to each datagram. */
  readonly jitterMs: number;
  readonly loss: number;
}

export interface Relay extends AsyncDisposable {
  readonly port: number;
}

export async function relay(
  to: { readonly address: string; readonly port: number },
  path: Path,
  seed: number,
  from = to.address.includes(':') ? '::1' : '127.0.0.1',
): Promise<Relay> {
  const random = new Prng(seed);
  const type = to.address.includes(':') ? 'udp6' : 'udp4';
  const door = createSocket(type);
  const backs = new Map<number, Socket>();
  const pending = new Set<NodeJS.Timeout>();
  const later = (delayMs: number, work: () => void): void => {
    if (random.chance(path.loss)) return;
    const waitMs = delayMs - path.jitterMs * Math.log(1 - random.float());
    // Timers are whole milliseconds: the rest is a delay of its own, drawn as evenly.
    const timer = setTimeout(
      () => {
        pending.delete(timer);
        work();
      },
      Math.floor(waitMs) + Number(random.chance(waitMs % 1)),
    );
    pending.add(timer);
  };
  door.on('message', (bytes, asker) => {
    let back = backs.get(asker.port);
    if (!back) {
      back = createSocket(type);
      backs.set(asker.port, back);
      back.on('message', (reply) => {
        later(path.backMs, () => door.send(reply, asker.port, asker.address));
      });
    }
    const forward = back;
    later(path.outMs, () => forward.send(bytes, to.port, to.address));
  });
  await new Promise<void>((resolve) => door.bind(0, from, resolve));
  return {
    port: door.address().port,
    async [Symbol.asyncDispose]() {
      for (const timer of pending) clearTimeout(timer);
      const sockets = [door, ...backs.values()];
      await Promise.all(
        sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      );
    },
  };
}
