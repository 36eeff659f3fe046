/**
 * The FILE rows of the layout table (layout.ts) that carry content, to and from its store. In a
 * file of their own for its length only.
 */
import type { Fields } from './shapes.ts';

export const transferLayouts = {
  /**
   * Upload: ACK says from which offset (what is there already stays), chunks follow, OK ends.
   * `bundle` and `on` say what it will be and where: nodes that are here may fetch it meanwhile.
   */
  filePut: {
    ...{ category: 'FILE', sub: 2, name: 'PUT' },
    req: { must: ['digest', 'sizeBytes'], may: ['bundle', 'on'] },
    ack: { must: ['offset', 'credit'], may: [] },
    ok: { must: ['digest'], may: [] },
  },
  /** Download from an offset: ACK says the size, chunks follow as credit allows, OK ends. */
  fileGet: {
    ...{ category: 'FILE', sub: 3, name: 'GET' },
    req: { must: ['digest', 'offset', 'credit'], may: [] },
    ack: { must: ['sizeBytes'], may: [] },
    ok: { must: ['digest'], may: [] },
  },
  /** A piece of the transfer whose request id it carries. All but the last have MORE. */
  fileChunk: {
    ...{ category: 'FILE', sub: 4, name: 'CHUNK' },
    req: { must: ['offset', 'data'], may: [] },
  },
  /** The receiver of a transfer lets its sender go up to (not including) byte `credit`. */
  fileCredit: {
    ...{ category: 'FILE', sub: 5, name: 'CREDIT' },
    req: { must: ['credit'], may: [] },
  },
  /** To a node: content that is arriving and will be assigned; it may fetch it now, or not. */
  fileOffer: {
    ...{ category: 'FILE', sub: 6, name: 'OFFER' },
    req: { must: ['digest', 'sizeBytes', 'bundle'], may: [] },
    ok: { must: [], may: [] },
  },
} as const satisfies Record<
  string,
  { category: 'FILE'; sub: number; name: string; req: Fields; ack?: Fields; ok?: Fields }
>;
