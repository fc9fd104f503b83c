/* symbols.c - a reader of ELF symbol tables.
 *
 * Problem.  An instruction's address is a mapping and an offset in its file; people want the name of the function.
 *
 * Idea.  The file is read into memory; the loadable segments turn offsets into the addresses that symbols have; the functions are
 * sorted by address, and a binary search finds the last one that begins at or before.
 *
 *     offset in file --PT_LOAD--> address in image --sorted functions--> name
 *
 * 1. Every offset, count and string of the file is checked against its size before it is used: a file may say anything.
 * 2. The names lie in the file's bytes, which are kept as long as the symbols.
 *
 * Rejected: mapping the file (whoever truncates it, a linker for one, would kill us with SIGBUS); DWARF (lines are not asked
 * for); addr2line (a process for each address).
 * Source: System V Application Binary Interface, chapters 4 and 5; elf(5). */
#include "symbols.h"
#include "../base/elf.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SYMBOLS_MOST = 8 << 20, SEGMENTS_MOST = 64, FILE_MOST = 256 << 20 };

struct function {
	uint64_t start, bytes;
	uint64_t name;           /* offset in the file */
};

struct symbols {
	const uint8_t *bytes;
	size_t n;
	void *own;               /* bytes, when they are ours to free */
	struct elf_segment load[SEGMENTS_MOST];
	unsigned n_loads;
	struct function *function;
	size_t n_functions;
};

/* The loadable segments, and those headers that an ELF file of this computer has. */
static bool segments_read(struct symbols *s, struct elf *e)
{
	const struct elf_source bytes = elf_memory(s->bytes, s->n);
	if (elf_open(&bytes, e, NULL) != PW_OK || !e->is_64)
		return false;
	for (uint32_t i = 0; i < e->n_segments; i++) {
		struct elf_segment p;
		if (elf_segment(e, i, &p, NULL) != PW_OK)
			return false;
		if (p.type == PT_LOAD && s->n_loads < SEGMENTS_MOST)
			s->load[s->n_loads++] = p;
	}
	return true;
}

/* .symtab when there is one, else .dynsym. */
static bool table_find(const struct elf *e, struct elf_section *ret, bool *found)
{
	*found = false;
	for (uint32_t i = 0; i < e->n_sections; i++) {
		struct elf_section section;
		if (elf_section(e, i, &section, NULL) != PW_OK)
			return false;
		if (section.type == SHT_SYMTAB || (section.type == SHT_DYNSYM && !*found)) {
			*ret = section;
			*found = true;
		}
		if (section.type == SHT_SYMTAB)
			break;
	}
	return true;
}

static bool name_ok(const struct elf *e, const struct symbols *s, const struct elf_section *strings, uint32_t name)
{
	if (name >= strings->bytes || !elf_holds(e, strings->offset, strings->bytes))
		return false;
	return memchr(s->bytes + strings->offset + name, 0, strings->bytes - name) != NULL;
}

static int by_start(const void *a, const void *b)
{
	const struct function *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static bool is_function(const Elf64_Sym *y)
{
	unsigned type = ELF64_ST_TYPE(y->st_info);
	bool code = type == STT_FUNC || type == STT_GNU_IFUNC || (type == STT_NOTYPE && y->st_size);
	return code && y->st_shndx != SHN_UNDEF && y->st_name;
}

static enum pw_err functions_read(struct symbols *s, const struct elf *e, const struct elf_section *table,
				  const struct elf_section *strings)
{
	uint64_t n = table->bytes / sizeof(Elf64_Sym);
	if (!elf_holds(e, table->offset, table->bytes) || n > SYMBOLS_MOST)
		return PW_FORMAT;
	s->function = n ? mem_zalloc(n, sizeof *s->function) : NULL;
	if (n && !s->function)
		return PW_NOMEM;
	for (uint64_t i = 0; i < n; i++) {
		Elf64_Sym y;
		memcpy(&y, s->bytes + table->offset + i * sizeof y, sizeof y);
		if (is_function(&y) && name_ok(e, s, strings, y.st_name))
			s->function[s->n_functions++] =
				(struct function){ y.st_value, y.st_size, strings->offset + y.st_name };
	}
	if (s->n_functions)
		qsort(s->function, s->n_functions, sizeof *s->function, by_start);
	return PW_OK;
}

static enum pw_err symbols_read(struct symbols *s)
{
	struct elf e;
	struct elf_section table = { 0 }, strings;
	bool found;
	if (!segments_read(s, &e) || !table_find(&e, &table, &found))
		return PW_FORMAT;
	if (!found)
		return PW_OK;
	if (table.link >= e.n_sections || elf_section(&e, table.link, &strings, NULL) != PW_OK)
		return PW_FORMAT;
	return functions_read(s, &e, &table, &strings);
}

/* Takes own over when it succeeds. */
static enum pw_err symbols_make(const void *bytes, size_t n, void *own, struct symbols **ret)
{
	struct symbols *s = *ret = mem_zalloc(1, sizeof *s);
	if (!s)
		return PW_NOMEM;
	s->bytes = bytes;
	s->n = n;
	enum pw_err err = symbols_read(s);
	if (err != PW_OK) {
		symbols_close(s);
		*ret = NULL;
		return err;
	}
	s->own = own;
	return PW_OK;
}

enum pw_err symbols_parse(const void *bytes, size_t n, struct symbols **ret)
{
	return symbols_make(bytes, n, NULL, ret);
}

static enum pw_err file_read(int fd, uint8_t **ret, size_t *ret_n)
{
	struct stat st;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > FILE_MOST)
		return PW_FORMAT;
	uint8_t *p = *ret = mem_alloc((size_t)st.st_size);
	if (!p)
		return PW_NOMEM;
	for (*ret_n = 0; *ret_n < (size_t)st.st_size;) {
		ssize_t got = inject(INJECT_FILE_READ) ? -1 : read(fd, p + *ret_n, (size_t)st.st_size - *ret_n);
		if (got <= 0)
			break;
		*ret_n += (size_t)got;
	}
	return PW_OK;
}

enum pw_err symbols_open(const char *path, struct symbols **ret)
{
	uint8_t *bytes = NULL;
	size_t n = 0;
	*ret = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == EACCES ? PW_ACCESS : PW_NOTFOUND;
	enum pw_err err = file_read(fd, &bytes, &n);
	close(fd);
	if (err == PW_OK)
		err = symbols_make(bytes, n, bytes, ret);
	if (err != PW_OK)
		mem_free(bytes);
	return err;
}

void symbols_close(struct symbols *s)
{
	if (!s)
		return;
	mem_free(s->own);
	mem_free(s->function);
	mem_free(s);
}

static bool image_address(const struct symbols *s, uint64_t offset, uint64_t *ret)
{
	for (unsigned i = 0; i < s->n_loads; i++)
		if (offset >= s->load[i].offset && offset - s->load[i].offset < s->load[i].file_bytes) {
			*ret = offset - s->load[i].offset + s->load[i].vaddr;
			return true;
		}
	return false;
}

const char *symbols_at(const struct symbols *s, uint64_t offset, uint64_t *ret_into)
{
	uint64_t address;
	size_t low = 0, high = s->n_functions;
	if (!image_address(s, offset, &address))
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->function[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	const struct function *f = &s->function[low - 1];
	if (f->bytes && address - f->start >= f->bytes)
		return NULL;
	*ret_into = address - f->start;
	return (const char *)s->bytes + f->name;
}

size_t symbols_bytes(const struct symbols *s, uint64_t offset, void *to, size_t n)
{
	if (offset >= s->n)
		return 0;
	n = n < s->n - offset ? n : (size_t)(s->n - offset);
	memcpy(to, s->bytes + offset, n);
	return n;
}
