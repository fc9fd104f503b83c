/* mem.c - the door to the host's memory.
 *
 * Problem: a library that runs inside other people's programs may not end them when memory runs out, and the paths that handle
 * it are never walked by accident.
 * Idea: a thin layer over malloc that asks inject(INJECT_ALLOC) first, so that a test can fail the k-th allocation of any
 * scenario.  Sizes of arrays are multiplied here, once, with overflow checked.
 *
 * 1. Every function that gives memory gives it whole or gives NULL; nothing else changes.
 * 2. mem_free(NULL) and mem_unreserve(NULL, n) do nothing.
 * Rejected: an arena or pools here; the rooms that need them know their own lifetimes better. */
#include "mem.h"
#include "inject.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *mem_alloc(size_t bytes)
{
	return inject(INJECT_ALLOC) ? NULL : malloc(bytes ? bytes : 1);
}

void *mem_zalloc(size_t n, size_t bytes)
{
	size_t total;
	if (__builtin_mul_overflow(n, bytes, &total) || inject(INJECT_ALLOC))
		return NULL;
	return calloc(1, total ? total : 1);
}

void *mem_realloc(void *p, size_t n, size_t bytes)
{
	size_t total;
	if (__builtin_mul_overflow(n, bytes, &total) || inject(INJECT_ALLOC))
		return NULL;
	return realloc(p, total ? total : 1);
}

char *mem_strdup(const char *s)
{
	size_t bytes = strlen(s) + 1;
	char *copy = mem_alloc(bytes);
	return copy ? memcpy(copy, s, bytes) : NULL;
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *text = length < 0 ? NULL : mem_alloc((size_t)length + 1);
	if (!text)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	return text;
}

void mem_free(void *p)
{
	free(p);
}

#define HUGE_FROM ((size_t)64 << 20)

void *mem_reserve(size_t bytes)
{
	if (inject(INJECT_ALLOC))
		return NULL;
	void *p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (bytes >= HUGE_FROM)
		madvise(p, bytes, MADV_HUGEPAGE); /* a wish: tables touched at random would miss the host's TLB each time */
	return p;
}

void mem_unreserve(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes ? bytes : 1);
}
