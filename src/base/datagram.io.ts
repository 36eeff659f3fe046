/**
 * Datagrams in the UNIX domain, which Node has not: the few system calls go through `node:ffi`,
 * loaded only where one is sent. libc is opened as the program's own (`null`), so whatever is
 * preloaded in front of it is in front of these calls too.
 */
import { socketAddress } from './socket-address.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_DONTWAIT = 0x40;

export type SendDatagram = (text: string) => boolean;

/** Undefined for what is no path or abstract name of at most 107 bytes. Never waits. */
export async function openDatagram(path: string): Promise<SendDatagram | undefined> {
  const address = socketAddress(path);
  if (!address) return undefined;
  const { dlopen } = await import('node:ffi');
  const { functions } = dlopen(null, {
    socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
    sendto: { arguments: ['i32', 'buffer', 'u64', 'i32', 'buffer', 'u32'], return: 'i64' },
    close: { arguments: ['i32'], return: 'i32' },
  });
  return (text) => {
    const fd = functions['socket']?.(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    const data = Buffer.from(text);
    const { length } = data;
    const sent = functions['sendto']?.(
      ...([fd, data, BigInt(length), MSG_DONTWAIT, address, address.length] as const),
    );
    functions['close']?.(fd);
    return Number(sent) === length;
  };
}
