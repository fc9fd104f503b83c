/* sweep_trace.c - is it still the same trace, and how large is it?
 *
 * Problem.  A result belongs to a trace as it was; names lie (a file may be recorded anew under its name, or moved), and reading
 * the contents of ten large traces before each continuation of a sweep takes minutes.
 *
 * Idea.  The identity is a 128-bit hash of the contents, kept with the size and the time of change that the file had then: as with
 * make, a file whose size and time are the same is taken for the same.  Footprints belong to the contents.  Both are lines of one
 * file:
 *
 *     contents SIZE NANOSECONDS NAME = HASH
 *     footprint HASH SHIFT LIMIT = PAGES
 *
 * 1. A line is never changed, only added; the last one counts.
 *
 * Rejected: size and time as the identity (a copied trace would be swept again, and times of coarse file systems repeat).
 * Source of the hash: XXH3, https://github.com/Cyan4973/xxHash; it is no protection against those who want to deceive. */
#include "sweep_trace.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include "../base/rng.h"
#include "../trace/input.h"
#include "../trace/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { FACT_BYTES = SWEEP_PATH + 128, FACTS_MAX = 64 << 20, READ_BYTES = 1 << 18 };

struct sweep_facts {
	char *text;    /* lines */
	size_t bytes;
	bool changed;
};

static char *facts_read(const char *name, size_t *ret_bytes)
{
	struct stat st;
	FILE *f = fopen(name, "re");
	size_t bytes = f && fstat(fileno(f), &st) == 0 && st.st_size < FACTS_MAX ? (size_t)st.st_size : 0;
	char *text = mem_alloc(bytes + 1);
	*ret_bytes = text && f ? fread(text, 1, bytes, f) : 0;
	if (text)
		text[*ret_bytes] = '\0';
	if (f)
		fclose(f);
	return text;
}

enum pw_err sweep_facts_load(const struct sweep_dir *d, struct sweep_facts **ret, struct pw_why *why)
{
	char name[SWEEP_PATH];
	struct sweep_facts *f = *ret = mem_zalloc(1, sizeof *f);
	if (f)
		f->text = facts_read(sweep_dir_file(d, "traces.txt", name), &f->bytes);
	if (f && f->text)
		return PW_OK;
	mem_free(f);
	*ret = NULL;
	return pw_fail(why, PW_NOMEM, "out of memory for what is known of the traces");
}

enum pw_err sweep_facts_save(struct sweep_facts *f, const struct sweep_dir *d, struct pw_why *why)
{
	char name[SWEEP_PATH];
	if (!f->changed)
		return PW_OK;
	f->changed = false;
	return sweep_dir_write(sweep_dir_file(d, "traces.txt", name), f->text, f->bytes, why);
}

void sweep_facts_destroy(struct sweep_facts *f)
{
	if (f)
		mem_free(f->text);
	mem_free(f);
}

/* => the value of the last line "key = value", up to its end of line; NULL: none. */
static const char *fact_get(const struct sweep_facts *f, const char *key)
{
	size_t length = strlen(key);
	const char *found = NULL;
	for (const char *line = f->text; *line;) {
		if (strncmp(line, key, length) == 0 && strncmp(line + length, " = ", 3) == 0)
			found = line + length + 3;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return found;
}

static enum pw_err fact_put(struct sweep_facts *f, const char *key, const char *value, struct pw_why *why)
{
	if (strchr(key, '\n'))
		return PW_OK;
	size_t more = strlen(key) + strlen(value) + 4;
	char *text = mem_realloc(f->text, f->bytes + more + 1, 1);
	if (!text)
		return pw_fail(why, PW_NOMEM, "out of memory for what is known of the traces");
	f->text = text;
	f->bytes += (size_t)snprintf(text + f->bytes, more + 1, "%s = %s\n", key, value);
	f->changed = true;
	return PW_OK;
}

static void hash_text(XXH128_hash_t h, char ret[SWEEP_ID])
{
	snprintf(ret, SWEEP_ID, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
}

static enum pw_err hash_file(const char *name, char ret[SWEEP_ID], struct pw_why *why)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	XXH3_state_t *state = XXH3_createState();
	char *buf = mem_alloc(READ_BYTES);
	enum pw_err err = fd < 0 ? pw_fail(why, PW_IO, "%s: %s", name, strerror(errno))
	                         : state && buf ? PW_OK : pw_fail(why, PW_NOMEM, "%s: out of memory", name);
	if (err == PW_OK)
		XXH3_128bits_reset(state);
	for (ssize_t n = 1; err == PW_OK && n > 0;) {
		n = read(fd, buf, READ_BYTES);
		if (n < 0)
			err = pw_fail(why, PW_IO, "%s: %s", name, strerror(errno));
		else
			XXH3_128bits_update(state, buf, (size_t)n);
	}
	if (err == PW_OK)
		hash_text(XXH3_128bits_digest(state), ret);
	if (fd >= 0)
		close(fd);
	XXH3_freeState(state);
	mem_free(buf);
	return err;
}

static enum pw_err file_identity(struct sweep_facts *f, const char *name, const struct stat *st, char ret[SWEEP_ID],
                                 struct pw_why *why)
{
	char key[FACT_BYTES];
	if (!S_ISREG(st->st_mode))
		return pw_fail(why, PW_UNSUPPORTED, "%s: is read by many cells, so it must be a file; make one with "
		               "'pageworks record -o FILE'", name);
	snprintf(key, sizeof key, "contents %lld %lld%09ld %s", (long long)st->st_size, (long long)st->st_mtim.tv_sec,
	         st->st_mtim.tv_nsec, name);
	const char *known = fact_get(f, key);
	if (known && strcspn(known, "\n") == SWEEP_ID - 1) {
		snprintf(ret, SWEEP_ID, "%.*s", SWEEP_ID - 1, known);
		return PW_OK;
	}
	enum pw_err err = hash_file(name, ret, why);
	return err == PW_OK ? fact_put(f, key, ret, why) : err;
}

/* How a file is read matters as much as what is in it: "csv:FILE,address=2" is another trace than "csv:FILE,address=3". */
static void add_manner(const char *spec, const char *file, char ret[SWEEP_ID])
{
	const char *at = strstr(spec, file);
	if (!at || strcmp(spec, file) == 0)
		return;
	uint64_t manner = XXH3_64bits(spec, (size_t)(at - spec));
	manner = XXH3_64bits_withSeed(at + strlen(file), strlen(at + strlen(file)), manner);
	hash_text(XXH3_128bits_withSeed(ret, SWEEP_ID - 1, manner), ret);
}

enum pw_err sweep_trace_identity(struct sweep_facts *f, const char *spec, char ret[SWEEP_ID], unsigned *ret_granule,
                                 struct pw_why *why)
{
	struct stat st;
	struct trace *t;
	if (strcmp(spec, "-") == 0)
		return pw_fail(why, PW_UNSUPPORTED, "standard input can be read only once, and every cell reads the trace; make a "
		               "file of it with 'pageworks record -o FILE -'");
	/* A pipe is not opened: that would take from it, or wait for ever. */
	if (stat(spec, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return file_identity(f, spec, &st, ret, why);
	enum pw_err err = trace_open(spec, &t, why);
	if (err != PW_OK)
		return err;
	const char *file = t->input ? input_name(t->input) : NULL;
	*ret_granule = trace_describe(t).granule_shift;
	if (!file)
		hash_text(XXH3_128bits(spec, strlen(spec)), ret);
	else if (stat(file, &st) != 0)
		err = pw_fail(why, PW_IO, "%s: %s", file, strerror(errno));
	else
		err = file_identity(f, file, &st, ret, why);
	if (file && err == PW_OK)
		add_manner(spec, file, ret);
	trace_close(t);
	return err;
}

/* => pages seen so far are in the table; a page of a process is a key of its own but for one chance in 2^64 for each pair. */
static enum pw_err footprint_add(struct htab *pages, const struct trace_item *item, uint64_t n, unsigned shift)
{
	uint64_t salt = item->pid, last = 0;
	bool any = false;
	salt = splitmix64(&salt);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t page = ref_va(item->refs[i]).v >> shift;
		if (any && page == last)
			continue;
		any = true;
		last = page;
		if (!htab_put(pages, page ^ salt))
			return PW_NOMEM;
	}
	return PW_OK;
}

static enum pw_err footprint_count(struct trace *t, unsigned shift, uint64_t limit, struct htab *pages, struct pw_why *why)
{
	struct trace_item item;
	uint64_t done = 0;
	for (trace_next(t, &item); item.kind != TRACE_ITEM_END && (!limit || done < limit); trace_next(t, &item)) {
		if (item.kind != TRACE_ITEM_REFS)
			continue;
		uint64_t n = limit && item.n_refs > limit - done ? limit - done : item.n_refs;
		if (footprint_add(pages, &item, n, shift) != PW_OK)
			return pw_fail(why, PW_NOMEM, "out of memory for the footprint");
		done += n;
	}
	return PW_OK;
}

enum pw_err sweep_trace_footprint(struct sweep_facts *f, const char *spec, const char *identity, unsigned shift, uint64_t limit,
                                  uint64_t *ret, struct pw_why *why)
{
	char key[FACT_BYTES], value[24];
	struct htab pages = { NULL };
	struct trace *t;
	snprintf(key, sizeof key, "footprint %s %u %" PRIu64, identity, shift, limit);
	const char *known = fact_get(f, key);
	if (known && sscanf(known, "%" SCNu64, ret) == 1)
		return PW_OK;
	enum pw_err err = trace_open(spec, &t, why);
	if (err != PW_OK)
		return err;
	err = htab_init(&pages, 1024) == PW_OK ? footprint_count(t, shift, limit, &pages, why)
	                                       : pw_fail(why, PW_NOMEM, "out of memory for the footprint");
	*ret = pages.count;
	htab_fini(&pages);
	trace_close(t);
	snprintf(value, sizeof value, "%" PRIu64, *ret);
	return err == PW_OK ? fact_put(f, key, value, why) : err;
}
