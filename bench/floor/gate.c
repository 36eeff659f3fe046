/*
 * A gate as one would write it in C, opened from outside: a child waits at a pipe, its parent
 * sleeps until an instant (CLOCK_MONOTONIC, us) and opens it. `gate INSTANT PROGRAM ARGUMENT...`
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long long at = argc > 2 ? atoll(argv[1]) : 0;
  struct timespec until = {at / 1000000, at % 1000000 * 1000};
  int ends[2];
  char byte;
  if (at == 0 || pipe(ends) < 0) return 2;
  if (fork() == 0) {
    close(ends[1]);
    if (read(ends[0], &byte, 1) == 1) execv(argv[2], argv + 2);
    _exit(127);
  }
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, 0);
  if (write(ends[1], "", 1) != 1) return 1;
  return wait(0) < 0;
}
