/**
 * A terminal whose every byte is another machine's business. Node's raw mode leaves one thing to
 * this end's terminal: it puts a CR before each LF that is written, which a program at the far
 * terminal may mean as it is (a line further down, same column). Here that is taken off as well,
 * by termios(3) through `node:ffi`; without FFI it stays.
 *
 * Node puts back what was there, when it is told to and when it ends; only a signal that ends it
 * unheard would leave the terminal raw, so SIGHUP is heard.
 */
const TCSANOW = 0;
/** `c_oflag` behind `c_iflag`, and its bit: the same on x86-64 and arm64. */
const OFLAG_AT = 4;
const ONLCR = 0o4;
/** glibc's structure has 60 bytes. */
const TERMIOS_BYTES = 256;
/** As a shell tells of a program that SIGHUP ended. */
const HUNG_UP = 129;

/** A window that is closed ends the program by `process.exit`, so that its listeners are heard. */
const hungUp = (): void => process.exit(HUNG_UP);

export function setRaw(input: NodeJS.ReadStream & { readonly fd: number }, isRaw: boolean): void {
  input.setRawMode(isRaw);
  process.removeListener('SIGHUP', hungUp);
  if (!isRaw) return;
  process.once('SIGHUP', hungUp);
  try {
    writeAsItIs(input.fd);
  } catch {
    // No FFI here.
  }
}

function writeAsItIs(fd: number): void {
  const { dlopen } = process.getBuiltinModule('node:ffi');
  const { functions } = dlopen(null, {
    tcgetattr: { arguments: ['i32', 'buffer'], return: 'i32' },
    tcsetattr: { arguments: ['i32', 'i32', 'buffer'], return: 'i32' },
  });
  // Memory that does not move.
  const settings = Buffer.from(new ArrayBuffer(TERMIOS_BYTES));
  if (functions.tcgetattr(fd, settings) !== 0) return;
  settings.writeUInt32LE(settings.readUInt32LE(OFLAG_AT) & ~ONLCR, OFLAG_AT);
  functions.tcsetattr(fd, TCSANOW, settings);
}
