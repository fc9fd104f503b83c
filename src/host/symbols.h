/* symbols.h - names for addresses in programs and libraries: the function an instruction belongs to.
 *
 * Reads the symbol table of a 64-bit ELF file of this machine's byte order (.symtab, or .dynsym when it was stripped).  An address
 * is given as an offset in the file, which is what a mapping has; no debugging information is needed or read. */
#pragma once
#include "../base/err.h"
#include <stddef.h>
#include <stdint.h>

struct symbols;
/* The symbols of a file in memory.  => PW_FORMAT: it is no such ELF file, or damaged; one without symbols is fine. */
must_use enum pw_err symbols_parse(const void *bytes, size_t n, struct symbols **ret);
/* The same of a file on disk.  => also PW_NOTFOUND, PW_ACCESS, PW_NOMEM; a file of more than 256 MiB is PW_FORMAT, too. */
must_use enum pw_err symbols_open(const char *path, struct symbols **ret);
void symbols_close(struct symbols *s);
/* The function that holds the byte at this offset of the file, and how far into it.  => NULL: none is known. */
const char *symbols_at(const struct symbols *s, uint64_t offset, uint64_t *ret_into);
/* Copies up to n bytes of the file from an offset.  => how many there were. */
size_t symbols_bytes(const struct symbols *s, uint64_t offset, void *to, size_t n);
