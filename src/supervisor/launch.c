/* Takes the launch apart (launch.h): fields of the message stay where they came. */
#define _GNU_SOURCE
#include "launch.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Untouched pages of these cost nothing. */
static char launch[4 << 20], *launch_at = launch, *launch_end;
char *arguments[65536], *environment[65536];
gid_t groups[65536];
struct launch want;
static bool launch_bad;

static char *next(void) {
  char *field = launch_at;
  if (field >= launch_end) /* the last byte of a launch is a NUL */
    return launch_bad = true, launch_end - 1;
  launch_at += strlen(field) + 1;
  return field;
}

static number next_number(void) {
  const char *field = next();
  number value = 0;
  if (!take_number(&field, 0, &value)) launch_bad = true;
  return value;
}

static size_t next_count(size_t most) {
  number count = next_number();
  return count <= most ? count : (launch_bad = true, 0);
}

static size_t next_strings(char **list, size_t room) {
  size_t count = next_count(room - 1); /* one stays NULL, the end for execve */
  for (size_t i = 0; i < count; i++) list[i] = next();
  return count;
}

bool receive_launch(void) {
  unsigned length;
  if (recv(CONTROL, &length, sizeof length, MSG_WAITALL) != sizeof length) return false;
  if (length == 0 || length > sizeof launch) return false;
  launch_end = launch + length;
  return recv(CONTROL, launch, length, MSG_WAITALL) == (ssize_t)length && launch_end[-1] == 0;
}

bool read_launch(void) {
  char **paths[] = {&want.socket, &want.record, &want.notify, &want.cwd, &want.oom};
  number *numbers[] = {&want.held,  &want.tty,  &want.uid,   &want.gid,
                       &want.umask, &want.gate, &want.lease, &want.log};
  errno = EINVAL;
  if (next_number() != VERSION) return false;
  for (size_t i = 0; i < COUNT(paths); i++) *paths[i] = next();
  for (size_t i = 0; i < COUNT(numbers); i++) *numbers[i] = next_number();
  want.groups = next_count(COUNT(groups));
  for (size_t i = 0; i < want.groups; i++) groups[i] = (gid_t)next_number();
  want.rlimits = next_count(COUNT(want.rlimit));
  for (size_t i = 0; i < want.rlimits; i++) {
    want.rlimit[i].resource = (int)next_number();
    want.rlimit[i].limit.rlim_cur = next_number();
    want.rlimit[i].limit.rlim_max = next_number();
  }
  want.cgroups = next_strings(want.cgroup, COUNT(want.cgroup));
  if (next_strings(arguments, COUNT(arguments)) == 0) return false;
  next_strings(environment, COUNT(environment));
  return !launch_bad && launch_at == launch_end && want.record[0] == '/';
}
