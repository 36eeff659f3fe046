/**
 * Waits for children of this process that nobody else waits for.
 *
 * Node waits only for those it started by itself, each by its pid. Others are: shims (spawn.io.ts
 * starts them past Node), those of the executable that this process was before an upgrade (execve
 * keeps children), and, for an agent that is the first process of a container, whatever loses its
 * parent there. Not waited for, each stays a zombie for ever.
 *
 * Node must get the exits that are its own, so an ended child is taken only when it has been seen
 * twice with a whole turn of the loop between the two looks: Node takes its own within that turn.
 * Looking is waitid(2) with WNOWAIT, which takes nothing; it happens at each SIGCHLD.
 */

const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;
/** `si_pid` in siginfo_t, on 64-bit machines. */
const SI_PID = 16;

type Wait = (...words: readonly unknown[]) => number;

function open(): { readonly waitid: Wait; readonly waitpid: Wait } {
  const { dlopen } = process.getBuiltinModule('node:ffi');
  const { functions } = dlopen(null, {
    waitid: { arguments: ['i32', 'i32', 'buffer', 'i32'], return: 'i32' },
    waitpid: { arguments: ['i32', 'buffer', 'i32'], return: 'i32' },
  });
  return functions as ReturnType<typeof open>;
}

class Reaper {
  readonly #wait = open();
  readonly #info = Buffer.from(new ArrayBuffer(4_096));
  #seen = 0;
  #isLooking = false;

  look(): void {
    if (this.#isLooking) return;
    for (;;) {
      const pid = this.#ended();
      if (pid === 0) {
        this.#seen = 0;
        return;
      }
      if (pid !== this.#seen) {
        this.#seen = pid;
        this.#later();
        return;
      }
      this.#wait.waitpid(pid, this.#info, WNOHANG);
    }
  }

  /** The pid of some child that has ended; 0: there is none. */
  #ended(): number {
    this.#info.fill(0, 0, SI_PID + 4);
    const { waitid } = this.#wait;
    if (waitid(P_ALL, 0, this.#info, WEXITED | WNOHANG | WNOWAIT) !== 0) return 0;
    return this.#info.readInt32LE(SI_PID);
  }

  /** The second one comes after the loop has heard all signals that were there at the first. */
  #later(): void {
    this.#isLooking = true;
    setImmediate(() => {
      setImmediate(() => {
        this.#isLooking = false;
        this.look();
      });
    });
  }
}

let reaper: Reaper | undefined;

/** From now on, for as long as this process lives. Throws where libc cannot be called. */
export function reapChildren(): void {
  if (reaper) return;
  const made = new Reaper();
  reaper = made;
  process.on('SIGCHLD', () => made.look());
  // Of those that have ended already nobody will be told.
  made.look();
}
