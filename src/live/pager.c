/* pager.c - a kernel whose machine is this process.
 *
 * Problem: a program touches an address whose page is in a store.  Somebody has to notice, decide who leaves, fetch the page and let
 * the program go on, while other threads of it change mappings, and without ever touching a paged page itself.
 * Idea: one process of our kernel, one window of pmap_host; the window's page 0 lies at the arena's start, so an address of the
 * kernel is an address of the program less a constant.  One lock; threads that read faults (pager_serve.c).
 *
 *      program thread                       a server                               kernel, pmap_host
 *      touches a page ----- uffd ---------> lock, pmap_host_touch: known? -------> done
 *         |  sleeps                         process_fault ----------------------> victim out, page in: UFFDIO_COPY
 *         '<---- runs again, same CPU ----- unlock, read the next
 *      mmap, munmap, madvise -------------- lock, process_map ... -------------->  then the host's own mapping follows
 *
 * 1. The host's mappings allow an access only where the kernel's map does: a fault the kernel refuses is one of a mapping that has
 *    just changed, and ends in the host's own SIGSEGV when it is tried again.
 * 2. Rights are taken from the kernel first and from the host then, given to the host first: the pager reads pages that it still
 *    has to write out through the window.
 * 3. Under the lock nothing touches the arena but pages that are there, and no signal handler of the program runs on its holder.
 * 4. What is not mapped in the arena has no rights and is not registered; a fork that did not pass here inherits nothing of it and
 *    dies of SIGSEGV instead of reading zeros.
 * Rejected: the pager in another process (each fault would wake another CPU, which costs twenty times the fault); SIGBUS mode as the
 * only mode (system calls on paged memory fail with EFAULT).
 * Source: userfaultfd(2); docs/DECISIONS.md has the measurements. */
#include "pager_impl.h"
#include "../base/mem.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARENA_BITS = 42, ARENA_BITS_LEAST = 32, READ_RETRIES = 5, LOCK_TRIES = 400, MOVE_LEAST = 8 };
/* The first pages of an arena stay empty: the kernel places nothing there. */

const uint64_t *pager_range(const struct pager *p)
{
	return p->range;
}

/* ---- the lock ---- */

void pager_enter(struct pager *p)
{
	if (p->config.enter)
		p->config.enter(p->config.ctx);
}

void pager_leave(struct pager *p)
{
	if (p->config.leave)
		p->config.leave(p->config.ctx);
}

/* Among several servers it is held for microseconds; who slept meanwhile on an idle processor would take eighty to wake up. */
void pager_mutex_lock(struct pager *p)
{
	for (unsigned i = 0; __atomic_load_n(&p->n_serving, __ATOMIC_RELAXED) > 1 && i < LOCK_TRIES; i++) {
		if (pthread_mutex_trylock(&p->lock) == 0)
			return;
		for (unsigned k = 0; k < 8; k++)
			__builtin_ia32_pause();
	}
	pthread_mutex_lock(&p->lock);
}

void pager_lock(struct pager *p)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pager_mutex_lock(p);
	p->signals = before;
	pager_enter(p);
}

void pager_unlock(struct pager *p)
{
	sigset_t before = p->signals;
	pager_leave(p);
	pthread_mutex_unlock(&p->lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void pager_stop(struct pager *p, const char *format, const char *detail)
{
	char text[480];
	snprintf(text, sizeof text, format, detail);
	if (p->config.stop)
		p->config.stop(p->config.ctx, text);
	fprintf(stderr, "pageworks: %s\n", text);
	kill(getpid(), SIGKILL);
}

/* What the host refused makes memory unsafe to go on with. */
void pager_check(struct pager *p)
{
	const char *broken = pmap_host_broken(p->pmap);
	if (broken)
		pager_stop(p, "the program was stopped: %s", broken);
}

/* ---- the arena ---- */

static enum pw_err arena_reserve(struct pager *p, struct pw_why *why)
{
	for (unsigned bits = ARENA_BITS; bits >= ARENA_BITS_LEAST; bits -= 2) {
		uint64_t bytes = 1ull << bits;
		long at = syscall(SYS_mmap, NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (at < 0 && at > -4096)
			continue;
		if (syscall(SYS_madvise, at, bytes, MADV_DONTFORK) == 0 && syscall(SYS_madvise, at, bytes, MADV_NOHUGEPAGE) == 0) {
			p->range[0] = (uint64_t)at;
			p->range[1] = (uint64_t)at + bytes;
			return PW_OK;
		}
		syscall(SYS_munmap, at, bytes);
	}
	return pw_fail(why, PW_NOMEM, "no room for %llu GiB of addresses: is there a limit (ulimit -v)?", 1ull << (ARENA_BITS_LEAST - 30));
}

/* What lies in the range is nobody's: no rights, not registered, as at first. */
static void arena_clear(struct pager *p, uint64_t at, uint64_t bytes)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	if (syscall(SYS_mmap, at, bytes, PROT_NONE, flags, -1, 0) != (long)at || syscall(SYS_madvise, at, bytes, MADV_DONTFORK) ||
	    syscall(SYS_madvise, at, bytes, MADV_NOHUGEPAGE))
		pager_stop(p, "the program was stopped: the host would not take memory back: %s", strerror(errno));
}

static enum pw_err arena_open(struct pager *p, uint64_t at, uint64_t bytes, int prot)
{
	if (syscall(SYS_mprotect, at, bytes, prot))
		return errno == ENOMEM ? PW_NOMEM : PW_INVALID;
	return uffd_register(&p->uffd, at, bytes);
}

static unsigned rights_of(int prot)
{
	return (prot & (PROT_READ | PROT_EXEC) ? PMAP_READ : 0) | (prot & PROT_WRITE ? PMAP_READ | PMAP_WRITE : 0) |
	       (prot & PROT_EXEC ? PMAP_EXEC : 0);
}

static uint64_t mapped_bytes(const struct pager *p)
{
	struct process_info info;
	process_describe(p->process, &info);
	return info.mapped_bytes;
}

/* A place that is aligned: more is mapped than asked for, and the ends go. */
static enum pw_err kernel_map(struct pager *p, const struct process_mapping *m, uint64_t align, vaddr_t *ret)
{
	struct process_mapping larger = *m;
	if (align <= PAGER_PAGE || m->fixed)
		return process_map(p->process, m, ret);
	larger.bytes += align - PAGER_PAGE;
	enum pw_err err = process_map(p->process, &larger, ret);
	if (err)
		return err;
	uint64_t first = (outside(p, *ret) + align - 1) & ~(align - 1), before = first - outside(p, *ret);
	if (before)
		err = process_unmap(p->process, *ret, before);
	if (!err && larger.bytes > before + m->bytes)
		err = process_unmap(p->process, vaddr_add(*ret, before + m->bytes), larger.bytes - before - m->bytes);
	*ret = inside(p, first);
	return err;
}

static enum pw_err map_locked(struct pager *p, const struct process_mapping *m, uint64_t align, int prot, uint64_t *ret)
{
	vaddr_t at;
	enum pw_err err = kernel_map(p, m, align, &at);
	if (err)
		return err;
	*ret = outside(p, at);
	if (m->fixed) {
		pmap_host_flush(p->pmap);
		arena_clear(p, *ret, m->bytes);
	}
	err = arena_open(p, *ret, m->bytes, prot);
	if (err) {
		enum pw_err gone = process_unmap(p->process, at, m->bytes);
		(void)gone; /* what was just mapped can be unmapped */
		arena_clear(p, *ret, m->bytes);
	} else {
		pager_protect_named(p, *ret, m->bytes, m->name);
	}
	return err;
}

enum pw_err pager_map(struct pager *p, uint64_t at, uint64_t bytes, uint64_t align, int prot, const char *name, uint64_t *ret)
{
	struct process_mapping m = {
		.start = at ? inside(p, at) : vaddr(0), .bytes = whole_pages(bytes), .prot = rights_of(prot), .fixed = at != 0,
		.anonymous = true, .name = name,
	};
	if (!bytes || bytes > p->range[1] - p->range[0] || align > 1ull << 40 || at & (PAGER_PAGE - 1))
		return PW_INVALID;
	pager_lock(p);
	enum pw_err err = map_locked(p, &m, align, prot, ret);
	p->mapped_bytes = mapped_bytes(p);
	pager_check(p);
	pager_unlock(p);
	return err;
}

enum pw_err pager_map_file(struct pager *p, uint64_t file_id, uint64_t bytes, int prot, uint64_t *ret)
{
	struct process_mapping m = {
		.bytes = whole_pages(bytes), .prot = rights_of(prot), .shared = true, .file_id = file_id, .file_bytes = bytes,
		        .name = "file",
	};
	if (!bytes || bytes > p->range[1] - p->range[0])
		return PW_INVALID;
	pager_lock(p);
	enum pw_err err = map_locked(p, &m, 0, prot, ret);
	p->mapped_bytes = mapped_bytes(p);
	pager_check(p);
	pager_unlock(p);
	return err;
}

enum pw_err pager_unmap(struct pager *p, uint64_t at, uint64_t bytes)
{
	pager_lock(p);
	enum pw_err err = process_unmap(p->process, inside(p, at), whole_pages(bytes));
	if (!err) {
		pmap_host_flush(p->pmap);
		arena_clear(p, at, whole_pages(bytes));
		p->mapped_bytes = mapped_bytes(p);
	}
	pager_check(p);
	pager_unlock(p);
	return err;
}

enum pw_err pager_protect(struct pager *p, uint64_t at, uint64_t bytes, int prot)
{
	pager_lock(p);
	enum pw_err err = process_protect(p->process, inside(p, at), whole_pages(bytes), rights_of(prot));
	pmap_host_flush(p->pmap);
	if (!err && syscall(SYS_mprotect, at, whole_pages(bytes), prot))
		err = errno == ENOMEM ? PW_NOMEM : PW_INVALID;
	pager_check(p);
	pager_unlock(p);
	return err;
}

enum pw_err pager_advise(struct pager *p, uint64_t at, uint64_t bytes, int advice)
{
	pager_lock(p);
	enum pw_err err = p->config.protect ? pager_protect_advise(p, inside(p, at), bytes, advice)
	                                    : process_advise(p->process, inside(p, at), bytes, advice);
	if (advice == MADV_DONTNEED || advice == MADV_REMOVE)
		pmap_host_flush(p->pmap); /* reading on would show the old bytes */
	pager_check(p);
	pager_unlock(p);
	return err;
}

/* The host's side of a mapping that moved or changed its size: rights and registration as the map has them now. */
static enum pw_err arena_follow(struct pager *p, uint64_t at, uint64_t bytes)
{
	for (uint64_t done = 0; done < bytes;) {
		struct mapping_info m;
		if (!process_mapping_at(p->process, inside(p, at + done), &m))
			return PW_NOTMAPPED;
		uint64_t end = outside(p, m.start) + m.bytes, part = (end < at + bytes ? end : at + bytes) - (at + done);
		int prot = (m.prot & PMAP_READ ? PROT_READ : 0) | (m.prot & PMAP_WRITE ? PROT_WRITE : 0) | (m.prot & PMAP_EXEC ? PROT_EXEC : 0);
		enum pw_err err = arena_open(p, at + done, part, prot);
		if (err)
			return err;
		done += part;
	}
	return PW_OK;
}

static enum pw_err remap_here(struct pager *p, uint64_t at, uint64_t bytes, uint64_t to_bytes)
{
	if (to_bytes > p->range[1] - at)
		return PW_NOSPACE;
	enum pw_err err = process_remap(p->process, inside(p, at), bytes, inside(p, at), to_bytes);
	if (err)
		return err;
	pmap_host_flush(p->pmap);
	if (to_bytes > bytes)
		return arena_follow(p, at + bytes, to_bytes - bytes);
	if (to_bytes < bytes)
		arena_clear(p, at + to_bytes, bytes - to_bytes);
	return PW_OK;
}

static enum pw_err remap_there(struct pager *p, uint64_t at, uint64_t bytes, uint64_t to_bytes, uint64_t to)
{
	enum pw_err err = arena_open(p, to, to_bytes, PROT_READ | PROT_WRITE); /* pages are entered there while they move */
	if (!err)
		err = process_remap(p->process, inside(p, at), bytes, inside(p, to), to_bytes);
	if (err)
		return err;
	pmap_host_flush(p->pmap);
	err = arena_follow(p, to, to_bytes);
	arena_clear(p, at, bytes);
	return err;
}

/* A free place for it, found by mapping there. */
static enum pw_err place_find(struct pager *p, uint64_t bytes, uint64_t *ret)
{
	vaddr_t at;
	struct process_mapping m = { .bytes = bytes, .prot = PMAP_READ | PMAP_WRITE, .anonymous = true, .name = "" };
	enum pw_err err = process_map(p->process, &m, &at);
	*ret = err ? 0 : outside(p, at);
	return err;
}

enum pw_err pager_remap(struct pager *p, uint64_t at, uint64_t bytes, uint64_t to_bytes, uint64_t to, bool may_move,
                        uint64_t *ret)
{
	bytes = whole_pages(bytes);
	to_bytes = whole_pages(to_bytes);
	pager_lock(p);
	enum pw_err err = to ? PW_NOSPACE : remap_here(p, at, bytes, to_bytes);
	*ret = at;
	if (err == PW_NOSPACE && (may_move || to)) {
		*ret = to;
		err = to ? PW_OK : place_find(p, to_bytes, ret);
		if (!err)
			err = remap_there(p, at, bytes, to_bytes, *ret);
	}
	if (!err)
		pager_protect_again(p, *ret, to_bytes);
	p->mapped_bytes = mapped_bytes(p);
	pager_check(p);
	pager_unlock(p);
	return err;
}

/* ---- pages that the store takes ---- */

static bool memory_claim(void *ctx, void *at, size_t bytes)
{
	const struct pager *p = ctx;
	return uffd_claim(&p->uffd, (uintptr_t)at, bytes) == PW_OK;
}

/* What cannot be moved is copied.  A page that is there although it was given back is one of memory that the program has locked. */
static void pages_copy(struct pager *p, uint64_t to, uint64_t from, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += PAGER_PAGE) {
		enum pw_err err = uffd_copy(&p->uffd, to + at, (const void *)(uintptr_t)(from + at), PAGER_PAGE, UFFD_QUIET);
		if (err == PW_EXISTS)
			memcpy((void *)(uintptr_t)(to + at), (const void *)(uintptr_t)(from + at), PAGER_PAGE);
		else if (err)
			pager_stop(p, "the program was stopped: the host has no memory for the store: %s", pw_err_text(err));
	}
}

/* Pages that leave together lie together, if the program touched them so. */
static void memory_fill(void *ctx, void *to, uint32_t n, const void *const pages[])
{
	struct pager *p = ctx;
	for (uint32_t i = 0, count; i < n; i += count) {
		uint64_t from = (uintptr_t)pages[i], there = (uintptr_t)to + (uint64_t)i * PAGER_PAGE;
		for (count = 1; i + count < n && (uintptr_t)pages[i + count] == from + (uint64_t)count * PAGER_PAGE;)
			count++;
		uint64_t moved = count < MOVE_LEAST ? 0 : uffd_move(&p->uffd, there, from, (uint64_t)count * PAGER_PAGE);
		pages_copy(p, there + moved, from + moved, (uint64_t)count * PAGER_PAGE - moved);
	}
}

static void swap_lend(struct pager *p, struct store *s)
{
	const struct store_memory memory = { .ctx = p, .claim = memory_claim, .fill = memory_fill };
	if (s)
		store_lend(s, &memory);
}

/* ---- life ---- */

static enum pw_err kernel_make(struct pager *p, struct pw_why *why)
{
	const struct pager_config *c = &p->config;
	if (c->ram_bytes < PAGER_RAM_LEAST)
		return pw_fail(why, PW_INVALID, "%llu bytes of memory are too few: 64K is the least", (unsigned long long)c->ram_bytes);
	enum pw_err err = pmap_host_create(c->ram_most / PAGER_PAGE + 1, &p->uffd, &p->pmap);
	if (err)
		return pw_fail(why, err, "%s", pw_err_text(err));
	unsigned bits = 63u - (unsigned)__builtin_clzll(p->range[1] - p->range[0]);
	const struct kernel_config k = {
		.pmap = p->pmap, .carries_data = true, .n_frames = c->ram_most / PAGER_PAGE + 1,
		.page_frames = pager_frames_of(p, c->ram_bytes), .page_shift = 12, .personality = c->personality,
		.policy = c->policy, .policy_params = c->params, .va_bits = bits, .swap = c->swap, .cost = &cost_default, .seed = c->seed,
		.ahead = c->ahead ? c->ahead : 1, .slots_stay = true, .read_retries = READ_RETRIES, .files = c->files,
	};
	err = kernel_create(&k, &p->kernel, why);
	if (!err)
		err = process_create(p->kernel, 1, "", &p->process);
	if (!err)
		pmap_host_window(process_pmap(p->process), p->range[0]);
	if (!err)
		pager_protect_limit(p, c->ram_bytes);
	return err;
}

static void pager_free(struct pager *p)
{
	kernel_destroy(p->kernel);
	if (p->config.swap)
		store_lend(p->config.swap, NULL);
	if (p->pmap)
		pmap_sys_destroy(p->pmap);
	if (p->range[1])
		syscall(SYS_munmap, p->range[0], p->range[1] - p->range[0]);
	uffd_close(&p->uffd);
	mem_free(p);
}

enum pw_err pager_open(const struct pager_config *c, struct pager **ret, struct pw_why *why)
{
	struct pager *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return pw_fail(why, PW_NOMEM, "%s", pw_err_text(PW_NOMEM));
	p->config = *c;
	p->ram_bytes = p->ram_peak_bytes = c->ram_bytes;
	p->uffd = (struct uffd){ -1, -1 };
	pthread_mutex_init(&p->lock, NULL);
	enum pw_err err = uffd_open(&p->uffd, why);
	if (!err)
		err = arena_reserve(p, why);
	if (!err)
		err = kernel_make(p, why);
	if (!err)
		swap_lend(p, c->swap);
	if (!err && !pager_serve(p))
		err = pw_fail(why, PW_NOMEM, "the pager's thread could not be started");
	if (err)
		pager_free(p);
	else
		*ret = p;
	return err;
}

/* ---- fork ---- */

/* What is in a file is the parent's: the child gets a copy, made while nothing moves. */
static void fork_swap_copy(struct pager *p)
{
	p->child_why = (struct pw_why){ "" };
	p->child_swap = NULL;
	if (!p->config.another || p->config.another(p->config.ctx, &p->child_swap, &p->child_why))
		return;
	if (kernel_swap_copy(p->kernel, p->child_swap, &p->child_why)) {
		store_close(p->child_swap);
		p->child_swap = NULL;
	}
}

void pager_fork_prepare(struct pager *p)
{
	pager_lock(p);
	pmap_host_flush(p->pmap);
	fork_swap_copy(p);
	syscall(SYS_madvise, p->range[0], p->range[1] - p->range[0], MADV_DOFORK);
}

void pager_fork_parent(struct pager *p)
{
	syscall(SYS_madvise, p->range[0], p->range[1] - p->range[0], MADV_DONTFORK);
	store_close(p->child_swap);
	p->child_swap = NULL;
	pager_unlock(p);
}

/* Every mapping is registered with the child's own descriptor, and what is there write-protected. */
static void map_inherit(void *ctx, const struct mapping_info *m)
{
	struct pager *p = ctx;
	uint64_t at = outside(p, m->start);
	if (!m->alive)
		return;
	if (uffd_register(&p->uffd, at, m->bytes) || uffd_protect(&p->uffd, at, m->bytes, true))
		pager_stop(p, "the child of a fork was stopped: %s", "its memory could not be registered with userfaultfd");
}

void pager_fork_child(struct pager *p)
{
	struct pw_why why = { "" };
	if (p->config.another && !p->child_swap)
		pager_stop(p, "the child of a fork was stopped: it has no swap of its own: %s", p->child_why.text);
	if (p->child_swap) {
		kernel_swap_change(p->kernel, p->child_swap);
		p->config.swap = p->child_swap;
	}
	p->child_swap = NULL;
	uffd_close(&p->uffd);
	if (uffd_open(&p->uffd, &why))
		pager_stop(p, "the child of a fork was stopped: %s", why.text);
	pmap_host_rebind(p->pmap, &p->uffd);
	swap_lend(p, p->config.swap);
	syscall(SYS_madvise, p->range[0], p->range[1] - p->range[0], MADV_DONTFORK);
	kernel_mappings(p->kernel, map_inherit, p);
	pmap_host_is_protected(process_pmap(p->process));
	pager_unlock(p);
	pthread_mutex_init(&p->lock, NULL);
	if (!pager_serve(p))
		pager_stop(p, "the child of a fork was stopped: %s", "the pager's thread could not be started");
}

void pager_close(struct pager *p)
{
	pager_serve_no_more(p);
	pager_free(p);
}
