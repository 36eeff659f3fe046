/*
 * As many processes at one instant as one would start them in C: sleep until then
 * (CLOCK_MONOTONIC, us), fork and exec each. `burst INSTANT COUNT PROGRAM ARGUMENT...`
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long long at = argc > 3 ? atoll(argv[1]) : 0;
  struct timespec until = {at / 1000000, at % 1000000 * 1000};
  if (at == 0) return 2;
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, 0);
  for (int left = atoi(argv[2]); left > 0; left--)
    if (fork() == 0) {
      execv(argv[3], argv + 3);
      _exit(127);
    }
  while (wait(0) > 0);
  return 0;
}
