/* guest.h - reading the memory of the program, which may hand us any address. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Learns where the program's address 0 is in QEMU's own address space; until then it is taken to be 0. */
void guest_base_set(uint64_t base);

/* => false when not all bytes can be read; never faults. */
bool guest_read(uint64_t va, void *ret, size_t bytes);
bool guest_write(uint64_t va, const void *from, size_t bytes);

/* The length of the string at va without its final zero byte, at most max.  => -1 when it cannot be read. */
int64_t guest_string_length(uint64_t va, size_t max);

/* A copy of the string at va, released by free(); NULL when it cannot be read or is longer than max. */
char *guest_string(uint64_t va, size_t max);

/* A copy of the NULL-terminated array of strings at va (of 64-bit pointers), released by guest_list_free().  va 0 is an empty
 * list.  => NULL when it cannot be read. */
char **guest_list(uint64_t va);
void guest_list_free(char **list);
