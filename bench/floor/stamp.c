/*
 * A program whose first act is to say when it began: CLOCK_MONOTONIC, ns, appended to a file;
 * then the value of an environment variable, where one is named. `stamp [FILE [VARIABLE]]`
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  char line[128];
  const char *who = argc > 2 ? getenv(argv[2]) : 0;
  long long at = now.tv_sec * 1000000000LL + now.tv_nsec;
  int length = snprintf(line, sizeof line, "%lld%s%.64s\n", at, who ? " " : "", who ? who : "");
  int fd = argc > 1 ? open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0666) : 1;
  return write(fd, line, length) == length ? 0 : 1;
}
