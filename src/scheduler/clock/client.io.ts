/**
 * One time server as it was named, and the association with it: its name resolved, one address
 * asked, the next one tried where nobody answers, the name resolved again when all were tried.
 * However many addresses a name has, it is one source and has one vote. With NTS, finding it
 * brings keys too; what is not authentic is then never a sample, whatever it says.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { type BaseClock, readTogether } from '../base-clock.io.ts';
import type { Discipline } from './discipline.ts';
import { CHANCE_BYTES, IDENTIFIER_BYTES, KeyPatience, type NtsAssociation } from './nts.ts';
import { decodeReply, encodeRequest, type NtpReply, STAMP_BYTES } from './packet.ts';
import { find } from './places.io.ts';
import { ownServers, Poll, type PollLimits } from './poll.ts';
import { type Asked, judgeReply, type Verdict } from './reply.ts';
import type { SourceRow, TimeServer } from './rows.ts';
import { TimeSource } from './source.ts';
import { type Place, type UdpCalls, UdpSocket } from './udp.io.ts';

export interface ClientParts {
  readonly base: BaseClock;
  readonly calls: UdpCalls | undefined;
  readonly discipline: Discipline;
  /** How often servers are asked, where that is not for the servers' address to decide. */
  readonly limits: PollLimits | undefined;
  /** Adds what makes a server's stamps those of smeared time; undefined: they are ambiguous. */
  readonly smearUs: (stampUs: number) => number | undefined;
  readonly changed: () => void;
}

const ASKED_KEPT = 4;
const PORT_FOR = 16;
const RESOLVE_MIN_MS = 1_000;
const RESOLVE_MAX_MS = 64_000;
/** So many unanswered in a row: the next address is tried. Before the first answer, each time. */
const SILENT = 4;
const RESOLVE_AFTER = 8;
const RANDOM = 1 << 24;

export class NtpClient {
  readonly server: TimeServer;
  readonly source = new TimeSource();
  readonly #parts: ClientParts;
  readonly #poll: Poll;
  #places: readonly Place[] = [];
  #at = 0;
  #socket: UdpSocket | undefined;
  #asked: Asked[] = [];
  #sent = 0;
  #silent = 0;
  #resolveMs = RESOLVE_MIN_MS;
  #nts: NtsAssociation | undefined;
  readonly #patience = new KeyPatience();
  #timer: NodeJS.Timeout | undefined;
  #pollMs: number | undefined;
  #closed = false;

  constructor(server: TimeServer, parts: ClientParts) {
    this.server = server;
    this.#parts = parts;
    this.#poll = new Poll(parts.limits ?? ownServers);
    parts.discipline.sources.add(this.source);
    void this.#resolve();
  }

  /** Asks at once, a few times. */
  burst(): void {
    this.#poll.burst();
    const { isDenied } = this.#poll;
    if (this.#places.length > 0 && !isDenied && !this.#nts?.spent) void this.#ask();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  row(): SourceRow {
    const { base, discipline } = this.#parts;
    const { source } = this;
    const { newest, reach, stratum, fault } = source;
    const shown = {
      ...{ host: this.server.name, address: this.#places[this.#at]?.address, reach, stratum },
      ...{ truechimer: discipline.isTruechimer(source), pollMs: this.#pollMs },
      reason: fault ?? (newest || reach !== 0 ? undefined : 'has not answered'),
    };
    const { oneUs: atUs, otherUs } = readTogether(base, 'baseUs', 'wallUs');
    const estimate = source.estimate(atUs);
    if (!newest || !estimate) return shown;
    const systemUs = otherUs - atUs;
    const { lowUs, highUs } = source.interval(atUs);
    return {
      ...shown,
      offsetUs: Math.round(estimate.aheadUs - systemUs),
      delayUs: Math.round(newest.delayUs),
      lowUs: Math.floor(lowUs - systemUs),
      highUs: Math.ceil(highUs - systemUs),
    };
  }

  /** Finds out where to ask, and asks. */
  async #resolve(): Promise<void> {
    const { base, limits, changed } = this.#parts;
    const waitMs = this.server.nts ? this.#patience.leftUs(base.baseUs()) / 1e3 : 0;
    if (waitMs > 0) return this.#arm(waitMs, () => void this.#resolve());
    const found = await find(this.server);
    if ('reason' in found) {
      this.source.fault = found.reason;
      this.source.asked();
      if (found.sparing) this.#patience.tried(base.baseUs());
      changed();
      this.#arm(found.sparing ? 0 : this.#resolveMs, () => void this.#resolve());
      this.#resolveMs = Math.min(this.#resolveMs * 2, RESOLVE_MAX_MS);
      return;
    }
    if (found.nts) this.#patience.tried(base.baseUs());
    this.#places = found.places;
    this.#nts = found.nts;
    this.#resolveMs = RESOLVE_MIN_MS;
    this.#at = 0;
    this.#shut();
    if (!limits) this.#poll.limits = found.limits;
    if (!this.#closed) await this.#ask();
  }

  #arm(waitMs: number, work: () => void): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(work, waitMs);
  }

  async #ask(): Promise<void> {
    this.#next();
    const bytes = randomBytes(STAMP_BYTES);
    this.source.asked();
    this.#silent += 1;
    const place = this.#place();
    if (!place) return;
    this.#socket ??= this.#open(place);
    const asked = { transmit: Uint8Array.from(bytes), sentUs: this.#parts.base.baseUs() };
    // Known before it leaves: on this machine's own network the reply may be there at once.
    this.#asked = [...this.#asked, asked].slice(-ASKED_KEPT);
    const sentUs = await this.#socket.send(this.#request(bytes));
    if (sentUs !== undefined) asked.sentUs = sentUs;
    this.#sent += 1;
    this.#parts.changed();
  }

  #request(transmit: Uint8Array): Uint8Array {
    const header = encodeRequest(transmit);
    if (!this.#nts) return header;
    const chance = randomBytes(CHANCE_BYTES);
    const identifier = chance.subarray(0, IDENTIFIER_BYTES);
    return this.#nts.seal(header, { identifier, nonce: chance.subarray(IDENTIFIER_BYTES) });
  }

  /** Where to ask: another address where this one is silent, another port now and then. */
  #place(): Place | undefined {
    const patience = this.source.count === 0 ? 1 : SILENT;
    if (this.#silent > patience) {
      this.#shut();
      this.#at = (this.#at + 1) % this.#places.length;
    } else if (this.#sent % PORT_FOR === 0) {
      this.#shut();
    }
    return this.#places[this.#at];
  }

  #open(place: Place): UdpSocket {
    const { base, calls } = this.#parts;
    return new UdpSocket(base, calls, place, {
      onReply: (bytes, cameUs) => this.#arrived(bytes, cameUs),
      onError: (reason) => {
        this.source.fault = `is not there (${reason})`;
      },
    });
  }

  #shut(): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#asked = [];
  }

  #arrived(bytes: Uint8Array, cameUs: number): void {
    const reply = decodeReply(bytes);
    const doubt = this.#doubt(bytes, reply);
    if (doubt !== undefined) {
      this.source.fault = doubt;
      return;
    }
    let reason = 'answers what was not asked';
    for (const asked of this.#asked) {
      const verdict = judgeReply(reply && this.#smeared(reply), asked, cameUs);
      if (verdict.is === 'foreign') {
        ({ reason } = verdict);
        continue;
      }
      this.#asked = this.#asked.filter((one) => one !== asked);
      return this.#take(verdict);
    }
    this.source.fault = reason;
  }

  /** Why a reply is not taken for the server's own; undefined: it is, or nobody can know. */
  #doubt(bytes: Uint8Array, reply: NtpReply | undefined): string | undefined {
    if (!this.#nts || !reply) return undefined;
    const fault = this.#nts.open(bytes, reply.stratum === 0 ? reply.kiss : undefined);
    if (fault !== undefined) return fault;
    if (reply.stratum > 0 && !this.#nts.isValidAt(reply.sentUs)) {
      return 'has a certificate that is not valid at the time it says';
    }
    this.#patience.succeeded();
    return undefined;
  }

  #smeared(reply: NtpReply): NtpReply | undefined {
    const { smearUs } = this.#parts;
    const [received, sent] = [smearUs(reply.receivedUs), smearUs(reply.sentUs)];
    if (received === undefined || sent === undefined) return undefined;
    return { ...reply, receivedUs: reply.receivedUs + received, sentUs: reply.sentUs + sent };
  }

  #take(verdict: Exclude<Verdict, { is: 'foreign' }>): void {
    const { base, discipline, changed } = this.#parts;
    const atUs = base.baseUs();
    const { source } = this;
    if (verdict.is === 'sample') {
      this.#silent = 0;
      source.stratum = verdict.stratum;
      source.leap = verdict.leap;
      discipline.add(source, verdict.sample, atUs);
    } else if (verdict.is === 'kiss') {
      this.#poll.kiss(verdict.kiss, atUs);
      source.fault = `wants to be asked less, or not at all (kiss ${verdict.kiss})`;
      this.#next();
    } else {
      source.fault = verdict.reason;
    }
    changed();
  }

  #next(): void {
    const atUs = this.#parts.base.baseUs();
    const { lowUs, highUs } = this.source.interval(atUs);
    const halfUs = this.source.count > 0 ? (highUs - lowUs) / 2 : undefined;
    const random = randomInt(RANDOM) / RANDOM;
    this.#pollMs = Math.round(
      this.#poll.nextUs(atUs, { halfUs, silent: this.#silent }, random) / 1e3,
    );
    this.#arm(this.#pollMs, () => void this.#again());
  }

  /** Asks again, or finds out anew: after long silence, and where there are no keys any more. */
  async #again(): Promise<void> {
    const spent = this.#nts?.spent;
    if (spent !== undefined) this.source.fault = spent;
    const look = this.#silent > 0 && this.#silent % RESOLVE_AFTER === 0;
    await (spent !== undefined || look ? this.#resolve() : this.#ask());
  }
}
