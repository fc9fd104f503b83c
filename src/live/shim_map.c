/* shim_map.c - the program's own mmap and its kin.
 *
 * Problem: allocators of programs (python's, redis's, a JIT's) take memory by mmap; large anonymous mappings of theirs are what there
 * is to page.  Everything else must reach the host untouched.
 * Idea: a private anonymous mapping that is large enough comes from the arena; a call about addresses inside the arena goes to the
 * pager, all others are made as they are.
 *
 * 1. A range partly inside the arena does not exist: a range of the program is one mapping's, or beside it.
 * 2. What the pager cannot do (a file mapped over paged memory) is done by the host after the pager has let go of the range; such a
 *    range is given back to the arena when it is unmapped.
 * 3. Errors are those of the system calls.
 * 4. A mapping is called after the object that made it, "anon:libruby.so", until the program names it itself (prctl PR_SET_VMA). */
#include "shim.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
/* Flags of mappings that are the host's business. */
enum { SHIM_NAME = 64 };
#define HOST_FLAGS (MAP_SHARED | MAP_GROWSDOWN | MAP_STACK | MAP_HUGETLB | MAP_32BIT | MAP_LOCKED)

static int answer(enum pw_err err)
{
	static const int numbers[PW_ERR_COUNT] = {
		[PW_NOMEM] = ENOMEM, [PW_NOFRAMES] = ENOMEM, [PW_NOSPACE] = ENOMEM, [PW_NOTMAPPED] = ENOMEM, [PW_ACCESS] = EACCES,
	};
	if (!err)
		return 0;
	errno = numbers[err] ? numbers[err] : EINVAL;
	return -1;
}

static bool is_paged(const void *at, size_t bytes, int flags, int fd)
{
	if (!shim_pager || shim_deep || !(flags & MAP_ANONYMOUS) || !(flags & MAP_PRIVATE) || flags & HOST_FLAGS)
		return false;
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
		return shim_has(at);
	(void)fd;
	return bytes >= shim_board->orders.map_least && bytes < (shim_range[1] - shim_range[0]) / 2;
}

static void *host_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, at, bytes, prot, flags, fd, offset);
}

/* "anon:" and the object that maps it, by the last part of its path.  No lock of the dynamic linker is taken. */
static const char *maker_name(const void *caller, char *buf, size_t size)
{
	struct dl_find_object object;
	const char *path = _dl_find_object((void *)(uintptr_t)caller, &object) == 0 ? object.dlfo_link_map->l_name : "";
	const char *slash = strrchr(path, '/');
	snprintf(buf, size, "anon:%s", slash ? slash + 1 : *path ? path : program_invocation_short_name);
	return buf;
}

static void *paged_mmap(void *at, size_t bytes, int prot, int flags, const void *caller)
{
	char name[SHIM_NAME];
	uint64_t got, place = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) ? (uintptr_t)at : 0;
	enum pw_err err = pager_map(shim_pager, place, bytes, 0, prot, maker_name(caller, name, sizeof name), &got);
	if (answer(err))
		return MAP_FAILED;
	if (flags & MAP_POPULATE) {
		err = pager_advise(shim_pager, got, bytes, 23 /* MADV_POPULATE_WRITE */);
		(void)err; /* populating is a wish */
	}
	return (void *)(uintptr_t)got;
}

static void *map(void *at, size_t bytes, int prot, int flags, int fd, off_t offset, const void *caller)
{
	if (is_paged(at, bytes, flags, fd))
		return paged_mmap(at, bytes, prot, flags, caller);
	if (flags & MAP_FIXED && shim_pager && !shim_deep && shim_has(at)) {
		enum pw_err err = pager_unmap(shim_pager, (uintptr_t)at, bytes);
		if (answer(err))
			return MAP_FAILED;
	}
	return host_mmap(at, bytes, prot, flags, fd, offset);
}

EXPORT void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return map(at, bytes, prot, flags, fd, offset, __builtin_return_address(0));
}

EXPORT void *mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return map(at, bytes, prot, flags, fd, offset, __builtin_return_address(0));
}

/* A mapping is named by the program.  Whether the host keeps names is its own affair, and what it answers is the answer. */
EXPORT int prctl(int option, ...)
{
	unsigned long a[4];
	char name[SHIM_NAME];
	va_list args;
	va_start(args, option);
	for (unsigned i = 0; i < 4; i++)
		a[i] = va_arg(args, unsigned long);
	va_end(args);
	if (option == PR_SET_VMA && a[0] == PR_SET_VMA_ANON_NAME && shim_pager && a[3] && shim_has((void *)a[1])) {
		snprintf(name, sizeof name, "anon:%s", (const char *)a[3]);
		pager_name(shim_pager, a[1], a[2], name);
	}
	return (int)syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}

EXPORT int munmap(void *at, size_t bytes)
{
	if (shim_pager && shim_has(at))
		return answer(pager_unmap(shim_pager, (uintptr_t)at, bytes));
	return (int)syscall(SYS_munmap, at, bytes);
}

EXPORT int mprotect(void *at, size_t bytes, int prot)
{
	if (shim_pager && bytes && shim_has(at))
		return answer(pager_protect(shim_pager, (uintptr_t)at, bytes, prot));
	return (int)syscall(SYS_mprotect, at, bytes, prot);
}

EXPORT void *mremap(void *at, size_t bytes, size_t to_bytes, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	void *to = flags & MREMAP_FIXED ? va_arg(args, void *) : NULL;
	va_end(args);
	if (!shim_pager || !shim_has(at))
		return (void *)syscall(SYS_mremap, at, bytes, to_bytes, flags, to);
	uint64_t got;
	if (!bytes || flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED) || (to && !shim_has(to))) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	enum pw_err err = pager_remap(shim_pager, (uintptr_t)at, bytes, to_bytes, (uintptr_t)to, flags & MREMAP_MAYMOVE, &got);
	return answer(err) ? MAP_FAILED : (void *)(uintptr_t)got;
}

EXPORT int madvise(void *at, size_t bytes, int advice)
{
	if (shim_pager && bytes && shim_has(at))
		return answer(pager_advise(shim_pager, (uintptr_t)at, bytes, advice));
	return (int)syscall(SYS_madvise, at, bytes, advice);
}

EXPORT int posix_madvise(void *at, size_t bytes, int advice)
{
	int error = errno, result = advice == POSIX_MADV_DONTNEED || madvise(at, bytes, advice) == 0 ? 0 : errno;
	errno = error;
	return result;
}

/* A program that locks memory asks for speed or secrecy; here it gets neither, but goes on as it would natively. */
EXPORT int mlock(const void *at, size_t bytes)
{
	return shim_pager && shim_has(at) ? 0 : (int)syscall(SYS_mlock, at, bytes);
}

EXPORT int munlock(const void *at, size_t bytes)
{
	return shim_pager && shim_has(at) ? 0 : (int)syscall(SYS_munlock, at, bytes);
}
