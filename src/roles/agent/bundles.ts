/**
 * Which code lies on this node and which shall. By name as the server assigns it, by digest as it
 * is stored: two names of one content are fetched once, and content goes when neither a name nor
 * a run needs it.
 *
 * It knows no files and no transfers: it asks for content and hears what became of it.
 */
import { signatureFault } from '../../net/signature.ts';
import type { AgentAction, Item, StoredItem, Time } from './events.ts';
import type { Ledger } from './ledger.ts';
import type { Reports } from './reports.ts';

type Presence =
  | { readonly state: 'loading' | 'loaded' | 'removing' }
  | { readonly state: 'failed'; readonly reason: string; readonly retryMs: number | undefined };

/** Of item keys that name a bundle. */
const PREFIX = 'bundle:';

/** A full disk is looked at again this often. */
const RETRY_MS = 30_000;

export interface BundlePorts {
  readonly ledger: Ledger;
  readonly reports: Reports;
  readonly act: (action: AgentAction) => void;
  time(): Time;
  /** Bundles count where one of these signed them; undefined: all do. */
  readonly signers: ReadonlySet<string> | undefined;
  /** Digests that runs which have not ended stand on. */
  inUse(): ReadonlySet<string>;
  /** What of a digest is known has changed: runs may have waited for it. */
  changed(digest: string): void;
}

export class Bundles {
  readonly #ports: BundlePorts;
  /** By item key, `bundle:NAME`. */
  readonly #items = new Map<string, StoredItem>();
  readonly #content = new Map<string, Presence>();
  #begun = false;

  constructor(ports: BundlePorts) {
    this.#ports = ports;
  }

  get names(): Iterable<string> {
    return this.#items.keys();
  }

  load(items: readonly StoredItem[], content: readonly string[]): void {
    for (const digest of content) this.#content.set(digest, { state: 'loaded' });
    for (const stored of items) this.#items.set(stored.item.item, stored);
  }

  /** After a start: fetch what is missing, drop what nobody needs. */
  begin(): void {
    this.#begun = true;
    for (const [key, stored] of this.#items) {
      if (stored.leaving) continue;
      const fault = this.#fault(stored.item);
      if (fault !== undefined) this.#report(stored.item, 'failed', fault);
      this.#want(stored.item);
      // It came just before the end of the last life, which could not say so any more.
      if (!stored.told) this.#tellLoaded(key, stored.item);
    }
    this.sweep();
  }

  assign(item: Item): void {
    const old = this.#items.get(item.item);
    if (old && old.item.generation === item.generation && !old.leaving) return;
    this.#store(item.item, { item });
    const { digest = '' } = item;
    const fault = this.#fault(item);
    if (fault !== undefined) {
      this.#report(item, 'failed', fault);
      this.#ports.changed(digest);
      return;
    }
    // An assignment is a new try also for what failed for good.
    if (this.#content.get(digest)?.state === 'failed') this.#content.delete(digest);
    this.#want(item);
    if (!this.#tellLoaded(item.item, item)) this.#report(item, 'loading');
    this.sweep();
  }

  remove(key: string): void {
    const stored = this.#items.get(key);
    if (stored) {
      this.#store(key, { ...stored, leaving: true });
      this.sweep();
      return;
    }
    // It came and went while this node was away: whoever waits for its going must hear of it.
    const item = { item: key, generation: 0, entry: 'bundle' };
    if (key.startsWith(PREFIX))
      this.#report({ ...item, bundle: key.slice(PREFIX.length) }, 'removed');
  }

  /** What a name means here now. */
  named(name: string): Item | undefined {
    const stored = this.#items.get(PREFIX + name);
    return stored?.leaving ? undefined : stored?.item;
  }

  /** `loaded`, or why not (yet), as a run that waits for it says. */
  judge(digest: string, name: string): 'loaded' | { reason: string; failed: boolean } {
    const vouched = this.#named(digest).some(({ item }) => this.#fault(item) === undefined);
    if (this.#ports.signers && !vouched) {
      return { reason: `bundle "${name}" is not signed by a key this node trusts`, failed: true };
    }
    const presence = this.#content.get(digest);
    if (presence?.state === 'loaded') return 'loaded';
    if (presence?.state === 'failed' && presence.retryMs === undefined) {
      return { reason: `bundle "${name}": ${presence.reason}`, failed: true };
    }
    const why = presence?.state === 'failed' ? ` (${presence.reason})` : '';
    return { reason: `bundle "${name}" is loading${why}`, failed: false };
  }

  /** A run needs content that no item may name any more. */
  need(digest: string, bundle: string): void {
    const { state } = this.#content.get(digest) ?? {};
    if (state !== undefined) return;
    this.#content.set(digest, { state: 'loading' });
    this.#ports.act({ type: 'fetch-bundle', digest, bundle, sizeBytes: undefined });
  }

  loaded(digest: string): void {
    if (this.#content.get(digest)?.state === 'removing') return;
    this.#content.set(digest, { state: 'loaded' });
    for (const { item } of this.#named(digest)) this.#tellLoaded(item.item, item);
    this.#ports.changed(digest);
    this.sweep();
  }

  failed(digest: string, reason: string, passing: boolean): void {
    const retryMs = passing ? this.#ports.time().nowMs + RETRY_MS : undefined;
    const old = this.#content.get(digest);
    if (old?.state === 'removing') return;
    this.#content.set(digest, { state: 'failed', reason, retryMs });
    if (old?.state !== 'failed' || old.reason !== reason) {
      for (const { item } of this.#named(digest)) this.#report(item, 'failed', reason);
    }
    this.#ports.changed(digest);
  }

  removed(digest: string): void {
    this.#content.delete(digest);
    for (const { item } of this.#named(digest)) this.#want(item);
    this.#ports.changed(digest);
  }

  /** Lets go of names that left and of content that nothing needs. Called when a run has ended. */
  sweep(): void {
    if (!this.#begun) return;
    const used = this.#ports.inUse();
    const named = new Set<string>();
    for (const [key, stored] of [...this.#items]) {
      const { digest = '' } = stored.item;
      if (!stored.leaving || used.has(digest)) {
        if (!stored.leaving) named.add(digest);
        continue;
      }
      this.#items.delete(key);
      this.#ports.ledger.remove('items', key);
      this.#report(stored.item, 'removed');
    }
    for (const [digest, presence] of this.#content) {
      if (used.has(digest) || named.has(digest) || presence.state === 'removing') continue;
      this.#content.set(digest, { state: 'removing' });
      this.#ports.act({ type: 'remove-bundle', digest });
    }
  }

  tick(): void {
    const { nowMs } = this.#ports.time();
    for (const [digest, presence] of this.#content) {
      if (presence.state !== 'failed' || presence.retryMs === undefined) continue;
      if (presence.retryMs > nowMs) continue;
      const named = this.#named(digest)[0]?.item;
      this.#content.set(digest, { state: 'loading' });
      this.#fetch(digest, named?.bundle ?? digest, named?.sizeBytes);
    }
  }

  get deadlineMs(): number | undefined {
    let first: number | undefined;
    for (const presence of this.#content.values()) {
      if (presence.state !== 'failed' || presence.retryMs === undefined) continue;
      if (first === undefined || presence.retryMs < first) first = presence.retryMs;
    }
    return first;
  }

  #want(item: Item): void {
    const { digest = '', bundle = '', sizeBytes } = item;
    if (this.#content.has(digest) || this.#fault(item) !== undefined) return;
    this.#content.set(digest, { state: 'loading' });
    this.#fetch(digest, bundle, sizeBytes);
  }

  #fetch(digest: string, bundle: string, sizeBytes: number | undefined): void {
    this.#ports.act({ type: 'fetch-bundle', digest, bundle, sizeBytes });
  }

  #fault(item: Item): string | undefined {
    return signatureFault(this.#ports.signers, item);
  }

  #tellLoaded(key: string, item: Item): boolean {
    if (this.#fault(item) !== undefined) return false;
    if (this.#content.get(item.digest ?? '')?.state !== 'loaded') return false;
    this.#store(key, { item, told: true });
    this.#report(item, 'loaded');
    return true;
  }

  #store(key: string, stored: StoredItem): void {
    this.#items.set(key, stored);
    this.#ports.ledger.put('items', key, stored);
  }

  #named(digest: string): StoredItem[] {
    const all = [...this.#items.values()];
    return all.filter((stored) => stored.item.digest === digest && !stored.leaving);
  }

  #report(item: Item, bundleState: string, reason?: string): void {
    const { bundle = '', digest = '' } = item;
    const { atUs } = this.#ports.time();
    this.#ports.reports.bundle({ bundle, digest, bundleState, reason }, atUs);
  }
}
