/**
 * The loop around a socket: what it reads goes into a dialogue, what the dialogue has to say goes
 * out, several frames a write. It holds back while the socket is full, so that control overtakes
 * bulk in our own queues and not in the kernel's. No decision is taken here.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { limits } from '../base/limits.ts';
import { monotonicMs } from '../base/monotonic.io.ts';
import { Dialogue } from './dialogue.ts';
import type { SessionEnd, SessionOptions } from './session-events.ts';
import { readFromSocket } from './young.io.ts';

/** Bytes of one write: a few TLS records, and one frame of content more at most. */
const WRITE_BYTES = 64 * 1024;
const BUFFER_BYTES = WRITE_BYTES + 16 * 1024;
/** Buffers for writes, used again by all links: content would make garbage as fast as it goes. */
const buffers: Buffer[] = [];
const BUFFERS_KEPT = 16;
/** A frame of content from 64 KiB to 4 GiB into it: so each is one TLS record, and no copy. */
const RECORD_BYTES = 16_351;
/** The last frame of an ended session has this long to leave. */
const LINGER_MS = 1_000;

export type LinkOptions = Omit<SessionOptions, 'nowMs'> & { readonly socket: Socket | TLSSocket };

export class Link extends Dialogue implements AsyncDisposable {
  bytesIn = 0;
  bytesOut = 0;
  readonly #socket: Socket | TLSSocket;
  #timer: NodeJS.Timeout | undefined;
  #ringMs = Number.POSITIVE_INFINITY;
  #scheduled = false;
  #full = false;
  #heardMs = monotonicMs();

  constructor({ socket, ...options }: LinkOptions) {
    super(options, monotonicMs, () => this.#schedule());
    this.#socket = socket;
    socket.setNoDelay(true);
    if ('setMaxSendFragment' in socket) socket.setMaxSendFragment(RECORD_BYTES);
    socket.on('data', (bytes: Buffer) => {
      this.bytesIn += bytes.length;
      this.#heardMs = monotonicMs();
      this.receive(bytes);
      readFromSocket(bytes.length);
    });
    socket.on('drain', () => {
      this.#full = false;
      this.#schedule();
    });
    socket.on('error', (error: Error) => this.over(error.message, 'peer'));
    socket.on('end', () => this.over('the other side closed the connection', 'peer'));
    socket.on('close', () => this.over('the connection was closed', 'peer'));
    void this.closed.then((end) => this.#finish(end));
    this.#arm();
  }

  /** How long nothing has come from the other end. */
  get silentMs(): number {
    return monotonicMs() - this.#heardMs;
  }

  /** Where the other end is: `[fd00::7]:51234`. */
  get remoteAddress(): string {
    const { remoteAddress = '', remotePort = 0 } = this.#socket;
    const host = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
    return host.includes(':') ? `[${host}]:${remotePort}` : `${host}:${remotePort}`;
  }

  /** Sends what is queued as control, then closes. */
  async close(text = 'closed'): Promise<SessionEnd> {
    this.over(text, 'us');
    if (!this.#socket.closed) {
      await new Promise<void>((resolve) => {
        this.#socket.once('close', () => resolve());
      });
    }
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** One write for all that is said in one turn of the loop. */
  #schedule(): void {
    if (this.#scheduled || this.#full) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
      if (this.deadlineMs < this.#ringMs && !this.end) this.#arm();
    });
  }

  #flush(): void {
    while (!this.#full && this.#socket.writable) {
      const pieces = this.takeOutput(WRITE_BYTES);
      const [first] = pieces;
      if (!first) return;
      for (const piece of pieces) this.bytesOut += piece.length;
      this.#full = !(pieces.length === 1 ? this.#socket.write(first) : this.#join(pieces));
    }
  }

  #join(pieces: readonly Uint8Array[]): boolean {
    const count = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (count > BUFFER_BYTES) return this.#socket.write(Buffer.concat(pieces, count));
    const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    let at = 0;
    for (const piece of pieces) {
      buffer.set(piece, at);
      at += piece.length;
    }
    return this.#socket.write(buffer.subarray(0, at), () => {
      if (buffers.length < BUFFERS_KEPT) buffers.push(buffer);
    });
  }

  /** A deadline that moves back costs nothing: the timer that rings too early is set again. */
  #arm(): void {
    const nowMs = monotonicMs();
    const waitMs = Math.min(Math.max(this.deadlineMs - nowMs, 1), limits.timerMs);
    clearTimeout(this.#timer);
    this.#ringMs = nowMs + waitMs;
    this.#timer = setTimeout(() => this.#ring(), waitMs);
  }

  #ring(): void {
    if (this.end) return;
    if (monotonicMs() >= this.deadlineMs) this.tick();
    if (!this.end) this.#arm();
  }

  #finish(end: SessionEnd): void {
    clearTimeout(this.#timer);
    // A full socket has no room for last words.
    if (this.#full || (end.fault === 'silent' && end.by === 'us')) {
      this.#socket.destroy();
      return;
    }
    this.#flush();
    this.#socket.end();
    const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
    this.#socket.once('close', () => clearTimeout(linger));
  }
}
