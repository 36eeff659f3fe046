/*
 * Linked in front of the calls that the shim makes (ld --wrap): one of them fails, once, with the
 * errno that LOTC_FAULT names as `call:which:errno`; LOTC_CALLS is a file that names each made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS long, long, long, long, long, long
#define PASS(name)                                                   \
  long __real_##name(WORDS);                                         \
  long __wrap_##name(long a, long b, long c, long d, long e, long f) { \
    static int made;                                                 \
    if (!fails(#name, ++made)) return __real_##name(a, b, c, d, e, f); \
    /* Linux frees the descriptor whatever close says. */            \
    if (!strcmp(#name, "close")) __real_close(a, b, c, d, e, f);     \
    return -1;                                                       \
  }

long __real_open(WORDS);
long __real_write(WORDS);
long __real_close(WORDS);

static int fails(const char *name, int made) {
  static char wanted[64], calls[256], known;
  static int which, reason;
  if (!known) {
    const char *fault = getenv("LOTC_FAULT"), *file = getenv("LOTC_CALLS");
    known = 1;
    if (fault) sscanf(fault, "%63[^:]:%d:%d", wanted, &which, &reason);
    if (file) snprintf(calls, sizeof calls, "%s", file);
  }
  if (*calls) {
    char line[80];
    int length = snprintf(line, sizeof line, "%s\n", name);
    long fd = __real_open((long)calls, O_WRONLY | O_APPEND | O_CREAT, 0666, 0, 0, 0);
    __real_write(fd, (long)line, length, 0, 0, 0);
    __real_close(fd, 0, 0, 0, 0, 0);
  }
  if (made != which || strcmp(name, wanted)) return 0;
  errno = reason;
  return 1;
}

CALLS
