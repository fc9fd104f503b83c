/* shim_heap.c - malloc over paged memory.
 *
 * Problem: an allocator that keeps its books inside free blocks, as the C library's does, faults dead pages in to give memory back;
 * and the pager needs memory of its own that is never paged.
 * Idea: jemalloc, whose books lie apart from what it gives, with hooks that take its memory from the pager's arena and tell the pager
 * which pages nobody wants any more.  A pointer tells by its address who gave it: what lies outside the arena is the C library's.
 *
 * 1. Whoever is inside the pager (shim_deep) gets memory of the C library.  So does everybody before the pager stands, and so do the C
 *    library and the dynamic linker themselves: streams, locks and tables of theirs are touched between a fork and the moment at which
 *    the child's pager stands.
 * 2. The program has an arena of its own, with our hooks; jemalloc's books and the caches of threads are in its first arena, made by
 *    its own mmap, called inside (shim_deep), so they are never paged.
 * 3. free, realloc and malloc_usable_size take pointers of both.
 * Rejected: the C library's malloc over routed mmap (its books are in the blocks, and it takes memory by calls that cannot be
 * routed); an allocator of our own (jemalloc keeps what is asked of it: books apart, hooks, empty pages given back).
 * Source: jemalloc(3), "arena.<i>.extent_hooks". */
#include "shim.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <link.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Read by jemalloc before anything else.  Pages nobody wants go soon; large blocks have no arena of their own. */
extern const char *malloc_conf;
EXPORT const char *malloc_conf = "narenas:1,oversize_threshold:0,dirty_decay_ms:200,muzzy_decay_ms:0,metadata_thp:disabled,thp:never";
/* What experimental.arenas_create_ext of jemalloc 5.3 takes. */
struct arena_wish {
	extent_hooks_t *hooks;
	bool books_by_hooks;
};

/* The C library's own. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *p);

static bool heap_stands;
static unsigned heap_arena;
static _Thread_local bool heap_thread __attribute__((tls_model("initial-exec"))); /* allocates from the arena */

/* The C library and the dynamic linker, from their first to their last byte. */
static uint64_t libc_range[2], linker_range[2];

/* Is memory for this caller paged? */
static inline bool is_ours(const void *caller)
{
	uint64_t at = (uintptr_t)caller;
	return __builtin_expect(heap_stands, 1) && !shim_deep && !pager_range_has(libc_range, at) && !pager_range_has(linker_range, at);
}
#define CALLER __builtin_return_address(0)

/* ---- hooks ---- */

static void *extent_alloc(extent_hooks_t *hooks, void *at, size_t bytes, size_t align, bool *zero, bool *commit, unsigned arena)
{
	uint64_t got;
	(void)hooks, (void)arena;
	if (at || pager_map(shim_pager, 0, bytes, align, PROT_READ | PROT_WRITE, "heap", &got))
		return NULL;
	*zero = true;
	*commit = true;
	return (void *)(uintptr_t)got;
}

static bool extent_dalloc(extent_hooks_t *hooks, void *at, size_t bytes, bool committed, unsigned arena)
{
	(void)hooks, (void)committed, (void)arena;
	return pager_unmap(shim_pager, (uintptr_t)at, bytes) != PW_OK;
}

static void extent_destroy(extent_hooks_t *hooks, void *at, size_t bytes, bool committed, unsigned arena)
{
	(void)extent_dalloc(hooks, at, bytes, committed, arena);
}

/* Pages nobody wants: dropped, and never written. */
static bool extent_purge(extent_hooks_t *hooks, void *at, size_t bytes, size_t offset, size_t length, unsigned arena)
{
	(void)hooks, (void)bytes, (void)arena;
	return pager_advise(shim_pager, (uintptr_t)at + offset, length, MADV_DONTNEED) != PW_OK;
}

static bool extent_split(extent_hooks_t *hooks, void *at, size_t bytes, size_t a, size_t b, bool committed, unsigned arena)
{
	(void)hooks, (void)at, (void)bytes, (void)a, (void)b, (void)committed, (void)arena;
	return false;
}

static bool extent_merge(extent_hooks_t *hooks, void *a, size_t a_bytes, void *b, size_t b_bytes, bool committed, unsigned arena)
{
	(void)hooks, (void)a, (void)a_bytes, (void)b, (void)b_bytes, (void)committed, (void)arena;
	return false;
}

static extent_hooks_t hooks = {
	.alloc = extent_alloc, .dalloc = extent_dalloc, .destroy = extent_destroy, .purge_forced = extent_purge,
	.split = extent_split, .merge = extent_merge,
};

static int range_find(struct dl_phdr_info *info, size_t size, void *ctx)
{
	const char *name = strrchr(info->dlpi_name, '/');
	uint64_t *range = !name ? NULL : !strncmp(name, "/libc.so", 8) ? libc_range : !strncmp(name, "/ld-linux", 9) ? linker_range : NULL;
	(void)size, (void)ctx;
	for (unsigned i = 0; range && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD)
			continue;
		if (!range[0])
			range[0] = info->dlpi_addr + p->p_vaddr;
		range[1] = info->dlpi_addr + p->p_vaddr + p->p_memsz;
	}
	return 0;
}

bool shim_heap_begin(void)
{
	dl_iterate_phdr(range_find, NULL);
	if (!libc_range[1] || !linker_range[1])
		return false;
	struct arena_wish wish = { &hooks, false }, *at = &wish;
	size_t bytes = sizeof heap_arena;
	shim_deep++;
	heap_stands = mallctl("experimental.arenas_create_ext", &heap_arena, &bytes, at, sizeof *at) == 0;
	shim_deep--;
	return heap_stands;
}

/* ---- what the program calls ---- */

static void heap_thread_begin(void)
{
	heap_thread = true;
	mallctl("thread.arena", NULL, NULL, &heap_arena, sizeof heap_arena);
}

static void *heap_take(size_t bytes, int flags)
{
	shim_deep++;
	if (__builtin_expect(!heap_thread, 0))
		heap_thread_begin();
	void *p = mallocx(bytes ? bytes : 1, flags);
	shim_deep--;
	if (!p)
		errno = ENOMEM;
	return p;
}

static void *take(size_t bytes, const void *caller)
{
	return is_ours(caller) ? heap_take(bytes, 0) : __libc_malloc(bytes);
}

EXPORT void *malloc(size_t bytes)
{
	return take(bytes, CALLER);
}

EXPORT void *calloc(size_t n, size_t bytes)
{
	size_t total;
	if (!is_ours(CALLER))
		return __libc_calloc(n, bytes);
	if (__builtin_mul_overflow(n, bytes, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return heap_take(total, MALLOCX_ZERO);
}

EXPORT void free(void *p)
{
	int error = errno;
	if (!shim_has(p)) {
		__libc_free(p);
	} else {
		shim_deep++;
		dallocx(p, 0);
		shim_deep--;
	}
	errno = error;
}

EXPORT size_t malloc_usable_size(void *p)
{
	if (!p)
		return 0;
	if (shim_has(p))
		return sallocx(p, 0);
	/* The C library's word before the block: its size, with flags in the lowest bits. */
	size_t word = ((const size_t *)p)[-1];
	return (word & ~(size_t)7) - (word & 2 ? 2 : 1) * sizeof(size_t);
}

/* A block of the C library that grows while the program runs moves into the arena. */
static void *heap_adopt(void *p, size_t bytes)
{
	size_t had = malloc_usable_size(p);
	void *q = heap_take(bytes, 0);
	if (q) {
		memcpy(q, p, had < bytes ? had : bytes);
		__libc_free(p);
	}
	return q;
}

/* A block of the arena, by a caller that is to have it elsewhere: it stays where it is. */
static void *change(void *p, size_t bytes, const void *caller)
{
	if (!p)
		return take(bytes, caller);
	if (!shim_has(p))
		return is_ours(caller) && bytes ? heap_adopt(p, bytes) : __libc_realloc(p, bytes);
	if (!bytes) {
		free(p);
		return NULL;
	}
	shim_deep++;
	void *q = rallocx(p, bytes, 0);
	shim_deep--;
	if (!q)
		errno = ENOMEM;
	return q;
}

EXPORT void *realloc(void *p, size_t bytes)
{
	return change(p, bytes, CALLER);
}

EXPORT void *reallocarray(void *p, size_t n, size_t bytes)
{
	size_t total;
	if (__builtin_mul_overflow(n, bytes, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return change(p, total, CALLER);
}

static void *take_aligned(size_t align, size_t bytes, const void *caller)
{
	if (!is_ours(caller))
		return __libc_memalign(align, bytes);
	if (!align || align & (align - 1)) {
		errno = EINVAL;
		return NULL;
	}
	return heap_take(bytes, MALLOCX_ALIGN(align));
}

EXPORT void *memalign(size_t align, size_t bytes)
{
	return take_aligned(align, bytes, CALLER);
}

EXPORT void *aligned_alloc(size_t align, size_t bytes)
{
	return take_aligned(align, bytes, CALLER);
}

EXPORT int posix_memalign(void **ret, size_t align, size_t bytes)
{
	int error = errno;
	if (!align || align & (align - 1) || align % sizeof(void *))
		return EINVAL;
	void *p = take_aligned(align, bytes, CALLER);
	errno = error;
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

EXPORT void *valloc(size_t bytes)
{
	return take_aligned(PAGER_PAGE, bytes, CALLER);
}

void *pvalloc(size_t bytes); /* jemalloc.h does not declare it */
EXPORT void *pvalloc(size_t bytes)
{
	return take_aligned(PAGER_PAGE, (bytes + PAGER_PAGE - 1) & ~(size_t)(PAGER_PAGE - 1), CALLER);
}

/* Copies of the program's strings are its own memory, though the C library makes them. */
EXPORT char *strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = take(bytes, CALLER);
	return copy ? memcpy(copy, text, bytes) : NULL;
}

EXPORT char *strndup(const char *text, size_t most)
{
	size_t bytes = strnlen(text, most);
	char *copy = take(bytes + 1, CALLER);
	if (!copy)
		return NULL;
	copy[bytes] = 0;
	return memcpy(copy, text, bytes);
}
