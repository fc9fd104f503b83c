/* shim_pin.c - program and pager on one processor, and nobody the wiser.
 *
 * Problem: a fault that wakes another, idle processor costs twenty times as much as one that does not; but the program and what it
 * starts should see, and programs it starts should have, every processor they would have natively.
 * Idea: the process is kept on the processor where it started.  What it asks about is the set it had before; programs it starts get
 * that set back.
 *
 * 1. A program that chooses its processors itself is no longer kept anywhere. */
#include "shim.h"
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static cpu_set_t before, here;
static bool is_pinned;

void shim_pin(void)
{
	int cpu = sched_getcpu();
	CPU_ZERO(&before);
	if (cpu < 0 || cpu >= CPU_SETSIZE || syscall(SYS_sched_getaffinity, 0, sizeof before, &before) < 0)
		return;
	CPU_ZERO(&here);
	CPU_SET(cpu, &here);
	is_pinned = syscall(SYS_sched_setaffinity, 0, sizeof here, &here) == 0;
}

void shim_unpin(void)
{
	if (is_pinned)
		syscall(SYS_sched_setaffinity, 0, sizeof before, &before);
}

static void pin_again(void)
{
	if (is_pinned)
		syscall(SYS_sched_setaffinity, 0, sizeof here, &here);
}

EXPORT int sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set)
{
	long got = syscall(SYS_sched_getaffinity, pid, bytes < sizeof *set ? bytes : sizeof *set, set);
	if (got < 0)
		return -1;
	memset((char *)set + got, 0, bytes - (size_t)got);
	if (is_pinned && (size_t)got <= sizeof here && !memcmp(set, &here, (size_t)got))
		memcpy(set, &before, (size_t)got);
	return 0;
}

EXPORT int sched_setaffinity(pid_t pid, size_t bytes, const cpu_set_t *set)
{
	int result = (int)syscall(SYS_sched_setaffinity, pid, bytes, set);
	if (result == 0 && (pid == 0 || pid == getpid()))
		is_pinned = false;
	return result;
}

typedef int spawn_call(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                       char *const argv[], char *const envp[]);

static int spawn_unpinned(const char *name, pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                          const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	spawn_call *real = (spawn_call *)(uintptr_t)dlsym(RTLD_NEXT, name);
	if (!real)
		return ENOSYS;
	shim_unpin();
	int result = real(pid, file, actions, attributes, argv, envp);
	pin_again();
	return result;
}

EXPORT int posix_spawn(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                       char *const argv[], char *const envp[])
{
	return spawn_unpinned("posix_spawn", pid, file, actions, attributes, argv, envp);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                        char *const argv[], char *const envp[])
{
	return spawn_unpinned("posix_spawnp", pid, file, actions, attributes, argv, envp);
}
