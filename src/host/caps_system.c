/* caps_system.c - probes of what stands around memory: other processes, control groups, pressure, input and output.
 *
 * Problem: these exist or are forbidden as a whole, by the kernel, an administrator or a container.
 * Idea: each is used once, on a child of the probe or on nothing, and its effect looked at.
 * Rejected: looking whether files exist (a container may show them and forbid their use).
 * Source: ptrace(2), process_madvise(2), cgroups(7), io_uring_setup(2), personality(2); accounting/psi.rst of Linux. */
#include "caps_probe.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GROUP_BYTES = 16 << 20, ADVICE_DONTNEED = 4 };

/* A process that waits to be looked at, and ends with us. */
static pid_t sleeper(void)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

/* Looks into its elder sibling: not a descendant, which would be allowed more. */
static int look_into(pid_t elder)
{
	char byte = 0, own = 'x';
	struct iovec to = { &byte, 1 }, from = { &own, 1 }; /* the same address in both, since both are our forks */
	pid_t younger = fork();
	int status = 0;
	if (younger == 0)
		_exit(process_vm_readv(elder, &to, 1, &from, 1, 0) == 1 ? 0 : errno);
	if (younger < 0 || waitpid(younger, &status, 0) != younger)
		return errno;
	if (WIFSIGNALED(status))
		raise(WTERMSIG(status)); /* what a sandbox does to it, it does to the probe */
	return WEXITSTATUS(status);
}

void probe_ptrace(struct cap_result *ret)
{
	pid_t elder = sleeper();
	int error = elder < 0 ? errno : look_into(elder);
	if (elder > 0) {
		kill(elder, SIGKILL);
		waitpid(elder, NULL, 0);
	}
	errno = error;
	if (error)
		cap_refused(ret, "memory of a process that is not our child");
	else
		cap_say(ret, CAP_YES, "memory of a process that is not our child was read");
}

void probe_process_madvise(struct cap_result *ret)
{
	size_t page = probe_page_bytes();
	char *p = probe_pages(3);
	struct iovec range[] = { { p, page }, { p + 2 * page, page } };
	memset(p, 1, 3 * page);
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	long n = fd < 0 ? -1 : syscall(SYS_process_madvise, fd, range, 2, ADVICE_DONTNEED, 0);
	if (n < 0)
		cap_refused(ret, fd < 0 ? "pidfd_open" : "process_madvise of our own pages");
	else if (n == (long)(2 * page) && p[0] == 0 && p[page] == 1 && p[2 * page] == 0)
		cap_say(ret, CAP_YES, "two ranges were given back, what lies between them stayed");
	else
		cap_say(ret, CAP_BROKEN, "%ld of %zu bytes were given back", n, 2 * page);
}

/* The file where a version of control groups counts the memory of ours. */
static const struct group_version {
	const char *line, *root, *file;   /* line: how its line in /proc/self/cgroup goes on after the number */
} group_version[] = {
	{ "::", "/sys/fs/cgroup", "memory.current" },
	{ ":memory:", "/sys/fs/cgroup/memory", "memory.usage_in_bytes" },
};

/* => false: it is not there, or may not be read. */
static bool own_group(const struct group_version *v, char *path, size_t size)
{
	char text[8192], bytes[64], *line;
	if (probe_file("/proc/self/cgroup", text, sizeof text) < 0 || !(line = strstr(text, v->line)))
		return false;
	line += strlen(v->line);
	line[strcspn(line, "\n")] = 0;
	/* In a container its own group may be mounted in the place of the whole tree. */
	for (int whole = 1; whole >= 0; whole--) {
		snprintf(path, size, "%s%s/%s", v->root, whole && strcmp(line, "/") ? line : "", v->file);
		if (probe_file(path, bytes, sizeof bytes) > 0)
			return true;
	}
	return false;
}

void probe_cgroup_memory(struct cap_result *ret)
{
	char path[8300], text[64];
	if (!own_group(&group_version[0], path, sizeof path) && !own_group(&group_version[1], path, sizeof path)) {
		cap_say(ret, CAP_NO, "no control group of ours shows its memory below /sys/fs/cgroup");
		return;
	}
	probe_file(path, text, sizeof text);
	long long before = strtoll(text, NULL, 10);
	char *p = probe_pages(GROUP_BYTES / probe_page_bytes());
	memset(p, 1, GROUP_BYTES);
	probe_file(path, text, sizeof text);
	long long more = strtoll(text, NULL, 10) - before;
	cap_say(ret, more >= GROUP_BYTES / 2 ? CAP_YES : CAP_BROKEN, "we took 16 MiB, and it grew by %.1f MiB", (double)more / (1 << 20));
}

void probe_psi(struct cap_result *ret)
{
	char text[512];
	if (probe_file("/proc/pressure/memory", text, sizeof text) <= 0)
		cap_refused(ret, "/proc/pressure/memory");
	else if (strstr(text, "some avg10=") && strstr(text, "total="))
		cap_say(ret, CAP_YES, "%.*s", (int)strcspn(text, "\n"), text);
	else
		cap_say(ret, CAP_BROKEN, "/proc/pressure/memory says nothing of memory");
}

void probe_io_uring(struct cap_result *ret)
{
	uint32_t params[30] = { 0 }; /* struct io_uring_params */
	long fd = syscall(SYS_io_uring_setup, 4, params);
	if (fd < 0)
		cap_refused(ret, "io_uring_setup");
	else
		cap_say(ret, params[0] >= 4 ? CAP_YES : CAP_BROKEN, "a queue of %u was made", params[0]);
}

/* The stack of a program is where it is by chance, unless that is switched off: two programs must agree. */
static bool stack_of(char *buf, size_t size)
{
	int fd[2], status;
	if (pipe2(fd, O_CLOEXEC))
		return false;
	pid_t child = fork();
	if (child == 0) {
		personality(ADDR_NO_RANDOMIZE);
		dup2(fd[1], STDOUT_FILENO);
		execlp("grep", "grep", "stack", "/proc/self/maps", (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	ssize_t n = read(fd[0], buf, size - 1);
	close(fd[0]);
	buf[n > 0 ? n : 0] = 0;
	return child > 0 && waitpid(child, &status, 0) == child && n > 12 && status == 0;
}

void probe_fixed_addresses(struct cap_result *ret)
{
	char one[256], two[256];
	int before = personality(0xffffffff);
	if (personality((unsigned long)before | ADDR_NO_RANDOMIZE) < 0)
		cap_refused(ret, "personality");
	else if (!stack_of(one, sizeof one) || !stack_of(two, sizeof two))
		cap_say(ret, CAP_UNTOLD, "it is accepted; no program could be started to see its effect");
	else if (strncmp(one + strcspn(one, "-"), two + strcspn(two, "-"), 13) == 0)
		cap_say(ret, CAP_YES, "two programs have their stack at the same place");
	else
		cap_say(ret, CAP_BROKEN, "it is accepted, and stacks are at different places");
}
