/**
 * Why a program did not start, in words a person can act on. Pure: the step of the launch that
 * failed (shim.c names them) and the errno in, a sentence out.
 *
 * Reference: execve(2), "ERRORS". ENOENT of exec has two meanings that look the same to libc: the
 * file is not there, or what its first line names is not; the shim tells them apart by the step.
 */
import type { ErrorCode } from '../base/errors.ts';

/** Of asm-generic/errno-base.h and errno.h, the same on x86-64 and arm64. */
const errnos: Readonly<Record<number, readonly [name: string, text: string]>> = {
  1: ['EPERM', 'operation not permitted'],
  2: ['ENOENT', 'no such file or directory'],
  3: ['ESRCH', 'no such process'],
  5: ['EIO', 'input/output error'],
  7: ['E2BIG', 'arguments and environment are too long'],
  8: ['ENOEXEC', 'not a program this kernel can run'],
  11: ['EAGAIN', 'no more processes are allowed'],
  12: ['ENOMEM', 'out of memory'],
  13: ['EACCES', 'permission denied'],
  16: ['EBUSY', 'busy'],
  17: ['EEXIST', 'it is there already'],
  20: ['ENOTDIR', 'a part of the path is no directory'],
  21: ['EISDIR', 'it is a directory'],
  22: ['EINVAL', 'invalid argument'],
  23: ['ENFILE', 'too many open files on this node'],
  24: ['EMFILE', 'too many open files in the agent'],
  26: ['ETXTBSY', 'the file is being written to'],
  28: ['ENOSPC', 'no space is left on the disk'],
  30: ['EROFS', 'the file system is read-only'],
  36: ['ENAMETOOLONG', 'the name is too long'],
  40: ['ELOOP', 'too many links'],
  122: ['EDQUOT', 'the disk quota is used up'],
};

/** `no such file or directory (ENOENT)`. */
export function errnoText(errno: number): string {
  const known = errnos[errno];
  return known ? `${known[1]} (${known[0]})` : `error ${errno}`;
}

export interface LaunchFault {
  readonly step: string;
  readonly errno: number;
  readonly program: string;
  readonly cwd?: string | undefined;
}

export function launchFault(fault: LaunchFault): {
  readonly text: string;
  readonly code: ErrorCode;
} {
  const { step, errno, program } = fault;
  const why = errnoText(errno);
  const full = errno === 28 || errno === 122;
  const code: ErrorCode = full ? 'disk-full' : 'exec-failed';
  switch (step) {
    case 'exec':
      if (errno === 13) {
        return { code, text: `cannot run ${program}: not executable, or not readable (EACCES)` };
      }
      return { code, text: `cannot run ${program}: ${why}` };
    case 'interpreter':
      return { code, text: `cannot run ${program}: its interpreter is missing (ENOENT)` };
    case 'cwd':
      return { code, text: `cannot enter the directory ${fault.cwd ?? 'of the run'}: ${why}` };
    case 'uid':
    case 'gid':
    case 'groups':
      return { code, text: `cannot become the user of the task: ${why}` };
    case 'cancelled':
      return { code: 'cancelled', text: 'cancelled' };
    case 'killed':
      return { code, text: `${program} was killed before it began` };
    case 'shim':
      return { code, text: `cannot start the shim of ${program}: ${why}` };
    default:
      return { code, text: `cannot start ${program}: ${step}: ${why}` };
  }
}
