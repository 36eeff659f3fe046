/**
 * `lotc notify FIELD=VALUE…`: one datagram to NOTIFY_SOCKET (sd_notify(3)), then a barrier, so that
 * it ends only when its words were taken: who is gone cannot be seen to belong to a run. A file of
 * its own in the executable, loaded instead of everything else. For a loop there is `lotc-notify`,
 * which takes a millisecond. Knows nothing else of LOTC.
 */
import { writeSync } from 'node:fs';
import { socketAddress } from './base/socket-address.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const TAKEN_MS = 5_000;
const USAGE =
  'usage: lotc notify FIELD=VALUE...   (READY=1, WATCHDOG=1, STATUS=text; sd_notify(3))';

/** Memory that does not move: larger than what V8 keeps on its heap. */
const memory = (): Buffer => Buffer.from(new ArrayBuffer(4_096));

function open() {
  const { dlopen, getRawPointer } = process.getBuiltinModule('node:ffi');
  const { functions } = dlopen(null, {
    socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
    sendmsg: { arguments: ['i32', 'buffer', 'i32'], return: 'i64' },
    pipe: { arguments: ['buffer'], return: 'i32' },
    close: { arguments: ['i32'], return: 'i32' },
    poll: { arguments: ['buffer', 'u64', 'i32'], return: 'i32' },
  });
  return { libc: functions, pointer: getRawPointer };
}

type Library = ReturnType<typeof open>;

/** struct msghdr, its iovec and its control message, in one piece of memory. */
function send({ libc, pointer }: Library, to: Buffer, text: string, fd?: number): boolean {
  const [message, name, data, control] = [memory(), memory(), memory(), memory()];
  to.copy(name);
  const bytes = Buffer.from(text);
  if (bytes.length > data.length) return false;
  bytes.copy(data);
  const IOVEC = 64;
  message.writeBigUInt64LE(pointer(name), 0);
  message.writeUInt32LE(to.length, 8);
  message.writeBigUInt64LE(pointer(message) + BigInt(IOVEC), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(pointer(data), IOVEC);
  message.writeBigUInt64LE(BigInt(bytes.length), IOVEC + 8);
  if (fd !== undefined) {
    control.writeBigUInt64LE(20n, 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    control.writeInt32LE(fd, 16);
    message.writeBigUInt64LE(pointer(control), 32);
    message.writeBigUInt64LE(24n, 40);
  }
  const socket = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  return Number(libc.sendmsg(socket, message, MSG_NOSIGNAL)) === bytes.length;
}

/** An error's text; undefined: it was taken. */
function notify(fields: readonly string[]): string | undefined {
  const path = process.env['NOTIFY_SOCKET'] ?? '';
  if (path === '') return 'NOTIFY_SOCKET is not set: this is for programs that somebody supervises';
  const to = socketAddress(path);
  if (to === undefined) return `NOTIFY_SOCKET is no path or abstract name of 107 bytes: ${path}`;
  const library = open();
  const { libc } = library;
  if (!send(library, to, `${fields.join('\n')}\n`)) return `nobody listens at ${path}`;
  const ends = memory();
  if (libc.pipe(ends) !== 0) return 'no descriptor is left';
  if (!send(library, to, 'BARRIER=1', ends.readInt32LE(4))) return `nobody listens at ${path}`;
  libc.close(ends.readInt32LE(4));
  const taken = memory();
  taken.writeInt32LE(ends.readInt32LE(0), 0);
  return libc.poll(taken, 1n, TAKEN_MS) === 1 ? undefined : 'nobody took it within 5 s';
}

const fields = process.argv.slice(3);
if (fields.length === 1 && fields[0] === '--help') writeSync(1, `${USAGE}\n`);
else if (fields.length === 0 || fields.some((field) => !/^[A-Z_]+=/.test(field))) {
  writeSync(2, `${USAGE}\n`);
  process.exitCode = 2;
} else {
  const fault = notify(fields);
  if (fault !== undefined) {
    writeSync(2, `lotc notify: ${fault}\n`);
    process.exitCode = 1;
  }
}
