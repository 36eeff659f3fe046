/**
 * Which LOTC this is. The build writes version and commit into the bundle (scripts/build.ts,
 * `define`), so that neither a file nor git is asked when the program runs; straight from the
 * sources both say so. The Node version is asked of Node itself by whoever prints it.
 */

declare const LOTC_VERSION: string | undefined;
declare const LOTC_COMMIT: string | undefined;

export const build = {
  version: typeof LOTC_VERSION === 'string' ? LOTC_VERSION : '0.0.0',
  commit: typeof LOTC_COMMIT === 'string' ? LOTC_COMMIT : 'sources',
} as const;
