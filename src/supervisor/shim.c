/*
 * The shim: parent of one run. It starts the program, outlives the agent, knows the exact end,
 * leaves it on disk, and reaps what falls to it. It decides nothing, allocates nothing, reads no
 * configuration. The other side is src/supervisor/shim.ts; docs/SHIM.md explains the protocol.
 *
 * LAUNCH. What is started comes as one message (launch.h) on descriptor 3.
 *
 * CHANNELS. The launch's socket, and whoever has connected to `socket` last. Both are told each
 * event; a newcomer is told the last of each again, in this order; the record has those before it:
 *   hello VERSION SHIM-PID
 *   armed PID STARTTIME PLANNED-US                    ready for exec, until that instant
 *   started PID STARTTIME MONOTONIC-NS REALTIME-NS    exec, which succeeded, began at that time
 *   acted NAME PLANNED-US MONOTONIC-NS ERRNO          of each `at`
 *   sign MONOTONIC-NS PID NAME=VALUE                  of each name in `signs`, sent to `notify`
 *   stopped|continued SIGNAL MONOTONIC-NS             the main process, by whomever
 *   failed STEP ERRNO MONOTONIC-NS                    nothing of the program ran
 *   exited code|signal|core|unknown NUMBER UTIME-US STIME-US MAXRSS-KIB MONOTONIC-NS REALTIME-NS
 *   recorded | record-failed ERRNO                    the record is durable | is tried every second
 *   log-failed ERRNO                                  the logs are not bounded
 *   gone                                              no process is left; the shim ends
 *   quiet SINCE-NS TICKS                              as asked for; main's CPU at SINCE; not kept
 *
 * COMMANDS, one a line, silent when done, else `error REASON`:
 *   signal NUMBER, signal-group NUMBER      to the main process (its group), until it is reaped
 *   gate US, cancel                         while armed; 0: now; cancelled: `failed cancelled`
 *   at freeze|thaw|kill|lease US            then, by the run's group (a lease: somehow); 0: never
 *   close-stdin, quit                       lets go of 4; ends without a record, the tree empty
 *   quiet US                                told once no WATCHDOG=1 came for so long; 0: never
 *   mark                                    `marked`: what was sent to `notify` before it was told
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h> /* vsnprintf, renameat; no stream is used */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "kernel.h"
#include "launch.h"

enum { RETRY_MS = 1000, LOG_BUSY_MS = 50, LOG_IDLE_MS = 2000, REAPED_AT_ONCE = 1000 };
enum { SIGNS_AT_ONCE = 100, SIGNS_MS = 100 }; /* who sends more waits */
#define SPIN_US 50       /* a sleeper wakes late by less, nearly always */
#define PASSED (~0ULL)   /* of a gate, in place of its instant */
#define CANCELLED (~0ULL - 1)
#define FUTEX_WAKE 1 /* linux/futex.h, which musl has not */
#define FUTEX_WAIT_BITSET 9

/* What is done at an instant, by one write to a file of the group. */
static struct act { const char *name, *file, *text; clockid_t clock; int timer; number at; }
acts[] = {{"freeze", "cgroup.freeze", "1", CLOCK_MONOTONIC, -1, 0},
          {"thaw", "cgroup.freeze", "0", CLOCK_MONOTONIC, -1, 0},
          {"kill", "cgroup.kill", "1", CLOCK_MONOTONIC, -1, 0},
          {"lease", "cgroup.kill", "1", CLOCK_BOOTTIME, -1, 0}};
#define LEASE (COUNT(acts) - 1)

/* Of sd_notify(3). The first that fits counts. */
static const char *const signs[] = {
  "WATCHDOG=1", "MAINPID=", "READY=", "WATCHDOG=trigger", "WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC=",
  "STATUS=", "RELOADING=", "STOPPING=", "ERRNO=",
};
enum { WATCHDOG, MAINPID }; /* that are acted upon */

/* What a newcomer is told, in the order of telling. */
enum line {
  HELLO, ARMED, STARTED, ACTED, SIGN = ACTED + COUNT(acts), MOVED = SIGN + COUNT(signs), ENDED,
  RECORDED, LOG, GONE, LINES, QUIET = LINES /* of the moment: no newcomer is told */,
};
static char lines[LINES + 1][512];

static struct peer { int fd; size_t used; char in[128]; } peers[] = {{.fd = CONTROL}, {.fd = -1}};

static pid_t main_pid = -1; /* -1 again once it is reaped: its number may then be another's */
static number start_time, planned, record_at, signs_until, log_at;
static number quiet_us, quiet_from, quiet_ticks; /* 0: nobody asked; of the last WATCHDOG=1 */
static bool tree_empty, reap_again, record_due, record_done, quitting, born_in_group,
  lease_over, quiet_told, sign_wanted, sign_hushed;
static int listener = -1, notify = -1, abstract = -1, signals = -1, report = -1, record_dir = -1,
  record_told = -1, group = -1, main_fd = -1, log_ms = -1, signs_left;
/* Of shim and child: the gate's instant in us, and when the child went on to exec, in ns. */
static struct { _Atomic number at, exec; } *gate;
static char *record_name, record_temporary[NAME_MAX + 1];

static number real_ns(number monotonic) {
  return now_ns(CLOCK_REALTIME) - (now_ns(CLOCK_MONOTONIC) - monotonic);
}

/* ---- channels ---- */
static void hang_up(struct peer *peer) {
  close(peer->fd);
  *peer = (struct peer){.fd = -1};
}

static void say(struct peer *peer, const char *line) {
  size_t length = strlen(line);
  if (peer->fd < 0 || length == 0) return;
  ssize_t sent = send(peer->fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent != (ssize_t)length) hang_up(peer);
}

__attribute__((format(printf, 2, 3)))
static void tell(size_t line, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(lines[line], sizeof *lines, format, values);
  va_end(values);
  for (size_t i = 0; i < COUNT(peers) && !sign_hushed; i++) say(&peers[i], lines[line]);
}

/* The record has to be written (again): at once, and then until it is. */
static void owe_record(void) {
  record_due = true, record_done = false, record_told = -1, record_at = 0;
  *lines[RECORDED] = 0;
}

static void tell_failure(const char *step, int error) {
  tell(ENDED, "failed %s %d %llu\n", step, error, now_ns(CLOCK_MONOTONIC));
  owe_record();
}

/* ---- the run's files; each answers 0, or the step that failed, with errno ---- */
/*
 * Who may enter the run's directory may send; whether it belongs to the run is asked of each. The
 * name with an @ before it is for who has another root directory; it may be taken by anybody.
 */
static const char *open_sockets(void) {
  int on = 1;
  if ((listener = bind_at(want.socket, SOCK_STREAM)) < 0 || listen(listener, 8) < 0)
    return "socket";
  if (!*want.notify) return 0;
  umask(0111);
  notify = bind_at(want.notify, SOCK_DGRAM);
  umask(0177);
  if (notify < 0 || setsockopt(notify, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
    return "notify";
  char name[128] = "@";
  abstract = bind_at(strncat(name, want.notify, sizeof name - 2), SOCK_DGRAM);
  setsockopt(abstract, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  return 0;
}

/* The directory is held open, so the record lands in it whatever its name becomes. */
static const char *open_record(void) {
  char *slash = strrchr(want.record, '/');
  *slash = 0;
  record_name = slash + 1;
  if (strlen(record_name) + sizeof ".tmp" > sizeof record_temporary)
    return errno = ENAMETOOLONG, "record";
  strcat(strcpy(record_temporary, record_name), ".tmp");
  int fd = open(*want.record ? want.record : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && faccessat(fd, record_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) errno = EEXIST;
  if (fd < 0 || errno != ENOENT) return "record";
  record_dir = fd;
  return 0;
}

/* ---- the child, between fork and exec ---- */
/* The child is a copy of the shim, so the address of a step's name means the same in both. */
struct report { const char *step; int error; };

_Noreturn static void give_up(int to, const char *step) {
  struct report last = {step, errno};
  _exit(write(to, &last, sizeof last) < 0 ? 126 : 127);
}

/* Wakes a little early and spins: that is more punctual than any timer. */
static void pass_gate(int to) {
  struct report ready = {0, 0};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1);
  if (write(to, &ready, sizeof ready) < 0) give_up(to, "gate");
  for (;;) {
    number at = gate->at, now = now_ns(CLOCK_MONOTONIC) / 1000, wake = at - SPIN_US;
    if (now >= at && atomic_compare_exchange_strong(&gate->at, &at, PASSED)) break;
    if (now + SPIN_US >= at) continue;
    struct timespec until = {(time_t)(wake / 1000000), (long)(wake % 1000000 * 1000)};
    syscall(SYS_futex, gate, FUTEX_WAIT_BITSET, (unsigned)at, &until, 0, ~0U);
  }
  prctl(PR_SET_TIMERSLACK, 0);
  prctl(PR_SET_PDEATHSIG, 0);
}

_Noreturn static void become(int to) {
  sigset_t none;
  if (setsid() < 0) give_up(to, "setsid");
  for (size_t i = born_in_group; i < want.cgroups; i++)
    if (!write_file(AT_FDCWD, want.cgroup[i], "0")) give_up(to, "cgroup");
  if (*want.oom && !write_file(AT_FDCWD, "/proc/self/oom_score_adj", want.oom)) give_up(to, "oom");
  if (want.tty && ioctl(0, TIOCSCTTY, 0) < 0) give_up(to, "tty");
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, 0) < 0) give_up(to, "signals");
  for (size_t i = 0; i < want.rlimits; i++)
    if (setrlimit(want.rlimit[i].resource, &want.rlimit[i].limit) < 0) give_up(to, "rlimit");
  uid_t uid = (uid_t)want.uid;
  gid_t gid = (gid_t)want.gid;
  umask((mode_t)want.umask);
  if (gid != NONE && setgroups(want.groups, groups) < 0) give_up(to, "groups");
  if (setresgid(gid, gid, gid) < 0) give_up(to, "gid");
  if (setresuid(uid, uid, uid) < 0) give_up(to, "uid");
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) give_up(to, "capabilities");
  /* As the user: a directory that is closed to all others is its own. */
  if (*want.cwd && chdir(want.cwd) < 0) give_up(to, "cwd");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) give_up(to, "no_new_privs");
  environ = environment;
  if (want.gate) pass_gate(to);
  if (want.lease && now_ns(CLOCK_BOOTTIME) / 1000 >= want.lease) errno = ETIME, give_up(to, "lease");
  gate->exec = now_ns(CLOCK_MONOTONIC);
  execvp(arguments[0], arguments); /* by the PATH of its own environment */
  /* A file that is there and still gives ENOENT names an interpreter that is not. */
  bool there = errno == ENOENT && strchr(arguments[0], '/') && !access(arguments[0], F_OK);
  give_up(to, there ? "interpreter" : "exec");
}

/* Into its first group at birth: moving there later takes 12 ms (an RCU grace period). */
static pid_t fork_into_group(void) {
  char *end = want.cgroups ? strrchr(want.cgroup[0], '/') : 0;
  if (!end) return fork();
  *end = 0;
  group = open(want.cgroup[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
  *end = '/';
  number how[11] = {1ULL << 33 /* CLONE_INTO_CGROUP */, [4] = SIGCHLD, [10] = (number)group};
  pid_t pid = group < 0 ? -1 : (pid_t)syscall(SYS_clone3, how, sizeof how);
  born_in_group = pid == 0;
  return pid < 0 ? fork() : pid; /* no clone3, no cgroup v2: the child goes there itself */
}

/* What is the program's alone is let go; the logs are kept to bound them, each once. */
static void let_go(void) {
  struct stat out, err;
  int null = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
  bool kept = want.log && !want.tty && fstat(1, &out) == 0 && fstat(2, &err) == 0;
  dup2(null, 0);
  if (!kept) dup2(null, 1);
  else log_ms = LOG_BUSY_MS;
  if (!kept || (out.st_ino == err.st_ino && out.st_dev == err.st_dev)) dup2(null, 2);
  close(null);
}

static const char *plan(struct act *act, number at) {
  struct itimerspec when = {{0, 0}, {(time_t)(at / 1000000), (long)(at % 1000000 * 1000)}};
  if (act != &acts[LEASE] && faccessat(group, act->file, W_OK, 0) < 0) return "error no-group\n";
  if (act->timer < 0) act->timer = timerfd_create(act->clock, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timerfd_settime(act->timer, TFD_TIMER_ABSTIME, &when, 0) < 0) return "error not-planned\n";
  return act->at = at, (char *)0;
}

static const char *start(void) {
  int ends[2];
  gate = mmap(0, sizeof *gate, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (gate == MAP_FAILED) return "gate";
  gate->at = want.gate ? planned = want.gate : PASSED;
  if (want.lease && plan(&acts[LEASE], want.lease)) return "lease";
  if (pipe2(ends, O_CLOEXEC) < 0) return "pipe";
  main_pid = fork_into_group();
  if (main_pid == 0) become(ends[1]);
  if (main_pid < 0) return "fork";
  start_time = stat_field(main_pid, 22);
  report = ends[0];
  close(ends[1]);
  let_go();
  return 0;
}

/* The child's word: at its gate, or why not; the end of file when exec has closed its side. */
static void hear_report(void) {
  struct report last;
  ssize_t got = read(report, &last, sizeof last);
  if (got < 0) return;
  if (got == (ssize_t)sizeof last && !last.step)
    return tell(ARMED, "armed %d %llu %llu\n", main_pid, start_time, planned);
  close(report);
  report = -1;
  if (got == (ssize_t)sizeof last) return tell_failure(last.step, last.error);
  if (gate->at == CANCELLED) return tell_failure("cancelled", ECANCELED);
  if (!gate->exec) return tell_failure("killed", EINTR);
  number at = gate->exec;
  tell(STARTED, "started %d %llu %llu %llu\n", main_pid, start_time, at, real_ns(at));
  if (want.gate) owe_record();
}

/* `status` is negative where nobody can know it any more. */
static void main_ended(int status, const struct rusage *usage) {
  while (report >= 0) hear_report();
  main_pid = -1, quiet_us = 0;
  if (*lines[ENDED]) return; /* it never began */
  const struct timeval *user = &usage->ru_utime, *system = &usage->ru_stime;
  number at = now_ns(CLOCK_MONOTONIC);
  tell(ENDED, "exited %s %d %llu %llu %ld %llu %llu\n",
       status < 0 ? "unknown" : WIFEXITED(status) ? "code" : WCOREDUMP(status) ? "core" : "signal",
       status < 0 ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
       (number)user->tv_sec * 1000000 + (number)user->tv_usec,
       (number)system->tv_sec * 1000000 + (number)system->tv_usec,
       usage->ru_maxrss, at, real_ns(at));
  owe_record();
}

static void reap(void) {
  reap_again = false;
  for (int i = 0; i < REAPED_AT_ONCE; i++) {
    int status;
    struct rusage usage;
    pid_t pid = wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, &usage);
    bool stopped = WIFSTOPPED(status), moved = stopped || WIFCONTINUED(status);
    if (pid > 0 && pid == main_pid && moved)
      tell(MOVED, "%s %d %llu\n", stopped ? "stopped" : "continued",
           stopped ? WSTOPSIG(status) : SIGCONT, now_ns(CLOCK_MONOTONIC));
    else if (pid > 0 && pid == main_pid) main_ended(status, &usage);
    if (pid > 0) continue;
    tree_empty = pid < 0 && errno == ECHILD; /* whatever lost its parent would be here */
    reap_again = pid < 0 && !tree_empty;
    if (lease_over) kill_children();
    return;
  }
  reap_again = true; /* a flood of zombies must not keep commands waiting */
}

/* The main process that `adopt` found; where it is not the shim's child, only this sees its end. */
static void main_elsewhere(void) {
  static const struct rusage none;
  if (main_pid > 0) main_ended(status_of(main_fd, main_pid), &none);
  close(main_fd);
  main_fd = -1;
}

static bool write_record(void) {
  char bytes[RECORDED * sizeof *lines] = "";
  for (int line = 0; line < RECORDED; line++) strcat(bytes, lines[line]);
  return keep_file(record_dir, record_temporary, record_name, bytes);
}

/* ENOENT is final: the directory is gone, and with it everyone who could want the record. */
static void keep_record(void) {
  int reason = write_record() ? 0 : errno;
  record_done = reason == 0 || reason == ENOENT;
  record_due = !record_done;
  record_at = now_ns(CLOCK_MONOTONIC) + RETRY_MS * 1000000ULL;
  if (reason == record_told) return;
  record_told = reason;
  if (reason) tell(RECORDED, "record-failed %d\n", reason);
  else tell(RECORDED, "recorded\n");
}

static void carry_out(size_t which) {
  struct act *act = &acts[which];
  number times, at = act->at;
  if (read(act->timer, &times, sizeof times) < 0) return; /* moved meanwhile */
  int reason = write_file(group, act->file, act->text) ? 0 : errno;
  if (which == LEASE) lease_over = reap_again = true, reason = 0;
  tell(ACTED + which, "acted %s %llu %llu %d\n", act->name, at, now_ns(CLOCK_MONOTONIC), reason);
}

/* The program names one of its processes, whosever child: the run ends with that one. */
static bool adopt(const char *text) {
  number pid;
  if (main_pid < 0 || report >= 0 || !take_number(&text, 0, &pid) || pid > INT_MAX) return false;
  int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
  if (fd < 0 || (pid_t)pid == getpid() || !is_below((pid_t)pid, getpid())) return close(fd), false;
  if (main_fd >= 0) close(main_fd);
  main_fd = fd, main_pid = (pid_t)pid, start_time = stat_field(main_pid, 22);
  return true;
}

/* Told at once when it is so already; else by whoever looks, unless that one comes too late. */
static void tell_quiet(number now, bool asked) {
  if (!quiet_us || quiet_told || now < quiet_from + quiet_us * 1000) return;
  /* Who looks so late was kept from running, as the program may have been: it gets its time. */
  if (!asked && now > quiet_from + quiet_us * 1250) quiet_from = now;
  else quiet_told = sign_wanted = true, tell(QUIET, "quiet %llu %llu\n", quiet_from, quiet_ticks);
}

static void note_sign(void) {
  sign_hushed = quiet_us && !sign_wanted;
  quiet_told = sign_wanted = false, quiet_from = now_ns(CLOCK_MONOTONIC);
  quiet_ticks = stat_field(main_pid, 14) + stat_field(main_pid, 15);
}

/* The shim is subreaper: whatever belongs to the run is below it. */
static bool hear_signs(int socket) {
  char text[4096];
  pid_t from = 0;
  if (!receive_sign(socket, text, sizeof text, &from)) return false;
  if (!is_below(from, getpid())) return true;
  for (char *field = strtok(text, "\n"); field; field = strtok(0, "\n")) {
    size_t i = 0;
    while (i < COUNT(signs) && strncmp(field, signs[i], strlen(signs[i]))) i++;
    if (i == COUNT(signs) || (i == MAINPID && !adopt(field + strlen(signs[i])))) continue;
    if (i == WATCHDOG) note_sign();
    tell(SIGN + i, "sign %llu %d %.400s\n", now_ns(CLOCK_MONOTONIC), from, field);
    sign_hushed = false;
  }
  return true;
}

/* Looks more often while they grow. */
static void keep_logs(void) {
  static number seen;
  number length = 0;
  int reason = bound_logs(1, 2, want.log, &length);
  log_ms = length != seen ? LOG_BUSY_MS : log_ms * 2 < LOG_IDLE_MS ? log_ms * 2 : LOG_IDLE_MS;
  seen = length;
  if (reason) tell(LOG, "log-failed %d\n", reason), log_ms = -1;
}

/* ---- commands ---- */
static const char *send_signal(pid_t pid, number signal) {
  if (main_pid < 0 || report >= 0) return "error not-running\n";
  if (signal < 1 || signal >= _NSIG) return "error bad-signal\n";
  return kill(pid, (int)signal) < 0 ? "error not-signalled\n" : 0;
}

/* Of shim and child, whoever is first at the word has decided. */
static const char *set_gate(number to) {
  if (report < 0) return "error not-armed\n";
  number at = gate->at;
  do if (at >= CANCELLED) return "error not-armed\n";
  while (!atomic_compare_exchange_strong(&gate->at, &at, to));
  syscall(SYS_futex, gate, FUTEX_WAKE, 1, 0, 0, 0);
  if (to == CANCELLED) return kill(main_pid, SIGKILL), (char *)0;
  planned = to;
  if (*lines[ARMED]) tell(ARMED, "armed %d %llu %llu\n", main_pid, start_time, planned);
  return 0;
}

static const char *set_quiet(number us) {
  number now = now_ns(CLOCK_MONOTONIC);
  if (!quiet_us) quiet_from = now, quiet_ticks = 0, sign_wanted = true;
  quiet_us = us, quiet_told = false;
  return tell_quiet(now, true), (char *)0;
}

static bool is(const char *line, const char *word, number *value) {
  const char *rest = line + strlen(word) + 1;
  return !strncmp(line, word, strlen(word)) && rest[-1] == ' ' && take_number(&rest, 0, value) &&
         *value < LLONG_MAX;
}

/* Answers 0, or what to say. */
static const char *command(const char *line) {
  number value;
  if (is(line, "signal", &value)) return send_signal(main_pid, value);
  if (is(line, "signal-group", &value)) return send_signal(-main_pid, value);
  if (is(line, "gate", &value)) return set_gate(value ? value : now_ns(CLOCK_MONOTONIC) / 1000);
  if (!strcmp(line, "cancel")) return set_gate(CANCELLED);
  for (size_t i = 0; i < COUNT(acts) && !strncmp(line, "at ", 3); i++)
    if (is(line + 3, acts[i].name, &value)) return plan(&acts[i], value);
  if (is(line, "quiet", &value) && value < LLONG_MAX / 1250) return set_quiet(value);
  if (!strcmp(line, "mark")) return "marked\n";
  if (!strcmp(line, "quit")) quitting = true;
  else if (strcmp(line, "close-stdin")) return "error unknown-command\n";
  else if (want.held) close(HELD), want.held = 0;
  return 0;
}

static void hear(struct peer *peer) {
  char *end;
  size_t room = sizeof peer->in - peer->used;
  ssize_t got = recv(peer->fd, peer->in + peer->used, room, MSG_DONTWAIT);
  if (got <= 0) return got < 0 && errno == EAGAIN ? (void)0 : hang_up(peer);
  peer->used += (size_t)got;
  while ((end = memchr(peer->in, '\n', peer->used))) {
    *end++ = 0;
    const char *reason = command(peer->in);
    peer->used -= (size_t)(end - peer->in);
    memmove(peer->in, end, peer->used);
    if (reason) say(peer, reason);
  }
  if (peer->used < sizeof peer->in) return;
  say(peer, "error line-too-long\n");
  hang_up(peer);
}

static void attach(void) {
  int fd = accept4(listener, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  hang_up(&peers[1]);
  peers[1].fd = fd;
  for (int line = 0; line < LINES; line++) say(&peers[1], lines[line]);
}

/* ---- the whole ---- */
/* Every signal stays blocked: none ends the shim but KILL, and writing to nobody is an error. */
static const char *settle(void) {
  static const unsigned long standard[4]; /* SIG_DFL, past libc: it keeps 32 to 34 to itself */
  sigset_t set;
  for (int one = 1; one < _NSIG; one++) syscall(SYS_rt_sigaction, one, standard, 0, 8);
  sigfillset(&set);
  if (sigprocmask(SIG_SETMASK, &set, 0) < 0) return "signals";
  umask(0177);
  if (fcntl(CONTROL, F_SETFD, FD_CLOEXEC) < 0 || fcntl(CONTROL, F_SETFL, 0) < 0) return "control";
  if (chdir("/") < 0 || (setsid() < 0 && getsid(0) != getpid())) return "session";
  if (fcntl(HELD, F_SETFD, FD_CLOEXEC) < 0) dup2(CONTROL, HELD); /* its place, for so long */
  if (syscall(SYS_close_range, HELD + 1, ~0U, 0) < 0) /* before Linux 5.9 */
    for (int fd = HELD + 1; fd < 65536; fd++) close(fd);
  prctl(PR_SET_NAME, "lotc-shim"); /* for people only */
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return "subreaper";
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return signals < 0 ? "signals" : 0;
}

static int sooner(int left, int right) {
  return left < 0 || (right >= 0 && right < left) ? right : left;
}

/* In ms, and late rather than early. */
static int until_quiet(number now) {
  number at = quiet_from + quiet_us * 1000;
  if (!quiet_us || quiet_told) return -1;
  return now >= at ? 0 : at - now > 3600000000000ULL ? 3600000 : (int)((at - now) / 1000000) + 1;
}

static void turn(void) {
  struct signalfd_siginfo died;
  number now = now_ns(CLOCK_MONOTONIC);
  if (now >= signs_until) signs_until = now + SIGNS_MS * 1000000ULL, signs_left = SIGNS_AT_ONCE;
  struct pollfd polls[] = {
    {signals, POLLIN, 0}, {report, POLLIN, 0}, {listener, POLLIN, 0},
    {peers[0].fd, POLLIN, 0}, {peers[1].fd, POLLIN, 0}, {signs_left ? notify : -1, POLLIN, 0},
    {acts[0].timer, POLLIN, 0}, {acts[1].timer, POLLIN, 0}, {acts[2].timer, POLLIN, 0},
    {acts[3].timer, POLLIN, 0}, {signs_left ? abstract : -1, POLLIN, 0}, {main_fd, POLLIN, 0},
  };
  bool owed = record_due && !quitting;
  int wait = sooner(owed || lease_over ? RETRY_MS : -1, signs_left ? log_ms : SIGNS_MS);
  wait = sooner(wait, signs_left ? until_quiet(now) : -1);
  int ready = poll(polls, COUNT(polls), reap_again || (owed && !record_at) ? 0 : wait);
  if (ready < 0) return;
  if (polls[1].revents) hear_report();
  for (size_t i = 0; i < COUNT(acts); i++)
    if (polls[6 + i].revents) carry_out(i);
  /* Before anything is judged: what was said before, also by who has just ended. */
  while (signs_left > 0 && (hear_signs(notify) || hear_signs(abstract))) signs_left--;
  if (polls[0].revents && read(signals, &died, sizeof died) > 0) reap_again = true;
  if (reap_again || polls[11].revents || (lease_over && ready == 0)) reap();
  if (polls[11].revents) main_elsewhere();
  for (size_t i = 0; i < COUNT(peers); i++)
    if (polls[3 + i].revents) hear(&peers[i]);
  if (polls[2].revents) attach();
  if (signs_left > 0) tell_quiet(now_ns(CLOCK_MONOTONIC), false);
  if (log_ms >= 0 && now >= log_at) keep_logs(), log_at = now + (number)log_ms * 1000000;
  if (owed && now_ns(CLOCK_MONOTONIC) >= record_at) keep_record();
}

int main(int count, char **words) {
  const char *name = count > 0 ? strrchr(words[0], '/') : 0;
  if (count > 0 && !strcmp(name ? name + 1 : words[0], "lotc-notify")) return send_signs(words + 1);
  const char *failed = settle();
  tell(HELLO, "hello %d %d\n", VERSION, getpid());
  if (!failed && !receive_launch()) return 0;
  if (!failed && !read_launch()) failed = "launch";
  if (!want.held) close(HELD);
  if (!failed) failed = open_sockets();
  if (!failed) failed = open_record();
  if (!failed) failed = start();
  if (failed) tell_failure(failed, errno), main_pid = -1;
  reap(); /* says at once whether there is a child to wait for */
  while (record_dir >= 0 && !(tree_empty && (record_done || quitting))) turn();
  if (listener >= 0) unlink(want.socket);
  if (notify >= 0) unlink(want.notify);
  tell(GONE, "gone\n");
  return 0;
}
