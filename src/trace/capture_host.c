/* capture_host.c - what the kernel of this computer says of a process.
 *
 * Problem: the process is not our child, so we cannot wait for it, and its number may soon be another's.
 * Idea: a process descriptor where the kernel has them, signal 0 where not; and /proc shows the status of a zombie. */
#include "capture_host.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int host_open(pid_t pid)
{
#ifdef SYS_pidfd_open
	return syscall(SYS_pidfd_open, pid, 0);
#else
	return -1;
#endif
}

bool host_is_dead(int pidfd, pid_t pid)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
	if (pidfd >= 0)
		return poll(&poll_fd, 1, 0) == 1;
	return kill(pid, 0) < 0 && errno == ESRCH;
}

int host_zombie_status(pid_t pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return -1;
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = 0;
	char *p = strrchr(text, ')'); /* the name before it may hold anything */
	char *last = strrchr(text, ' ');
	return p && last && p[1] == ' ' && p[2] == 'Z' ? (int)strtol(last + 1, NULL, 10) : -1;
}
