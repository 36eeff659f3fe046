/*
 * What a shim is to start: the one message that it is sent.
 *
 * Descriptors 0 to 2 are the program's, 3 is a stream socket, 4 (`held` 1) the writing end
 * of the FIFO at 0. On 3 come four bytes, a length in the machine's order, and so many bytes of
 * fields, each ended by a NUL; an empty path is none, numbers are decimal:
 *   3 socket record notify cwd oom held tty uid gid umask gate lease log
 *   and five lists, each after its count: group, resource soft hard, cgroup.procs, argument, env
 */
#pragma once
#include "kernel.h"
#include <sys/resource.h>

#define VERSION 3
#define NONE 4294967295U /* an id: the shim's own */
enum { CONTROL = 3, HELD = 4 };

extern struct launch {
  char *socket, *record, *notify, *cwd, *oom, *cgroup[16];
  struct { int resource; struct rlimit limit; } rlimit[16];
  size_t groups, rlimits, cgroups;
  number held, tty, uid, gid, umask; /* tty: 0 is a terminal, the session's to be */
  number gate, lease, log; /* us: CLOCK_MONOTONIC, CLOCK_BOOTTIME; bytes of 1 and 2 that stay */
} want;

/* Both end with a NULL. */
extern char *arguments[], *environment[];
extern gid_t groups[];

/* False where the socket ends before the whole message is there. */
bool receive_launch(void);
/* False, with errno, where it is none of this version. */
bool read_launch(void);
