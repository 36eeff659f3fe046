/**
 * Content of bundles on its way in (from consoles) and out (to nodes), in bounded memory: the
 * receiver's credit and the disk's pace decide, never a queue. A node gets what it is assigned and
 * nothing else; what it is not gets the answer of what does not exist.
 *
 * Content on its way in is offered to the nodes it is meant for, which may fetch it as it arrives:
 * soft state, in no journal. Each node verifies the digest itself, and what was offered counts for
 * nothing until it is assigned.
 */
import { errorCodes, LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { matches } from '../../base/selector.ts';
import type { Reply } from '../../net/exchange.ts';
import type { Failure, Req } from '../../net/layout.ts';
import type { BlobStore } from '../../store/blobs.io.ts';
import type { AgentServer } from './agent-server.ts';
import { isMeantFor } from './model/assignment.ts';
import { selectorOf } from './model/resolve.ts';
import type { NodeRecord, State } from './model/state.ts';
import type { Peer } from './ports.ts';

/** Content whose command has not come yet is kept so long. */
const FRESH_MS = 600_000;

export interface Fleet {
  readonly state: State;
  readonly agents: Pick<AgentServer, 'ask'>;
}

/** What the node makes of an offer shows when it is assigned. */
const unheard = { ok: () => undefined, fail: () => undefined };

export class Transfers {
  readonly #fleet: Fleet;
  readonly #blobs: BlobStore;
  readonly #fresh = new Map<string, number>();
  /** By digest: the nodes that may fetch it before it is assigned. */
  readonly #offered = new Map<string, ReadonlySet<string>>();
  readonly #pushes = { count: 0 };
  readonly #results = { count: 0 };

  constructor(blobs: BlobStore, fleet: Fleet) {
    this.#blobs = blobs;
    this.#fleet = fleet;
  }

  /** Digests that arrived a while ago at most, whether or not something names them yet. */
  get fresh(): ReadonlySet<string> {
    const since = performance.now() - FRESH_MS;
    for (const [digest, atMs] of this.#fresh) {
      if (atMs >= since) continue;
      this.#fresh.delete(digest);
      this.#offered.delete(digest);
    }
    return new Set(this.#fresh.keys());
  }

  put(peer: Peer, body: Req<'filePut'>, reply: Reply): void {
    this.#put(peer, body, reply).catch((error: unknown) => reply.fail(failureOf(error)));
  }

  /** Consoles send bundles, agents result files; neither takes the other's turn. */
  async #put({ role }: Peer, body: Req<'filePut'>, reply: Reply): Promise<void> {
    const { sizeBytes } = body;
    const isAgent = role === 'agent';
    const most = isAgent ? limits.resultBytes : limits.bundleBytes;
    if (sizeBytes > most) {
      throw new LotcError('too-large', `the content has ${sizeBytes} bytes; at most ${most}`);
    }
    const uploads = isAgent ? this.#results : this.#pushes;
    if (uploads.count >= limits.uploadsAtOnce) {
      throw new LotcError('busy', `${uploads.count} uploads are under way already`, {
        hint: 'try again in a moment',
      });
    }
    uploads.count += 1;
    try {
      if (isAgent) await this.#expectRoom(sizeBytes);
      await this.#take(body, reply, isAgent);
    } finally {
      uploads.count -= 1;
    }
  }

  /** Files of runs never take what the journal may need. */
  async #expectRoom(sizeBytes: number): Promise<void> {
    if ((await this.#blobs.roomBytes()) - sizeBytes >= limits.serverReserveBytes) return;
    throw new LotcError('disk-full', 'the server has no room for result files');
  }

  /** What a node sends is nobody else's business. */
  async #take(body: Req<'filePut'>, reply: Reply, isAgent: boolean): Promise<void> {
    const { digest, sizeBytes } = body;
    this.#fresh.set(digest, performance.now());
    const upload = await this.#blobs.open(hexOf(digest), sizeBytes);
    try {
      const offset = upload.have;
      if (offset < sizeBytes) {
        const content = reply.receive({ offset, sizeBytes });
        reply.ack({ offset, credit: content.credit });
        if (!isAgent) this.#offer(body);
        for (let part = await content.read(); part; part = await content.read()) {
          await upload.write(upload.have, part);
          content.drained(part.length);
        }
      }
      await upload.finish();
      reply.ok({ digest });
    } catch (error) {
      // What has come stays: a push that is tried again goes on from there.
      await upload.abandon().catch(() => undefined);
      throw error;
    }
  }

  /** A selector that cannot be read is the business of the command that follows. */
  #offer({ digest, sizeBytes, bundle, on }: Req<'filePut'>): void {
    if (bundle === undefined || on === undefined) return;
    const uids = new Set<string>();
    for (const node of this.#fleet.state.nodes.values()) {
      if (this.#isMeant(on, node)) uids.add(node.uid);
    }
    this.#offered.set(digest, uids);
    const body = { digest, sizeBytes, bundle };
    for (const uid of uids) this.#fleet.agents.ask(uid, 'fileOffer', body, unheard);
  }

  #isMeant(on: string, node: NodeRecord): boolean {
    try {
      return matches(selectorOf(on), node);
    } catch {
      return false;
    }
  }

  get(peer: Peer, body: Req<'fileGet'>, reply: Reply): void {
    this.#get(peer, body, reply).catch((error: unknown) => reply.fail(failureOf(error)));
  }

  async #get(
    { uid = '', role }: Peer,
    { digest, offset, credit }: Req<'fileGet'>,
    reply: Reply,
  ): Promise<void> {
    const hex = hexOf(digest);
    const isMeant =
      role === 'agent'
        ? this.#isAssigned(uid, digest) || this.#offered.get(digest)?.has(uid)
        : this.#isResult(digest);
    const sizeBytes = isMeant
      ? (this.#blobs.arriving(hex) ?? (await this.#blobs.bytes(hex)))
      : undefined;
    if (sizeBytes === undefined || offset > sizeBytes) {
      throw new LotcError(
        'no-such-bundle',
        `there is no content ${digest} for this ${role === 'agent' ? 'node' : 'console'}`,
      );
    }
    const content = reply.send({ offset, sizeBytes, credit });
    reply.ack({ sizeBytes });
    for await (const part of this.#blobs.follow(hex, offset)) await content.write(part);
    await content.end();
    reply.ok({ digest });
  }

  #isResult(digest: string): boolean {
    for (const { kept } of this.#fleet.state.results.values())
      if (kept.digest === digest) return true;
    return false;
  }

  #isAssigned(uid: string, digest: string): boolean {
    const { state } = this.#fleet;
    if (isMeantFor(state, uid, digest)) return true;
    for (const run of state.index.runsOn.get(uid) ?? [])
      if (state.runs.get(run)?.digest === digest) return true;
    return false;
  }
}

const hexOf = (digest: string): string => digest.replace(/^sha256:/, '');

function failureOf(error: unknown): Failure {
  if (error instanceof LotcError) {
    return { errorCode: errorCodes[error.code].number, text: error.message, hint: error.hint };
  }
  return { errorCode: errorCodes.io.number, text: (error as Error).message };
}
