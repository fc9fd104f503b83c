/* image.c - reading physical memory from files.
 *
 * Problem: dumps come as plain bytes, as ELF cores and as LiME files, are larger than memory here, and may be cut off or damaged.
 *
 * Idea: map the file, and reduce every kind to one list of runs: physical addresses [at, at + bytes) lie at this offset.
 *
 *      file    |header|notes|======|=========|==|
 *      runs                 ^0     ^1M       ^4G        sorted by physical address
 *
 * 1. A run never reaches beyond the end of the file, whatever its header says: what is cut off is not there.
 * 2. Runs do not overlap; of two that do, the first in the file stands.
 *
 * Source: System V ABI, "Program Header"; QEMU, struct QEMUCPUState of its ELF notes (name "QEMU"); LiME, its header of 32 bytes. */
#include "image.h"
#include "../base/elf.h"
#include "../base/mem.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUNS_MOST = 1 << 16, CPUS_MOST = 256 };

struct image_run {
	uint64_t at, bytes, offset;
};

struct image {
	const uint8_t *file;
	uint64_t file_bytes;
	const char *kind;
	struct image_run *run;   /* sorted by at */
	unsigned n_runs;
	struct image_cpu cpu[CPUS_MOST];
	unsigned n_cpus;
};

/* ---- runs ---- */

static enum pw_err run_add(struct image *i, uint64_t at, uint64_t bytes, uint64_t offset)
{
	if (offset >= i->file_bytes || at + bytes < at)
		return PW_OK;
	if (bytes > i->file_bytes - offset)
		bytes = i->file_bytes - offset;
	if (bytes == 0)
		return PW_OK;
	if (i->n_runs == RUNS_MOST)
		return PW_INVALID;
	struct image_run *grown = mem_realloc(i->run, i->n_runs + 1, sizeof *grown);
	if (!grown)
		return PW_NOMEM;
	i->run = grown;
	i->run[i->n_runs++] = (struct image_run){ at, bytes, offset };
	return PW_OK;
}

static int run_compare(const void *a, const void *b)
{
	const struct image_run *x = a, *y = b;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Sorted, and without overlaps. */
static void runs_settle(struct image *i)
{
	if (i->n_runs)
		qsort(i->run, i->n_runs, sizeof *i->run, run_compare);
	uint64_t end = 0;
	unsigned n = 0;
	for (unsigned k = 0; k < i->n_runs; k++) {
		struct image_run r = i->run[k];
		uint64_t hidden = r.at < end ? end - r.at : 0;
		if (hidden >= r.bytes)
			continue;
		i->run[n++] = (struct image_run){ r.at + hidden, r.bytes - hidden, r.offset + hidden };
		end = r.at + r.bytes;
	}
	i->n_runs = n;
}

static bool image_read(void *ctx, paddr_t at, unsigned bytes, uint64_t *ret)
{
	const struct image *i = ctx;
	unsigned lo = 0, hi = i->n_runs;
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		if (i->run[mid].at + i->run[mid].bytes <= at.v)
			lo = mid + 1;
		else
			hi = mid;
	}
	const struct image_run *r = lo < i->n_runs ? &i->run[lo] : NULL;
	if (!r || at.v < r->at || r->bytes - (at.v - r->at) < bytes)
		return false;
	*ret = 0;
	memcpy(ret, i->file + r->offset + (at.v - r->at), bytes);
	return true;
}

struct memory_view image_view(const struct image *i) { return (struct memory_view){ image_read, (void *)i }; }

/* ---- ELF ---- */

/* struct QEMUCPUState for x86: version and size, 18 registers of 8 bytes, 10 segments of 24, then CR0 to CR4. */
enum { QEMU_CR = 8 + 18 * 8 + 10 * 24, QEMU_STATE = QEMU_CR + 5 * 8 };
#define CR0_PG   (1ull << 31)
#define CR4_PAE  (1ull << 5)
#define CR4_LA57 (1ull << 12)

static const char *x86_format(bool is_64, uint64_t cr4)
{
	if (!(cr4 & CR4_PAE))
		return "x86-32";
	if (!is_64)
		return "x86-pae";
	return cr4 & CR4_LA57 ? "x86-64-la57" : "x86-64";
}

static void note_take(struct image *i, bool is_64, const char *name, const uint8_t *desc, uint64_t bytes)
{
	uint64_t cr[5];
	if (strcmp(name, "QEMU") != 0 || bytes < QEMU_STATE || i->n_cpus == CPUS_MOST)
		return;
	memcpy(cr, desc + QEMU_CR, sizeof cr);
	const char *format = x86_format(is_64, cr[4]);
	const struct ptfmt *f = ptfmt_find(format);
	i->cpu[i->n_cpus++] = (struct image_cpu){ paddr(cr[3] & 0x000ffffffffff000), f ? f->name : NULL, cr[0] & CR0_PG };
}

/* Notes: name size, description size, type, then both, each padded to 4 bytes. */
static void notes_read(struct image *i, bool is_64, uint64_t offset, uint64_t bytes)
{
	if (offset > i->file_bytes || bytes > i->file_bytes - offset)
		return;
	const uint8_t *at = i->file + offset, *end = at + bytes;
	while (end - at >= 12) {
		uint32_t head[3];
		memcpy(head, at, sizeof head);
		at += sizeof head;
		uint64_t name = ((uint64_t)head[0] + 3) & ~3ull, desc = ((uint64_t)head[1] + 3) & ~3ull;
		if (name > (uint64_t)(end - at) || desc > (uint64_t)(end - at) - name)
			return;
		char text[8] = "";
		if (head[0] < sizeof text)
			memcpy(text, at, head[0]);
		note_take(i, is_64, text, at + name, head[1]);
		at += name + desc;
	}
}

static enum pw_err elf_read(struct image *i, struct pw_why *why)
{
	const struct elf_source bytes = elf_memory(i->file, i->file_bytes);
	struct elf e;
	enum pw_err err = elf_open(&bytes, &e, why);
	if (!err && e.n_segments > RUNS_MOST)
		err = pw_fail(why, PW_FORMAT, "its ELF program headers make no sense: there are %u", e.n_segments);
	bool cut = false;
	for (uint32_t k = 0; !err && k < e.n_segments; k++) {
		struct elf_segment s;
		err = elf_segment(&e, k, &s, why);
		if (!err && s.type == PT_NOTE)
			notes_read(i, e.is_64, s.offset, s.file_bytes);
		if (!err && s.type == PT_LOAD) {
			cut |= !elf_holds(&e, s.offset, s.file_bytes);
			err = run_add(i, s.paddr, s.file_bytes, s.offset);
		}
	}
	i->kind = cut ? "ELF core, cut off" : "ELF core";
	if (!err && !i->n_runs)
		err = pw_fail(why, PW_INVALID, "it is an ELF file without memory in it; dump-guest-memory or kdump write one with");
	return err == PW_FORMAT ? PW_INVALID : err;
}

/* ---- LiME ---- */

struct lime_header {
	uint32_t magic, version;
	uint64_t first, last, reserved;
};
#define LIME_MAGIC 0x4c694d45u

static enum pw_err lime_read(struct image *i, struct pw_why *why)
{
	uint64_t offset = 0;
	enum pw_err err = PW_OK;
	i->kind = "LiME";
	while (!err && i->file_bytes - offset >= sizeof(struct lime_header)) {
		struct lime_header h;
		memcpy(&h, i->file + offset, sizeof h);
		if (h.magic != LIME_MAGIC || h.version != 1 || h.last < h.first)
			return pw_fail(why, PW_INVALID, "its LiME header at byte %llu makes no sense", (unsigned long long)offset);
		offset += sizeof h;
		uint64_t bytes = h.last - h.first + 1;
		err = run_add(i, h.first, bytes, offset);
		if (bytes > i->file_bytes - offset) {
			i->kind = "LiME, cut off";
			break;
		}
		offset += bytes;
	}
	return err;
}

/* ---- the whole ---- */

static enum pw_err content_read(struct image *i, struct pw_why *why)
{
	uint32_t magic = 0;
	memcpy(&magic, i->file, i->file_bytes < 4 ? i->file_bytes : 4);
	if (i->file_bytes >= 8 && memcmp(i->file, "KDUMP   ", 8) == 0)
		return pw_fail(why, PW_UNSUPPORTED, "it is a compressed kdump; 'makedumpfile -E' writes an ELF core of it");
	if (i->file_bytes > EI_NIDENT && memcmp(i->file, ELFMAG, SELFMAG) == 0)
		return elf_read(i, why);
	if (magic == LIME_MAGIC)
		return lime_read(i, why);
	i->kind = "raw";
	return run_add(i, 0, i->file_bytes, 0);
}

static enum pw_err file_map(struct image *i, const char *path, struct pw_why *why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pw_fail(why, errno == ENOENT ? PW_NOTFOUND : PW_IO, "%s: %s", path, strerror(errno));
	enum pw_err err = PW_OK;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		err = pw_fail(why, PW_INVALID, "%s: not a file with anything in it", path);
	} else {
		i->file_bytes = (uint64_t)st.st_size;
		void *at = mmap(NULL, i->file_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
		if (at == MAP_FAILED)
			err = pw_fail(why, PW_IO, "%s: cannot be mapped: %s", path, strerror(errno));
		else
			i->file = at;
	}
	close(fd);
	return err;
}

enum pw_err image_open(const char *path, struct image **ret, struct pw_why *why)
{
	struct pw_why inner = { "" };
	*ret = NULL;
	struct image *i = mem_zalloc(1, sizeof *i);
	if (!i)
		return pw_fail(why, PW_NOMEM, "%s: out of memory", path);
	enum pw_err err = file_map(i, path, why);
	if (!err) {
		err = content_read(i, &inner);
		if (err)
			pw_fail(why, err, "%s: %s", path, *inner.text ? inner.text : pw_err_text(err));
	}
	if (err) {
		image_close(i);
		return err;
	}
	runs_settle(i);
	*ret = i;
	return PW_OK;
}

void image_close(struct image *i)
{
	if (!i)
		return;
	if (i->file)
		munmap((void *)i->file, i->file_bytes);
	mem_free(i->run);
	mem_free(i);
}

const char *image_kind(const struct image *i) { return i->kind; }

uint64_t image_bytes(const struct image *i)
{
	uint64_t n = 0;
	for (unsigned k = 0; k < i->n_runs; k++)
		n += i->run[k].bytes;
	return n;
}

unsigned image_n_cpus(const struct image *i) { return i->n_cpus; }
struct image_cpu image_cpu_at(const struct image *i, unsigned cpu) { return i->cpu[cpu]; }
