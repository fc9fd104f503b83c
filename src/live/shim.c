/* shim.c - the preloaded library: from its loading to the program's end.
 *
 * Problem: a program that knows nothing of pageworks is to have a pager inside, and to notice nothing: not in its environment, not in
 * its descriptors, not in its children.
 * Idea: a constructor reads its orders from the shared page that the environment names, takes its own marks out of the environment,
 * and starts a pager; a destructor leaves the figures.  fork is followed through the C library's own hooks, so that every
 * way to fork that it knows is.
 *
 * 1. Without orders, or in a child that is not to be followed, the library does nothing.
 * 2. The library is initialised before all others (-z initfirst): so its part of a fork is the last before and the first behind, and
 *    no other hook runs in a child whose memory is not there yet.
 * 3. Whatever goes wrong while starting ends the program before its first instruction, with one line.
 * Rejected: wrapping fork(2) alone (daemon(3), forkpty(3) call it inside the C library). */
#include "shim.h"
#include "../store/store.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct pager *shim_pager;
uint64_t shim_range[2];
struct board *shim_board;
_Thread_local unsigned shim_deep;
static struct store *shim_swap;

static void deep_enter(void *ctx)
{
	(void)ctx;
	shim_deep++;
}

static void deep_leave(void *ctx)
{
	(void)ctx;
	shim_deep--;
}

/* The last words, for the command to print, and the end. */
static void shim_stop(void *ctx, const char *text)
{
	(void)ctx;
	snprintf(shim_board->why, sizeof shim_board->why, "%s", text);
	shim_board->state = BOARD_STOPPED;
	syscall(SYS_kill, getpid(), SIGKILL);
}

/* What has happened in this process since the last time.  A child begins with the counts of its parent, which are not its own. */
static void others_add(const struct kernel_counts *k, bool is_new)
{
	static struct board_others told;
	const struct board_others now = { k->faults.total, k->evicted, k->written_back, k->swap_reads, k->swap_writes };
#define X(name) \
	if (!is_new) \
		__atomic_fetch_add(&shim_board->others.name, now.name - told.name, __ATOMIC_RELAXED);
	BOARD_OTHERS_LIST(X)
#undef X
	told = now;
}

/* The first process has all its figures there, the others their sums. */
static void shim_served(void *ctx)
{
	struct board *b = shim_board;
	struct pager_counts c;
	(void)ctx;
	pager_counts_locked(shim_pager, &c);
	if (b->pid != getpid()) {
		others_add(&c.kernel, false);
		return;
	}
	b->kernel = c.kernel;
	b->host = c.host;
	b->ram_bytes = c.ram_bytes;
	b->ram_peak_bytes = c.ram_peak_bytes;
	b->managed_bytes = c.mapped_bytes;
	b->faults_ns = c.faults_ns;
	b->faults_mixed = c.faults_mixed;
	b->protected_bytes = c.protected_bytes;
	b->refused_bytes = c.refused_bytes;
}

void shim_board_write(void)
{
	pager_tell(shim_pager);
	if (shim_board->pid == getpid())
		store_stats(shim_swap, &shim_board->store);
}

static void board_add_mapping(void *ctx, const struct mapping_info *m)
{
	struct board *b = ctx;
	uint32_t i = 0;
	if (!m->alive && !m->faults.total)
		return;
	while (i < b->n_mappings && i < BOARD_MAPPINGS - 1 && strncmp(b->mapping[i].name, m->name, sizeof b->mapping[i].name - 1) != 0)
		i++;
	struct board_mapping *to = &b->mapping[i];
	if (i == b->n_mappings) {
		b->n_mappings++;
		snprintf(to->name, sizeof to->name, "%s", i < BOARD_MAPPINGS - 1 ? m->name : "others");
	}
	to->bytes += m->alive ? m->bytes : 0;
	to->resident_pages += m->resident_pages;
	fault_counts_add(&to->faults, &m->faults);
	to->is_protected |= m->locked;
}

/* The value of a variable, NULL: it is not there.  The C library does not know the environment yet. */
static char *variable_find(char **envp, const char *name, unsigned *ret_at)
{
	size_t n = strlen(name);
	for (*ret_at = 0; envp[*ret_at]; ++*ret_at) {
		char *text = envp[*ret_at];
		if (!strncmp(text, name, n) && text[n] == '=')
			return text + n + 1;
	}
	return NULL;
}

static void variable_remove(char **envp, const char *name)
{
	unsigned at;
	if (!variable_find(envp, name, &at))
		return;
	for (; envp[at]; at++)
		envp[at] = envp[at + 1];
}

/* The page of orders, if this process is the one that is meant. */
static struct board *board_open(char **envp)
{
	unsigned at;
	const char *path = variable_find(envp, BOARD_VARIABLE, &at);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return NULL;
	struct board *b = (void *)syscall(SYS_mmap, NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (b == MAP_FAILED || b->magic != BOARD_MAGIC)
		return NULL;
	return b->pid == getpid() || b->orders.follow ? b : NULL;
}

/* The environment as the program is to see it. */
static void environment_clean(const struct board *b, char **envp)
{
	unsigned at;
	char *preload = variable_find(envp, "LD_PRELOAD", &at);
	if (b->orders.follow)
		return;
	variable_remove(envp, BOARD_VARIABLE);
	if (!b->orders.preload_was_set)
		variable_remove(envp, "LD_PRELOAD");
	else if (preload)
		memmove(preload, b->orders.preload_before, strlen(b->orders.preload_before) + 1); /* the end of what is there */
}

static enum pw_err swap_open(void *ctx, struct store **ret, struct pw_why *why)
{
	const struct board_orders *o = &shim_board->orders;
	(void)ctx;
	return store_open(o->swap, PAGER_PAGE, o->slots ? o->slots : UINT64_MAX, ret, why);
}

static enum pw_err pager_start(struct pw_why *why)
{
	const struct board_orders *o = &shim_board->orders;
	struct pager_config c = {
		.ram_bytes = o->ram_bytes, .ram_most = (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGER_PAGE,
		.personality = (enum personality)o->personality, .ahead = o->ahead, .seed = o->seed, .stop = shim_stop,
		.protect = *o->protect ? o->protect : NULL, .enter = deep_enter, .leave = deep_leave, .served = shim_served,
	};
	if (o->pin) {
		c.where = shim_where;
		c.turn = &shim_board->pin.turn;
	}
	if (c.ram_most < c.ram_bytes)
		c.ram_most = c.ram_bytes;
	enum pw_err err = policy_parse(o->policy, &c.policy, &c.params, why);
	if (!err)
		err = swap_open(NULL, &c.swap, why);
	shim_swap = c.swap;
	if (strstr(o->swap, "file"))
		c.another = swap_open;
	return err ? err : pager_open(&c, &shim_pager, why);
}

static void fork_prepare(void) { pager_fork_prepare(shim_pager); }
static void fork_parent(void) { pager_fork_parent(shim_pager); }
static void fork_child(void)
{
	shim_pin_child((unsigned)__atomic_fetch_add(&shim_board->processes, 1, __ATOMIC_RELAXED));
	pager_fork_child(shim_pager);
	struct pager_counts c;
	pager_counts(shim_pager, &c);
	others_add(&c.kernel, true);
	if (!shim_attend())
		shim_stop(NULL, "the child of a fork was stopped: no thread could be started in it");
}

__attribute__((constructor)) static void shim_begin(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv;
	struct pw_why why = { "" };
	shim_deep++;
	shim_board = board_open(envp);
	if (shim_board) {
		environment_clean(shim_board, envp);
		if (shim_board->orders.pin)
			shim_pin();
		enum pw_err err = pager_start(&why);
		if (err)
			shim_stop(NULL, *why.text ? why.text : pw_err_text(err));
		memcpy(shim_range, pager_range(shim_pager), sizeof shim_range);
		__atomic_fetch_add(&shim_board->processes, shim_board->pid != getpid() || !shim_board->processes, __ATOMIC_RELAXED);
		shim_board->state = BOARD_PAGING;
		pthread_atfork(fork_prepare, fork_parent, fork_child);
		if (!shim_attend())
			shim_stop(NULL, "a thread that listens to wishes could not be started");
	}
	shim_deep--;
	if (shim_board && !shim_heap_begin())
		shim_stop(NULL, "the allocator could not be given paged memory");
}

__attribute__((destructor)) static void shim_end(void)
{
	if (!shim_pager)
		return;
	shim_board_write();
	if (shim_board->pid != getpid())
		return;
	shim_board->n_mappings = 0;
	memset(shim_board->mapping, 0, sizeof shim_board->mapping);
	pager_mappings(shim_pager, board_add_mapping, shim_board);
	const char *flaw = pager_flaw(shim_pager);
	snprintf(shim_board->flaw, sizeof shim_board->flaw, "%s", flaw ? flaw : "");
}
