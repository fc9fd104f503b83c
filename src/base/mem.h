/* mem.h - memory of the host, through one door that can be made to fail.
 *
 * Every allocation of the library goes through here.  NULL is an answer the caller must handle. */
#pragma once
#include <stddef.h>

void *mem_alloc(size_t bytes) __attribute__((malloc));
void *mem_zalloc(size_t n, size_t bytes) __attribute__((malloc)); /* n zeroed elements; NULL also on overflow */
void *mem_realloc(void *p, size_t n, size_t bytes);              /* NULL: p is untouched */
char *mem_strdup(const char *s);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *p);

/* A large zeroed area of which only the touched pages cost host memory. */
void *mem_reserve(size_t bytes);
void mem_unreserve(void *p, size_t bytes);
