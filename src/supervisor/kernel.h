/* What kernel.c offers to the shim; each is described there where its name does not. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef unsigned long long number;

number now_ns(clockid_t clock);
bool take_number(const char **text, char end, number *value);
/* Opened below the directory, written in one piece; errno tells why not. */
bool write_file(int directory, const char *path, const char *text);
/* The bytes are durable under the name, or errno tells why not. */
bool keep_file(int directory, const char *temporary, const char *name, const char *text);
/* 0: unknown. */
number stat_field(pid_t pid, int wanted);
/* How a process that has ended did, as wait(2) has it, whosever child it was; -1: unknown. */
int status_of(int pidfd, pid_t pid);
bool is_below(pid_t pid, pid_t ancestor);
void kill_children(void);
/* 0 or the errno; `length`: of both together. */
int bound_logs(int one, int other, number most, number *length);
/* A socket at a path, which is the caller's to remove, or at an abstract name (`@…`). */
int bind_at(const char *path, int type);
/* False: there is none. Text that ends, and holds no control character but the newline. */
bool receive_sign(int socket, char *text, size_t room, pid_t *from);
/* An exit code. */
int send_signs(char **fields);
