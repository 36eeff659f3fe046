/** What the server's end of a TLS connection shows and wants. */
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/** All PEM. */
export interface ListenCredentials {
  readonly authority: string;
  /** The CAs whose certificates clients may have; absent: that one. */
  readonly clients?: string | undefined;
  readonly certificate: string;
  readonly key: string;
}

export function contextOf({
  authority,
  clients,
  certificate,
  key,
}: ListenCredentials): SecureContextOptions {
  return {
    ca: clients ?? authority,
    // The CA too: who joins by a token knows only its hash, and reads it out of the chain.
    cert: `${certificate}\n${authority}`,
    key,
    minVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
