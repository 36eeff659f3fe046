/**
 * The fleet's CA in files, brought to where the model says it stands, at any time and from
 * anywhere in between: each file is written whole, the next CA's files go last, and until then
 * all of it can be done again.
 *
 * ca.next.*      made before the rotation is journaled
 * ca.former.pem  CAs of before: certificates of clients that they issued still carry keys
 * ca.key, ca.pem take the next one's place when the journal says that the overlap is over
 */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { LotcError } from '../../base/errors.ts';
import { step } from '../../base/step.io.ts';
import { makeAuthority, reissue } from '../../net/certificate.io.ts';
import type { ListenCredentials } from '../../net/listen-context.ts';
import { pinOf } from '../../net/trust.ts';
import { trustOf } from '../../net/trust-word.ts';
import { removeFileDurably, writeFileDurably } from '../../store/durable.io.ts';
import { type Credentials, keyPair, publishAddresses, serverFiles } from './data.io.ts';
import type { CaState } from './model/certificates.ts';

const textOf = async (path: string): Promise<string> =>
  existsSync(path) ? await readFile(path, 'utf8') : '';

export class Authorities {
  readonly #data: string;
  #credentials: Credentials;
  #trusted: string;
  #former = '';

  constructor(data: string, credentials: Credentials) {
    this.#data = data;
    this.#credentials = credentials;
    this.#trusted = credentials.authority.certificate;
  }

  get credentials(): Credentials {
    return this.#credentials;
  }

  /** What everybody shall trust, PEM. */
  get trusted(): string {
    return this.#trusted;
  }

  get listen(): ListenCredentials {
    const { authority, server } = this.#credentials;
    const clients = authority.certificate + this.#former;
    return { authority: authority.certificate, clients, ...server };
  }

  /** What a rotation begins with: the next CA is made, or was, and lies on the disk. */
  async prepare(mode: string): Promise<{ pin: string; nextPin: string; trusts: string }> {
    const files = serverFiles(this.#data);
    const { authority, fleet } = this.#credentials;
    const next = await keyPair(files.nextAuthority, files.nextAuthorityKey, () =>
      makeAuthority(fleet),
    );
    step('ca: next made');
    const both = authority.certificate + next.certificate;
    return {
      pin: pinOf(authority.certificate),
      nextPin: pinOf(next.certificate),
      trusts: trustOf(mode === 'finish' ? next.certificate : both),
    };
  }

  /** Brings the files to what the journal says. */
  async settle(ca: CaState | undefined): Promise<void> {
    const files = serverFiles(this.#data);
    const next = await textOf(files.nextAuthority);
    if (ca?.stage === 'stable' && next !== '' && pinOf(next) === ca.pin) await this.#replace(next);
    // Its certificate went first.
    else if (ca?.stage === 'stable' && next === '')
      await rm(files.nextAuthorityKey, { force: true });
    this.#former = await textOf(files.former);
    const { certificate } = this.#credentials.authority;
    if (ca && pinOf(certificate) !== ca.pin) {
      throw new LotcError('damaged', `${files.authority} is not the CA that the journal names`, {
        hint: 'put back the whole data directory from one backup',
      });
    }
    this.#trusted = certificate + (ca?.stage === 'overlap' ? next : '');
  }

  /** The server's certificate and the admin's file say where it listens, and whom to trust. */
  async publish(listen: readonly string[]): Promise<void> {
    const { admin } = this.#credentials;
    const told = { ...this.#credentials, admin: { ...admin, authority: this.#trusted } };
    this.#credentials = await publishAddresses(this.#data, told, listen);
    step('ca: published');
  }

  async #replace(next: string): Promise<void> {
    const files = serverFiles(this.#data);
    const { fleet, authority, server } = this.#credentials;
    const nextKey = await textOf(files.nextAuthorityKey);
    const former = await textOf(files.former);
    const isNew = pinOf(authority.certificate) !== pinOf(next);
    if (isNew && !former.includes(authority.certificate)) {
      await writeFileDurably(files.former, former + authority.certificate, 0o644);
    }
    step('ca: former kept');
    await writeFileDurably(files.authorityKey, nextKey, 0o600);
    step('ca: key replaced');
    await writeFileDurably(files.authority, next, 0o644);
    step('ca: replaced');
    const pair = { certificate: next, key: nextKey };
    // Where it listens is put into it when it is published.
    const subject = { fleet, role: 'server', name: 'main' } as const;
    const certificate = await reissue(pair, subject, server.key);
    await writeFileDurably(files.certificate, certificate, 0o644);
    step('ca: server certified');
    this.#credentials = {
      ...this.#credentials,
      authority: pair,
      server: { certificate, key: server.key },
    };
    // Without its certificate the key is nothing any more; the other way round it would be.
    await removeFileDurably(files.nextAuthority);
    step('ca: next gone');
    await removeFileDurably(files.nextAuthorityKey);
  }
}
