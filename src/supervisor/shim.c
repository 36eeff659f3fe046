/*
 * The shim: parent of one run. It starts the program, outlives the agent, knows the exact end,
 * leaves it on disk, and reaps what falls to it. It decides nothing, allocates nothing, reads no
 * configuration. The other side is src/supervisor/shim.ts.
 *
 * LAUNCH. Descriptors 0 to 2 become the program's, 3 is a stream socket, 4 (where `held`) the
 * writing end of the FIFO at 0, so that the agent's death is no end of file. On 3 come four bytes,
 * a length in the machine's order, and so many bytes of fields, each ended by a NUL; an empty path
 * is none, numbers are decimal:
 *   2 socket record cwd oom held tty uid gid umask gate
 *   and five lists, each after its count: group, resource soft hard, cgroup.procs, argument, env
 * oom is what goes into oom_score_adj; tty 1: descriptor 0 is a terminal, the session's to be;
 * uid and gid 4294967295 mean the shim's own; gate is an instant of CLOCK_MONOTONIC in us, 0: none.
 * End of file before the whole launch: the shim ends and leaves nothing. A launch happens once for
 * a pair of socket and record: if one of them is there already it fails, and leaves no record.
 *
 * GATE. With one the child is made ready to the last call before exec, says so, and goes on at the
 * instant by itself: neither agent nor shim has to be awake. If the shim dies before, so does it.
 *
 * CHANNELS. The launch's socket, and whoever has connected to `socket` last. Both are told each
 * event; a newcomer is told the state again, in this order, as far as there is one:
 *   hello VERSION SHIM-PID
 *   armed PID STARTTIME PLANNED-US                    at the gate; again when that is moved
 *   started PID STARTTIME MONOTONIC-NS REALTIME-NS    exec, which has succeeded, began at that time
 *   failed STEP ERRNO MONOTONIC-NS                    it has not; nothing of the program ran
 *   exited code|signal|core NUMBER UTIME-US STIME-US MAXRSS-KIB MONOTONIC-NS REALTIME-NS
 *   recorded | record-failed ERRNO                    the record is durable | is tried every second
 *   gone                                              no process is left; the shim ends
 * STARTTIME: proc(5), field 22. The record has the lines up to the end, once there is one; after a
 * gate also as soon as the program runs.
 *
 * COMMANDS, one a line, silent when done, else `error REASON` (`error unknown-command`):
 *   signal NUMBER, signal-group NUMBER    to the main process (its group), while it is not reaped
 *   gate US        moves the gate's instant; 0: now. `error not-armed` once it was passed
 *   cancel         `failed cancelled`, unless the gate was passed
 *   close-stdin    lets go of the FIFO's writing end
 *   quit           end without a record once the tree is empty
 * A reader that does not read loses its connection.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h> /* renameat; no stream is used */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VERSION 2
#define CONTROL 3 /* what it was started with */
#define HELD 4
#define RETRY_MS 1000
#define REAPED_AT_ONCE 1000
#define NONE 4294967295U
#define SPIN_US 50 /* a sleeper wakes late by less, nearly always */
#define PASSED (~0ULL) /* of a gate, in place of its instant */
#define CANCELLED (~0ULL - 1)
#define FUTEX_WAKE 1 /* linux/futex.h, which musl has not */
#define FUTEX_WAIT_BITSET 9
#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef unsigned long long number;

/* Untouched pages of these cost nothing. */
static char launch[4 << 20], *launch_at = launch, *launch_end;
static char *arguments[65536], *environment[65536];
static gid_t groups[65536];

static struct {
  char *socket, *record, *cwd, *oom, *cgroup[16];
  struct { int resource; struct rlimit limit; } rlimit[16];
  size_t groups, rlimits, cgroups;
  uid_t uid;
  gid_t gid;
  mode_t umask;
  bool held, tty;
  number gate;
} want;

/* What a newcomer is told, in the order of telling. */
enum line { HELLO, ARMED, STARTED, ENDED, RECORDED, GONE, LINES };
static char lines[LINES][192];

static struct peer { int fd; size_t used; char in[128]; } peers[] = {{.fd = CONTROL}, {.fd = -1}};

static pid_t main_pid = -1; /* -1 again once it is reaped: its number may then be another's */
static number start_time, planned;
static bool launch_bad, tree_empty, reap_again, record_due, record_done, quitting, born_in_group;
static int listener = -1, signals = -1, report = -1, record_dir = -1, record_told = -1;
/* Of shim and child: the gate's instant in us, and when the child went on to exec, in ns. */
static struct { _Atomic number at, exec; } *gate;
static char *record_name, record_temporary[NAME_MAX + 1];

/* ---- text ---- */
/* Every line is built of parts whose greatest length is known; a part too much is left out. */
static void put(char *line, const char *word) {
  if (strlen(line) + strlen(word) < sizeof *lines) strcat(line, word);
}

static void put_number(char *line, const char *before, number value) {
  char digits[21], *at = digits + sizeof digits - 1;
  *at = 0;
  do *--at = (char)('0' + value % 10);
  while (value /= 10);
  put(line, before);
  put(line, at);
}

static number now_ns(clockid_t clock) {
  struct timespec now = {0, 0};
  clock_gettime(clock, &now);
  return (number)now.tv_sec * 1000000000 + (number)now.tv_nsec;
}

/* An instant of CLOCK_MONOTONIC, and the same of CLOCK_REALTIME. */
static void put_instants(char *line, number at) {
  put_number(line, " ", at);
  put_number(line, " ", now_ns(CLOCK_REALTIME) - (now_ns(CLOCK_MONOTONIC) - at));
}

/* Reads digits and the `end` that must follow them, and moves past it. */
static bool take_number(const char **text, char end, number *value) {
  const char *at = *text;
  for (*value = 0; *at >= '0' && *at <= '9'; at++) {
    number digit = (number)(*at - '0');
    if (*value > (~0ULL - digit) / 10) return false;
    *value = *value * 10 + digit;
  }
  if (at == *text || *at != end) return false;
  *text = at + 1;
  return true;
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

static void tell(enum line line) {
  put(lines[line], "\n");
  for (size_t i = 0; i < COUNT(peers); i++) say(&peers[i], lines[line]);
}

/* The record has to be written (again): at once, and then until it is. */
static void owe_record(void) {
  record_due = true, record_done = false, record_told = -1;
  *lines[RECORDED] = 0;
}

static void tell_failure(const char *step, int error) {
  put(lines[ENDED], "failed ");
  put(lines[ENDED], step);
  put_number(lines[ENDED], " ", (number)error);
  put_number(lines[ENDED], " ", now_ns(CLOCK_MONOTONIC));
  tell(ENDED);
  owe_record();
}

/* ---- launch ---- */
static char *next(void) {
  char *field = launch_at;
  if (field >= launch_end) /* the last byte of a launch is a NUL */
    return launch_bad = true, launch_end - 1;
  launch_at += strlen(field) + 1;
  return field;
}

static number next_number(number most) {
  const char *field = next();
  number value;
  if (take_number(&field, 0, &value) && value <= most) return value;
  return launch_bad = true, 0;
}

static size_t next_strings(char **list, size_t room) {
  size_t count = next_number(room - 1); /* one stays NULL, the end for execve */
  for (size_t i = 0; i < count; i++) list[i] = next();
  return count;
}

static bool receive_launch(void) {
  unsigned length;
  if (recv(CONTROL, &length, sizeof length, MSG_WAITALL) != sizeof length) return false;
  if (length == 0 || length > sizeof launch) return false;
  launch_end = launch + length;
  return recv(CONTROL, launch, length, MSG_WAITALL) == (ssize_t)length && launch_end[-1] == 0;
}

static bool read_launch(void) {
  char **paths[] = {&want.socket, &want.record, &want.cwd, &want.oom};
  errno = EINVAL;
  if (next_number(VERSION) != VERSION) return false;
  for (size_t i = 0; i < COUNT(paths); i++) *paths[i] = next();
  want.held = next_number(1);
  want.tty = next_number(1);
  want.uid = (uid_t)next_number(NONE);
  want.gid = (gid_t)next_number(NONE);
  want.umask = (mode_t)next_number(0777);
  want.gate = next_number(CANCELLED - 1);
  want.groups = next_number(COUNT(groups));
  for (size_t i = 0; i < want.groups; i++) groups[i] = (gid_t)next_number(NONE - 1);
  want.rlimits = next_number(COUNT(want.rlimit));
  for (size_t i = 0; i < want.rlimits; i++) {
    want.rlimit[i].resource = (int)next_number(INT_MAX);
    want.rlimit[i].limit.rlim_cur = next_number(~0ULL);
    want.rlimit[i].limit.rlim_max = next_number(~0ULL);
  }
  want.cgroups = next_strings(want.cgroup, COUNT(want.cgroup));
  if (next_strings(arguments, COUNT(arguments)) == 0) return false;
  next_strings(environment, COUNT(environment));
  return !launch_bad && launch_at == launch_end && want.record[0] == '/';
}

/* ---- the run's files; each answers 0, or the step that failed, with errno ---- */
static const char *listen_for_agents(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(want.socket) >= sizeof address.sun_path) return errno = ENAMETOOLONG, "socket";
  strcpy(address.sun_path, want.socket);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return "socket";
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return "socket";
  listener = fd; /* from here on the socket's name is ours to remove */
  return listen(fd, 8) < 0 ? "socket" : 0;
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

static bool write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  return fd >= 0 && write(fd, text, strlen(text)) >= 0 && close(fd) == 0;
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
    if (!write_file(want.cgroup[i], "0")) give_up(to, "cgroup");
  if (*want.oom && !write_file("/proc/self/oom_score_adj", want.oom)) give_up(to, "oom");
  if (want.tty && ioctl(0, TIOCSCTTY, 0) < 0) give_up(to, "tty");
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, 0) < 0) give_up(to, "signals");
  for (size_t i = 0; i < want.rlimits; i++)
    if (setrlimit(want.rlimit[i].resource, &want.rlimit[i].limit) < 0) give_up(to, "rlimit");
  umask(want.umask);
  if (want.gid != NONE && setgroups(want.groups, groups) < 0) give_up(to, "groups");
  if (setresgid(want.gid, want.gid, want.gid) < 0) give_up(to, "gid");
  if (setresuid(want.uid, want.uid, want.uid) < 0) give_up(to, "uid");
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) give_up(to, "capabilities");
  /* As the user: a directory that is closed to all others is its own. */
  if (*want.cwd && chdir(want.cwd) < 0) give_up(to, "cwd");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) give_up(to, "no_new_privs");
  environ = environment;
  if (want.gate) pass_gate(to);
  gate->exec = now_ns(CLOCK_MONOTONIC);
  execvp(arguments[0], arguments); /* by the PATH of its own environment */
  /* A file that is there and still gives ENOENT names an interpreter that is not. */
  bool there = errno == ENOENT && strchr(arguments[0], '/') && !access(arguments[0], F_OK);
  give_up(to, there ? "interpreter" : "exec");
}

/* ---- start and end ---- */
/* proc(5), field 22; the name before it may hold anything, so from its last parenthesis. */
static number read_start_time(pid_t pid) {
  char path[sizeof *lines] = "", bytes[1024];
  number value;
  put_number(path, "/proc/", (number)pid);
  put(path, "/stat");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = read(fd, bytes, sizeof bytes - 1);
  close(fd);
  bytes[got > 0 ? got : 0] = 0;
  const char *at = strrchr(bytes, ')');
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  return at && (at++, take_number(&at, ' ', &value)) ? value : 0;
}

/* Into its first group at birth: moving there later takes 12 ms (an RCU grace period). */
static pid_t fork_into_group(void) {
  char *end = want.cgroups ? strrchr(want.cgroup[0], '/') : 0;
  if (!end) return fork();
  *end = 0;
  int group = open(want.cgroup[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
  *end = '/';
  number how[11] = {1ULL << 33 /* CLONE_INTO_CGROUP */, [4] = SIGCHLD, [10] = (number)group};
  pid_t pid = group < 0 ? -1 : (pid_t)syscall(SYS_clone3, how, sizeof how);
  born_in_group = pid == 0;
  if (group >= 0) close(group);
  return pid < 0 ? fork() : pid; /* no clone3, no cgroup v2: the child goes there itself */
}

static const char *start(void) {
  int ends[2], null = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
  gate = mmap(0, sizeof *gate, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (gate == MAP_FAILED) return "gate";
  gate->at = want.gate ? planned = want.gate : PASSED;
  if (pipe2(ends, O_CLOEXEC) < 0) return "pipe";
  main_pid = fork_into_group();
  if (main_pid == 0) become(ends[1]);
  if (main_pid < 0) return "fork";
  start_time = read_start_time(main_pid);
  report = ends[0];
  close(ends[1]);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd); /* they are the program's alone */
  close(null);
  return 0;
}

static void tell_process(enum line line, const char *word) {
  *lines[line] = 0;
  put_number(lines[line], word, (number)main_pid);
  put_number(lines[line], " ", start_time);
  if (line == ARMED) put_number(lines[line], " ", planned);
  else put_instants(lines[line], gate->exec);
  tell(line);
}

/* The child's word: at its gate, or why not; the end of file when exec has closed its side. */
static void hear_report(void) {
  struct report last;
  if (report < 0) return;
  ssize_t got = read(report, &last, sizeof last);
  if (got == (ssize_t)sizeof last && !last.step) return tell_process(ARMED, "armed ");
  close(report);
  report = -1;
  if (got == (ssize_t)sizeof last) return tell_failure(last.step, last.error);
  if (gate->at == CANCELLED) return tell_failure("cancelled", ECANCELED);
  if (!gate->exec) return tell_failure("killed", EINTR);
  tell_process(STARTED, "started ");
  if (want.gate) owe_record();
}

static void main_ended(int status, const struct rusage *usage) {
  char *line = lines[ENDED];
  while (report >= 0) hear_report();
  main_pid = -1;
  if (*line) return; /* it never began */
  const char *how = WCOREDUMP(status) ? "exited core " : "exited signal ";
  if (WIFEXITED(status)) put_number(line, "exited code ", (number)WEXITSTATUS(status));
  else put_number(line, how, (number)WTERMSIG(status));
  const struct timeval *user = &usage->ru_utime, *system = &usage->ru_stime;
  put_number(line, " ", (number)user->tv_sec * 1000000 + (number)user->tv_usec);
  put_number(line, " ", (number)system->tv_sec * 1000000 + (number)system->tv_usec);
  put_number(line, " ", (number)usage->ru_maxrss);
  put_instants(line, now_ns(CLOCK_MONOTONIC));
  tell(ENDED);
  owe_record();
}

static void reap(void) {
  reap_again = false;
  for (int i = 0; i < REAPED_AT_ONCE; i++) {
    int status;
    struct rusage usage;
    pid_t pid = wait4(-1, &status, WNOHANG, &usage);
    if (pid > 0 && pid == main_pid) main_ended(status, &usage);
    if (pid > 0) continue;
    tree_empty = pid < 0; /* ECHILD: whatever lost its parent would be here */
    return;
  }
  reap_again = true; /* a flood of zombies must not keep commands waiting */
}

static bool write_record(void) {
  char bytes[RECORDED * sizeof *lines] = "";
  for (int line = 0; line < RECORDED; line++) strcat(bytes, lines[line]);
  int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat(record_dir, record_temporary, flags, 0600);
  if (fd < 0) return false;
  errno = ENOSPC; /* the reason of a short write */
  bool whole = write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes) && fsync(fd) == 0;
  int reason = errno;
  close(fd);
  errno = reason;
  return whole && renameat(record_dir, record_temporary, record_dir, record_name) == 0 &&
         fsync(record_dir) == 0;
}

/* ENOENT is final: the directory is gone, and with it everyone who could want the record. */
static void keep_record(void) {
  int reason = write_record() ? 0 : errno;
  record_done = reason == 0 || reason == ENOENT;
  record_due = !record_done;
  if (reason == record_told) return;
  *lines[RECORDED] = 0, record_told = reason;
  if (reason) put_number(lines[RECORDED], "record-failed ", (number)reason);
  else put(lines[RECORDED], "recorded");
  tell(RECORDED);
}

/* ---- commands ---- */
static const char *send_signal(const char *text, bool group) {
  number signal;
  if (!take_number(&text, 0, &signal) || signal < 1 || signal >= _NSIG) return "error bad-signal\n";
  if (main_pid < 0 || report >= 0) return "error not-running\n";
  return kill(group ? -main_pid : main_pid, (int)signal) < 0 ? "error not-signalled\n" : 0;
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
  if (*lines[ARMED]) tell_process(ARMED, "armed ");
  return 0;
}

static const char *move_gate(const char *text) {
  number to;
  if (!take_number(&text, 0, &to) || to >= CANCELLED) return "error bad-instant\n";
  return set_gate(to ? to : now_ns(CLOCK_MONOTONIC) / 1000);
}

/* Answers 0, or what to say. */
static const char *command(const char *line) {
  if (!strncmp(line, "signal ", 7)) return send_signal(line + 7, false);
  if (!strncmp(line, "signal-group ", 13)) return send_signal(line + 13, true);
  if (!strncmp(line, "gate ", 5)) return move_gate(line + 5);
  if (!strcmp(line, "cancel")) return set_gate(CANCELLED);
  if (!strcmp(line, "quit")) quitting = true;
  else if (strcmp(line, "close-stdin")) return "error unknown-command\n";
  else if (want.held) close(HELD), want.held = false;
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

static void turn(void) {
  struct signalfd_siginfo died;
  bool at_once = reap_again || (record_due && !*lines[RECORDED]);
  struct pollfd polls[] = {
    {signals, POLLIN, 0}, {report, POLLIN, 0}, {listener, POLLIN, 0},
    {peers[0].fd, POLLIN, 0}, {peers[1].fd, POLLIN, 0},
  };
  int ready = poll(polls, COUNT(polls), at_once ? 0 : record_due ? RETRY_MS : -1);
  if (ready < 0) return;
  if (polls[1].revents) hear_report();
  if (polls[0].revents && read(signals, &died, sizeof died) > 0) reap_again = true;
  if (reap_again) reap();
  for (size_t i = 0; i < COUNT(peers); i++)
    if (polls[3 + i].revents) hear(&peers[i]);
  if (polls[2].revents) attach();
  if (record_due && (ready == 0 || !*lines[RECORDED])) keep_record();
}

int main(void) {
  const char *failed = settle();
  put_number(lines[HELLO], "hello ", VERSION);
  put_number(lines[HELLO], " ", (number)getpid());
  tell(HELLO);
  if (!failed && !receive_launch()) return 0;
  if (!failed && !read_launch()) failed = "launch";
  if (!want.held) close(HELD);
  if (!failed) failed = listen_for_agents();
  if (!failed) failed = open_record();
  if (!failed) failed = start();
  if (failed) tell_failure(failed, errno), main_pid = -1;
  reap(); /* says at once whether there is a child to wait for */
  while (record_dir >= 0 && !(tree_empty && (record_done || quitting))) turn();
  if (listener >= 0) unlink(want.socket);
  put(lines[GONE], "gone");
  tell(GONE);
  return 0;
}
