/*
 * The shim's parsers, with what is good for them changed a little (bits, cuts, doubled pieces,
 * bytes at their edges) and with noise: `fuzz PARSER INPUTS SEED CORPUS`, built with sanitizers.
 * The whole shim is in here but for its main, so a parser does what it does in a run; whom it
 * may signal is one child that sleeps. Prints how many were taken, or the input that is a fault.
 */
#define main shim_main
#include "../../src/supervisor/kernel.c"
#include "../../src/supervisor/launch.c"
#define kill guarded_kill
static int guarded_kill(pid_t pid, int signal);
#include "../../src/supervisor/shim.c"
#undef main
#undef kill
#include <stdlib.h>

void __asan_set_death_callback(void (*)(void));

enum { ROOM = 8192, ITEMS = 64, FDS = 20 };
static unsigned char input[ROOM], corpus[1 << 20];
static size_t length, items, item_at[ITEMS], item_length[ITEMS];
static number random_state;
static pid_t sleeper;
static int far_end = -1, sender = -1;

static void show_input(void) {
  dprintf(1, "input ");
  for (size_t i = 0; i < length; i++) dprintf(1, "%02x", input[i]);
  dprintf(1, "\n");
}

#define must(what) ((what) ? (void)0 : failed(#what))
_Noreturn static void failed(const char *what) {
  show_input();
  dprintf(1, "does not hold: %s\n", what);
  _exit(3);
}

static int guarded_kill(pid_t pid, int signal) {
  must(pid == sleeper || pid == -sleeper);
  return signal == 0 ? -1 : 0;
}

/* xorshift64*; less than `below`. */
static size_t draw(size_t below) {
  random_state ^= random_state >> 12, random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return (size_t)((random_state * 2685821657736338717ULL) >> 33) % below;
}

/* ---- inputs ---- */
static void load(const char *path) {
  int fd = open(path, O_RDONLY);
  ssize_t got = read(fd, corpus, sizeof corpus);
  for (ssize_t at = 0; at < got && items < ITEMS; items++) {
    unsigned size;
    memcpy(&size, corpus + at, sizeof size);
    item_at[items] = (size_t)at + sizeof size, item_length[items] = size;
    at += (ssize_t)(sizeof size + size);
  }
  close(fd);
  must(items > 0);
}

static void change(void) {
  static const unsigned char edges[] = {0, '\n', ' ', '-', '0', '9', '=', ')', 0x7f, 0x80, 0xff};
  size_t at = draw(length);
  switch (draw(6)) {
    case 0: input[at] ^= (unsigned char)(1 << draw(8)); break;
    case 1: input[at] = edges[draw(sizeof edges)]; break;
    case 2: length = at + 1; break;
    case 3: /* a piece is left out */
      for (size_t cut = 1 + draw(8); cut > 0 && length - at > 1; cut--, length--)
        memmove(input + at, input + at + 1, length - at - 1);
      break;
    case 4: { /* a piece is doubled */
      size_t more = length - at < ROOM - length ? length - at : ROOM - length;
      memcpy(input + length, input + at, more), length += more;
      break;
    }
    default:
      for (size_t end = at + 1 + draw(8); at < end && at < length; at++)
        input[at] = edges[draw(sizeof edges)];
  }
}

static void next_input(number no) {
  if (no % 10 == 9) {
    length = 1 + draw(200);
    for (size_t i = 0; i < length; i++) input[i] = (unsigned char)draw(256);
    return;
  }
  size_t item = draw(items);
  memcpy(input, corpus + item_at[item], length = item_length[item]);
  for (size_t left = 1 + draw(4); left > 0; left--) change();
}

/* ---- parsers ---- */
/* Mostly with the length it has and the end it must have, so that what is behind them is met. */
static bool try_launch(void) {
  int ends[2];
  unsigned told = (unsigned)(draw(20) ? length : draw(1 << 23));
  if (draw(20)) input[length - 1] = 0;
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && dup2(ends[0], CONTROL) == CONTROL);
  must(send(ends[1], &told, sizeof told, 0) == sizeof told);
  must(send(ends[1], input, length, 0) == (ssize_t)length);
  close(ends[0]), close(ends[1]);
  launch_at = launch, launch_bad = false, want = (struct launch){0};
  memset(arguments, 0, 64 * sizeof *arguments);
  if (!receive_launch() || !read_launch()) return false;
  size_t bytes = strlen(want.socket) + strlen(want.record) + strlen(want.notify);
  bytes += strlen(want.cwd) + strlen(want.oom);
  for (size_t i = 0; i < want.cgroups; i++) bytes += strlen(want.cgroup[i]);
  for (char **one = arguments; *one; one++) bytes += strlen(*one);
  must(want.record[0] == '/' && arguments[0] && bytes <= length);
  must(want.groups <= 65536 && want.rlimits <= COUNT(want.rlimit));
  return true;
}

/* What the other side hears: whole lines without a control character. */
static size_t heard(void) {
  char bytes[ROOM];
  size_t count = 0;
  for (ssize_t got; (got = recv(far_end, bytes, sizeof bytes, MSG_DONTWAIT)) > 0;) {
    for (ssize_t i = 0; i < got; i++) must(bytes[i] == '\n' || (unsigned char)bytes[i] >= ' ');
    must(bytes[got - 1] == '\n');
    count += (size_t)got;
  }
  return count;
}

static void hear_all(void) {
  char one;
  while (peers[1].fd >= 0 && recv(peers[1].fd, &one, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
    hear(&peers[1]);
    must(peers[1].used < sizeof peers[1].in);
  }
}

static void connect_peer(void) {
  int ends[2];
  if (peers[1].fd >= 0) return;
  if (far_end >= 0) close(far_end);
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  peers[1].fd = ends[0], far_end = ends[1];
}

/* Armed or running; commands may come in two pieces. */
static bool try_command(void) {
  static int never[2] = {-1, -1};
  if (never[0] < 0) must(pipe(never) == 0);
  connect_peer();
  report = draw(2) ? never[0] : -1, main_pid = sleeper;
  gate->at = 1ULL << 60;
  size_t cut = draw(length + 1);
  size_t before = peers[1].used;
  must(send(far_end, input, cut, MSG_NOSIGNAL) == (ssize_t)cut);
  hear_all();
  connect_peer();
  must(send(far_end, input + cut, length - cut, MSG_NOSIGNAL) == (ssize_t)(length - cut));
  must(send(far_end, "\n", 1, MSG_NOSIGNAL) == 1);
  size_t told = heard();
  hear_all();
  told += peers[1].fd >= 0 ? heard() : 1;
  return told == 0 || before > 0;
}

static bool try_sign(void) {
  char aside[CMSG_SPACE(FDS * sizeof(int))] = "";
  struct iovec part = {input, length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (draw(8) == 0) {
    int count = 1 + (int)draw(FDS);
    message.msg_control = aside, message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    for (int i = 0; i < count; i++) memcpy(CMSG_DATA(header) + i * 4, (int[]){1}, sizeof(int));
  }
  connect_peer();
  main_pid = sleeper, report = -1;
  must(sendmsg(sender, &message, 0) >= 0);
  must(hear_signs(notify) && !hear_signs(notify));
  must(strlen(lines[SIGN]) < sizeof *lines);
  return heard() > 0;
}

/* Whatever a process is called, the fields behind its name are where they were. */
static bool try_name(void) {
  static number began;
  char name[16] = "";
  if (began == 0) began = stat_field(getpid(), 22);
  memcpy(name, input, length < 15 ? length : 15);
  prctl(PR_SET_NAME, name);
  must(stat_field(getpid(), 22) == began && began > 0);
  must(stat_field(getpid(), 4) == (number)getppid());
  must(is_below(sleeper, getpid()));
  return true;
}

static size_t open_files(void) {
  size_t count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static void settle_here(void) {
  int ends[2], on = 1;
  sleeper = fork();
  if (sleeper == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  must(open("/dev/null", O_RDWR) >= 0);
  while (open("/dev/null", O_RDWR) <= HELD); /* 3 and 4 are the shim's */
  gate = mmap(0, sizeof *gate, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
  must(setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  notify = ends[0], sender = ends[1];
  peers[0].fd = -1;
}

int main(int count, char **words) {
  static const struct { const char *name; bool (*parse)(void); } parsers[] = {
    {"launch", try_launch}, {"commands", try_command}, {"signs", try_sign}, {"names", try_name},
  };
  if (count != 5) return 2;
  number inputs = strtoull(words[2], 0, 10), taken = 0;
  random_state = strtoull(words[3], 0, 10) * 2654435761ULL + 1;
  load(words[4]);
  settle_here();
  __asan_set_death_callback(show_input);
  for (size_t i = 0; i < COUNT(parsers); i++) {
    if (strcmp(parsers[i].name, words[1])) continue;
    size_t files = 0;
    for (number no = 0; no < inputs; no++) {
      next_input(no);
      taken += parsers[i].parse();
      if (no == 100) files = open_files();
    }
    must(open_files() <= files + 8); /* a pair, a timer for each act */
    dprintf(1, "taken %llu\n", taken);
    return 0;
  }
  return 2;
}
