/**
 * A time server that says whatever a test wants: how wrong it is, and in which way its replies
 * are. It answers on loopback, by the system clock of this machine.
 */
import { createSocket } from 'node:dgram';
import { writeStamp } from '../../src/scheduler/clock/packet.ts';

export interface Behaviour {
  readonly offsetUs?: number;
  readonly leap?: number;
  readonly stratum?: number;
  readonly kiss?: string;
  readonly wrongOrigin?: boolean;
  /** Says that it answered so long after it was asked. */
  readonly lateUs?: number;
  readonly bytes?: number;
  readonly silent?: boolean;
}

export interface Responder extends AsyncDisposable {
  readonly port: number;
  readonly asked: number;
  /** Every request, with the port it came from. */
  readonly requests: readonly { readonly bytes: Uint8Array; readonly port: number }[];
  become(behaviour: Behaviour): void;
}

const nowUs = (): number => (performance.timeOrigin + performance.now()) * 1000;

export async function respond(first: Behaviour = {}, address = '127.0.0.1'): Promise<Responder> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  let behaviour = first;
  const requests: { bytes: Uint8Array; port: number }[] = [];
  socket.on('message', (request, from) => {
    const receivedUs = nowUs();
    requests.push({ bytes: Uint8Array.from(request), port: from.port });
    if (behaviour.silent) return;
    const { leap = 0, stratum = 1, kiss = 'TEST', offsetUs = 0, lateUs = 0 } = behaviour;
    const reply = Buffer.alloc(48);
    reply[0] = (leap << 6) | 0x24;
    reply[1] = stratum;
    reply.writeInt8(-20, 3);
    reply.write(kiss, 12, 'ascii');
    if (!behaviour.wrongOrigin) request.copy(reply, 24, 40, 48);
    const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
    writeStamp(view, 32, receivedUs + offsetUs);
    writeStamp(view, 40, nowUs() + offsetUs + lateUs);
    socket.send(reply.subarray(0, behaviour.bytes ?? 48), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  return {
    port: socket.address().port,
    requests,
    get asked() {
      return requests.length;
    },
    become(next) {
      behaviour = next;
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}
