/**
 * The console's commands, all of them: the path of a file below this directory is the path of
 * its command.
 */

import type { CommandClass } from 'clipanion';

export const commands: readonly CommandClass[] = [];
