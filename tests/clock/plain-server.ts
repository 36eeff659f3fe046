/** A time server in a namespace that serves the clock it sees, and nothing else. */
import { type ChildProcess, spawn } from 'node:child_process';

const program = `
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 123))
print('ready', flush=True)
def stamp():
    seconds, rest = divmod(time.time_ns(), 10**9)
    return struct.pack('>II', (seconds + 2208988800) & 0xffffffff, rest * 2**32 // 10**9)
while True:
    data, peer = s.recvfrom(1024)
    came = stamp()
    if len(data) < 48: continue
    head = struct.pack('>BBbb', 0x24, 1, 4, -20) + bytes(8) + b'TEST'
    s.sendto(head + came + data[40:48] + came + stamp(), peer)
`;

export class PlainServer implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async serve(netns: string): Promise<PlainServer> {
    const child = spawn('ip', ['netns', 'exec', netns, 'python3', '-c', program], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise((resolve, reject) => {
      child.stdout?.once('data', resolve);
      child.once('exit', () => reject(new Error('the time server does not run')));
    });
    return new PlainServer(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}
