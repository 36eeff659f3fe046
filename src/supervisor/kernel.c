/*
 * What the shim asks of the kernel and keeps no state of: clocks, /proc, holes in files, datagrams.
 * Nothing is allocated. It refuses to know the run: whoever calls gives what it is about.
 * Started as `lotc-notify`, the shim is no more than the last function here.
 */
#define _GNU_SOURCE
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h> /* snprintf; no stream is used */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TAKEN_MS 5000 /* a sender waits for no longer */

number now_ns(clockid_t clock) {
  struct timespec now = {0, 0};
  clock_gettime(clock, &now);
  return (number)now.tv_sec * 1000000000 + (number)now.tv_nsec;
}

/* Reads digits and the `end` that must follow them, and moves past it. */
bool take_number(const char **text, char end, number *value) {
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

bool write_file(int directory, const char *path, const char *text) {
  int fd = openat(directory, path, O_WRONLY | O_CLOEXEC);
  bool done = fd >= 0 && write(fd, text, strlen(text)) >= 0;
  int reason = errno;
  if (fd >= 0) close(fd);
  errno = reason;
  return done;
}

/* proc(5); the name before field 3 may hold anything, so from its last parenthesis. */
static const char *find_field(pid_t pid, int wanted, char *bytes, size_t room) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = read(fd, bytes, room - 1);
  close(fd);
  bytes[got > 0 ? got : 0] = 0;
  const char *at = strrchr(bytes, ')');
  for (int field = 2; at && field < wanted; field++) at = strchr(at + 1, ' ');
  return at ? at + 1 : 0;
}

number stat_field(pid_t pid, int wanted) {
  char bytes[1024];
  number value;
  const char *at = find_field(pid, wanted, bytes, sizeof bytes);
  return at && take_number(&at, ' ', &value) ? value : 0;
}

/* While nobody has waited for it, /proc knows; afterwards, since Linux 6.15, its pidfd. */
int status_of(int pidfd, pid_t pid) {
  struct { number mask, cgroup; unsigned ids[11]; int status; } info = {.mask = 1 << 3};
  char bytes[1024];
  number value;
  const char *at = find_field(pid, 3, bytes, sizeof bytes);
  if (at && *at == 'Z' && (at = strrchr(at, ' ')) && (at++, take_number(&at, '\n', &value)))
    return (int)value; /* field 52, the last */
  bool told = ioctl(pidfd, (int)0xc040ff0b /* PIDFD_GET_INFO */, &info) == 0;
  return told && (info.mask & 1 << 3) ? info.status : -1;
}

bool is_below(pid_t pid, pid_t ancestor) {
  for (int depth = 0; depth < 1000 && pid > 1; depth++) {
    if (pid == ancestor) return true;
    pid = (pid_t)stat_field(pid, 4);
  }
  return false;
}

/* Written beside it, synced, renamed, and the directory synced. */
bool keep_file(int directory, const char *temporary, const char *name, const char *text) {
  int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat(directory, temporary, flags, 0600);
  if (fd < 0) return false;
  errno = ENOSPC; /* the reason of a short write */
  bool whole = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
  int reason = errno;
  close(fd);
  errno = reason;
  return whole && renameat(directory, temporary, directory, name) == 0 && fsync(directory) == 0;
}

/* Whatever loses its parent by it comes here, and is killed next. */
void kill_children(void) {
  char bytes[4096];
  int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof bytes - 1);
  if (fd >= 0) close(fd);
  bytes[got > 0 ? got : 0] = 0;
  const char *at = bytes;
  for (number pid; take_number(&at, ' ', &pid);) kill((pid_t)pid, SIGKILL);
}

/*
 * Blocks of the heads of two logs are freed so that no more than `most` bytes stay; their lengths
 * stay as they are. What has more gives first, and a little more than it must, for the next time.
 */
int bound_logs(int one, int other, number most, number *length) {
  int fds[2] = {one, other}, how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  number size[2] = {0, 0}, there[2] = {0, 0};
  for (int i = 0; i < 2; i++) {
    struct stat file;
    if (fstat(fds[i], &file) < 0 || !S_ISREG(file.st_mode)) continue;
    size[i] = (number)file.st_size;
    there[i] = (number)file.st_blocks * 512;
    if (there[i] > size[i]) there[i] = size[i];
  }
  *length = size[0] + size[1];
  if (there[0] + there[1] <= most) return 0;
  int more = there[1] > there[0];
  number excess = there[0] + there[1] - most + most / 16;
  if (excess > there[more]) excess = there[more];
  off_t end = (off_t)((size[more] - there[more] + excess) & ~4095ULL);
  return end == 0 || fallocate(fds[more], how, 0, end) == 0 ? 0 : errno;
}

int bind_at(const char *path, int type) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return errno = ENAMETOOLONG, -1;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  socklen_t length = (socklen_t)sizeof address;
  if (*path == '@') {
    *address.sun_path = 0;
    length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
  }
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) == 0) return fd;
  return close(fd), -1;
}

/* Descriptors that come along (FDSTORE) are not kept; closing that of BARRIER is its answer. */
bool receive_sign(int socket, char *text, size_t room, pid_t *from) {
  char aside[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(16 * sizeof(int))];
  struct iovec part = {text, room - 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = aside};
  message.msg_controllen = sizeof aside;
  ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return false;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
    struct ucred sender;
    int fds[16 + sizeof sender / sizeof(int)];
    size_t length = at->cmsg_len - CMSG_LEN(0);
    if (length > sizeof fds) continue;
    memcpy(fds, CMSG_DATA(at), length);
    if (at->cmsg_type == SCM_RIGHTS)
      for (size_t i = 0; i < length / sizeof *fds; i++) close(fds[i]);
    if (at->cmsg_type != SCM_CREDENTIALS) continue;
    memcpy(&sender, CMSG_DATA(at), sizeof sender);
    *from = sender.pid;
  }
  text[got] = 0;
  for (ssize_t i = 0; i < got; i++)
    if ((unsigned char)text[i] < ' ' && text[i] != '\n') text[i] = '?';
  return true;
}

/* sd_notify(3), and waits until it was taken: who is gone cannot be seen to belong to the run. */
int send_signs(char **fields) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  char text[4096] = "", aside[CMSG_SPACE(sizeof(int))] = "", *where = getenv("NOTIFY_SOCKET");
  size_t length = where ? strlen(where) : 0;
  int ends[2], fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (length == 0 || length >= sizeof to.sun_path || !*fields) return 2;
  memcpy(to.sun_path, where, length);
  if (*where == '@') *to.sun_path = 0;
  for (; *fields; fields++) {
    if (strlen(text) + strlen(*fields) + 2 > sizeof text) return 2;
    strcat(strcat(text, *fields), "\n");
  }
  struct iovec part = {text, strlen(text)};
  struct msghdr message = {.msg_name = &to, .msg_iov = &part, .msg_iovlen = 1};
  message.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  if (pipe2(ends, O_CLOEXEC) < 0 || sendmsg(fd, &message, MSG_NOSIGNAL) < 0) return 1;
  part = (struct iovec){"BARRIER=1", 9};
  message.msg_control = aside, message.msg_controllen = sizeof aside;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_len = CMSG_LEN(sizeof fd), header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  memcpy(CMSG_DATA(header), &ends[1], sizeof fd);
  if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) return 1;
  close(ends[1]);
  struct pollfd taken = {ends[0], 0, 0};
  return poll(&taken, 1, TAKEN_MS) == 1 ? 0 : 1;
}
