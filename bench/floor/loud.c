/*
 * Writes 100 MB a second to its output for so many seconds, paced, in lines of 1,000 bytes; then
 * appends to a file how long its writes took, and all of it, in ns. `loud SECONDS FILE`
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv) {
  static char piece[50000];
  memset(piece, 'x', sizeof piece);
  for (size_t at = 999; at < sizeof piece; at += 1000) piece[at] = '\n';
  if (argc != 3) return 2;
  long pieces = atol(argv[1]) * 2000; /* of half a millisecond each */
  long long begin = now(), wrote = 0;
  for (long i = 0; i < pieces; i++) {
    long long due = begin + i * 500000LL, before;
    struct timespec until = {due / 1000000000, due % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, 0);
    before = now();
    if (write(1, piece, sizeof piece) != sizeof piece) return 1;
    wrote += now() - before;
  }
  char line[64];
  int fd = open(argv[2], O_WRONLY | O_APPEND | O_CREAT, 0666);
  int length = snprintf(line, sizeof line, "%lld %lld\n", wrote, now() - begin);
  return write(fd, line, length) == length ? 0 : 1;
}
