/** A session that ends at once when it is closed: whoever closes it has all answers. */
import type { Socket } from 'node:net';
import { Link } from '../../net/link.io.ts';
import type { SessionEnd } from '../../net/session-events.ts';

export class BriskLink extends Link {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super({ socket, side: 'opener' });
    this.#socket = socket;
  }

  override close(text = 'closed'): Promise<SessionEnd> {
    this.#socket.destroy();
    this.over(text, 'us');
    return this.closed;
  }
}
