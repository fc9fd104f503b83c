/* guest.c - the program's memory, read without trust.
 *
 * The program's memory is mapped in this very process, at an offset, so it could be read directly; but a bad address, which for the
 * program is an EFAULT, would be the end of QEMU.  process_vm_readv on oneself reads what can be read and reports the rest.  Where
 * that call is forbidden (some containers), /proc/self/mem does the same. */
#include "guest.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { GUEST_PAGE = 4096, GUEST_STRING_MAX = 131072, GUEST_LIST_MAX = 1 << 20 };

static uint64_t guest_base;

void guest_base_set(uint64_t base) { guest_base = base; }

static bool guest_copy_mem(uint64_t va, void *buf, size_t bytes, bool write)
{
	int fd = open("/proc/self/mem", (write ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = write ? pwrite(fd, buf, bytes, va + guest_base) : pread(fd, buf, bytes, va + guest_base);
	close(fd);
	return n == (ssize_t)bytes;
}

bool guest_read(uint64_t va, void *ret, size_t bytes)
{
	struct iovec here = { ret, bytes }, there = { (void *)(va + guest_base), bytes };
	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)bytes || guest_copy_mem(va, ret, bytes, false);
}

bool guest_write(uint64_t va, const void *from, size_t bytes)
{
	struct iovec here = { (void *)from, bytes }, there = { (void *)(va + guest_base), bytes };
	return process_vm_writev(getpid(), &here, 1, &there, 1, 0) == (ssize_t)bytes ||
	       guest_copy_mem(va, (void *)from, bytes, true);
}

int64_t guest_string_length(uint64_t va, size_t max)
{
	char part[GUEST_PAGE];
	for (size_t length = 0; length <= max;) {
		size_t n = GUEST_PAGE - (va + length) % GUEST_PAGE; /* never across a page: the next may be unreadable */
		if (!guest_read(va + length, part, n))
			return -1;
		size_t found = strnlen(part, n);
		length += found;
		if (found < n)
			return length <= max ? (int64_t)length : -1;
	}
	return -1;
}

char *guest_string(uint64_t va, size_t max)
{
	int64_t length = guest_string_length(va, max);
	char *copy = length < 0 ? NULL : malloc(length + 1);
	if (copy && !guest_read(va, copy, length + 1)) {
		free(copy);
		return NULL;
	}
	if (copy)
		copy[length] = 0; /* another thread may have changed it meanwhile */
	return copy;
}

void guest_list_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

/* => the number of strings, or -1. */
static int64_t guest_list_count(uint64_t va)
{
	for (int64_t n = 0; va && n < GUEST_LIST_MAX; n++) {
		uint64_t pointer;
		if (!guest_read(va + 8 * n, &pointer, 8))
			return -1;
		if (!pointer)
			return n;
	}
	return va ? -1 : 0;
}

char **guest_list(uint64_t va)
{
	int64_t n = guest_list_count(va);
	char **list = n < 0 ? NULL : calloc(n + 1, sizeof(char *));
	for (int64_t i = 0; list && i < n; i++) {
		uint64_t pointer;
		list[i] = guest_read(va + 8 * i, &pointer, 8) ? guest_string(pointer, GUEST_STRING_MAX) : NULL;
		if (!list[i]) {
			guest_list_free(list);
			return NULL;
		}
	}
	return list;
}
