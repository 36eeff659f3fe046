/**
 * Whether a data directory is where its node was made, or a copy. Two agents of one identity would
 * fight over the same runs; but a reboot, a `mv`, a restored container (same machine, new file
 * system) and one whose machine got a new id (same file system) are the same node.
 */
export interface Place {
  readonly machine: string;
  /** Of the directory. */
  readonly inode: string;
  readonly path: string;
}

export interface InstanceFile extends Place {
  readonly instance: string;
}

export type PlaceVerdict = 'new' | 'same' | 'moved' | 'copied';

/** `original`: the inode of what lies where the directory was last time, if anything does. */
export function judgePlace(
  known: InstanceFile | undefined,
  here: Place,
  original: string | undefined,
): PlaceVerdict {
  if (known === undefined) return 'new';
  const sameMachine = known.machine === here.machine;
  const sameInode = known.inode === here.inode;
  if (!sameMachine && !sameInode) return 'copied';
  // On one machine the original may still be there: then this is the copy.
  if (sameMachine && !sameInode && known.path !== here.path && original === known.inode) {
    return 'copied';
  }
  return sameMachine && sameInode && known.path === here.path ? 'same' : 'moved';
}
