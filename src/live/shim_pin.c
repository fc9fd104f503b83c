/* shim_pin.c - program and pager on one processor, and nobody the wiser.
 *
 * Problem: a fault that wakes another, idle processor costs twenty times as much as one that does not; but the program and what it
 * starts should see, and programs it starts should have, every processor they would have natively.
 * Idea: the process is kept on the processor where it started.  What it asks about is the set it had before; programs it starts get
 * that set back; children of forks are dealt to the processors in turn.  When several of its threads want to run, the command gives it
 * the whole set (spread.c).
 *
 * 1. A program that chooses its processors itself is no longer kept anywhere. */
#include "shim.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
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
	if (!is_pinned || shim_board->pid != getpid())
		return;
	shim_board->pin.before = before;
	shim_board->pin.here = here;
	shim_board->pin.state = BOARD_PIN_NARROW;
}

void shim_pin_child(unsigned number)
{
	unsigned n = (unsigned)CPU_COUNT(&before);
	if (!is_pinned || !n)
		return;
	int cpu = 0;
	for (unsigned skip = number % n; skip || !CPU_ISSET(cpu, &before); cpu++)
		skip -= CPU_ISSET(cpu, &before) != 0;
	CPU_ZERO(&here);
	CPU_SET(cpu, &here);
	is_pinned = syscall(SYS_sched_setaffinity, 0, sizeof here, &here) == 0;
}

/* Has the command given us the whole set for now? */
static bool is_wide(void)
{
	return shim_board->pid == getpid() && shim_board->pin.state == BOARD_PIN_WIDE;
}

void shim_unpin(void)
{
	if (is_pinned)
		syscall(SYS_sched_setaffinity, 0, sizeof before, &before);
}

/* The processor it is on: the command moves the first process. */
static const cpu_set_t *here_now(void)
{
	return shim_board->pid == getpid() ? &shim_board->pin.here : &here;
}

static void pin_again(void)
{
	if (is_pinned && !is_wide())
		syscall(SYS_sched_setaffinity, 0, sizeof here, here_now());
}

/* What a thread is told of its processors: those it would have. */
static void set_pretend(cpu_set_t *set, size_t bytes)
{
	if (is_pinned && bytes <= sizeof here && !memcmp(set, here_now(), bytes))
		memcpy(set, &before, bytes);
}

/* The program chooses for itself, for one of its threads at least: the others stay where they are. */
static void set_chosen(const cpu_set_t *set, size_t bytes)
{
	cpu_set_t chosen;
	if (!shim_board)
		return;
	CPU_ZERO(&chosen);
	memcpy(&chosen, set, bytes < sizeof chosen ? bytes : sizeof chosen);
	CPU_OR(&here, here_now(), &chosen);
	is_pinned = false;
	if (shim_board->pid != getpid())
		return;
	shim_board->pin.here = here;
	shim_board->pin.state = BOARD_PIN_NONE;
	board_turn(&shim_board->pin);
}

void shim_where(void *ctx, cpu_set_t *ret)
{
	(void)ctx;
	*ret = is_wide() ? before : *here_now();
}

EXPORT int sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set)
{
	long got = syscall(SYS_sched_getaffinity, pid, bytes < sizeof *set ? bytes : sizeof *set, set);
	if (got < 0)
		return -1;
	memset((char *)set + got, 0, bytes - (size_t)got);
	set_pretend(set, (size_t)got);
	return 0;
}

typedef int thread_call(pthread_t thread, size_t bytes, cpu_set_t *set);

static int thread_real(const char *name, pthread_t thread, size_t bytes, cpu_set_t *set)
{
	thread_call *real = (thread_call *)(uintptr_t)dlsym(RTLD_NEXT, name);
	return real ? real(thread, bytes, set) : ENOSYS;
}

EXPORT int pthread_getaffinity_np(pthread_t thread, size_t bytes, cpu_set_t *set)
{
	int error = thread_real("pthread_getaffinity_np", thread, bytes, set);
	if (!error)
		set_pretend(set, bytes);
	return error;
}

EXPORT int pthread_setaffinity_np(pthread_t thread, size_t bytes, const cpu_set_t *set)
{
	int error = thread_real("pthread_setaffinity_np", thread, bytes, (cpu_set_t *)(uintptr_t)set);
	if (!error)
		set_chosen(set, bytes);
	return error;
}

EXPORT int sched_setaffinity(pid_t pid, size_t bytes, const cpu_set_t *set)
{
	int result = (int)syscall(SYS_sched_setaffinity, pid, bytes, set);
	if (result == 0 && (pid == 0 || pid == getpid()))
		set_chosen(set, bytes);
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
