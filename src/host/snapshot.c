/* snapshot.c - nine small files, one after the other, as fast as they can be read.
 *
 * Problem.  Figures that are compared must be of one moment, and no call gives them all.
 *
 * Idea.  The two files that figures are made of are read first, back to back: 15 microseconds.  What moves slowly follows.
 *
 * 1. meminfo and vmstat are each written by the kernel in one go; between the two lie some microseconds.
 * 2. A file that cannot be read marks its source and nothing else; a file whose lines make no sense counts as absent.
 * Source: Documentation/filesystems/proc.rst, Documentation/accounting/psi.rst, Documentation/admin-guide/mm/hugetlbpage.rst. */
#include "snapshot.h"
#include "../base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const paths[] = {
#define X(name, path, lost) "/" path,
	SNAPSHOT_SOURCE_LIST(X)
#undef X
};
static const char *const losses[] = {
#define X(name, path, lost) lost,
	SNAPSHOT_SOURCE_LIST(X)
#undef X
};

const char *snapshot_path(enum snapshot_source source) { return paths[source]; }
const char *snapshot_lost(enum snapshot_source source) { return losses[source]; }

/* Reads a source and notes whether it was there.  => PW_OK with *ret_text NULL when it was not. */
static enum pw_err source_read(struct procfs *p, struct snapshot *s, enum snapshot_source source, const char **ret_text,
			       size_t *ret_bytes, struct pw_why *why)
{
	enum pw_err err = procfs_read(p, paths[source] + 1, ret_text, ret_bytes, why);
	s->missing[source] = err;
	if (err == PW_OK || err == PW_NOMEM)
		return err;
	*ret_text = NULL;
	return PW_OK;
}

static enum pw_err fields_read(struct procfs *p, struct snapshot *s, enum snapshot_source source, struct fields *f, struct pw_why *why)
{
	const char *text;
	size_t bytes;
	enum pw_err err = source_read(p, s, source, &text, &bytes, why);
	f->n = 0;
	return err == PW_OK && text ? fields_parse(f, text, bytes, why) : err;
}

/* Undoes the kernel's \OOO for blanks in a name, in place. */
static void unescape(char *s)
{
	char *to = s;
	for (; *s; s++) {
		bool octal = s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7';
		*to++ = octal ? (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0')) : *s;
		s += octal ? 3 : 0;
	}
	*to = '\0';
}

/* KiB at s as bytes, as many as fit.  => false: there is no number. */
static bool kib_bytes(const char *s, uint64_t *ret)
{
	char *end;
	if (__builtin_mul_overflow(strtoull(s, &end, 10), 1024u, ret))
		*ret = UINT64_MAX;
	return end != s;
}

/* FILENAME TYPE SIZE USED PRIORITY.  => false: it is no such line. */
static bool swap_parse(char *line, struct swap_area *ret)
{
	char *word[5], *rest = line;
	for (unsigned i = 0; i < 5; i++)
		if (!(word[i] = strtok_r(i ? NULL : line, " \t", &rest)))
			return false;
	*ret = (struct swap_area){ .name = word[0], .kind = word[1], .priority = strtoll(word[4], NULL, 10) };
	unescape(word[0]);
	return kib_bytes(word[2], &ret->bytes) && kib_bytes(word[3], &ret->used_bytes);
}

static enum pw_err swaps_read(struct procfs *p, struct snapshot *s, struct pw_why *why)
{
	const char *text;
	size_t bytes;
	uint32_t lines = 0;
	s->n_swaps = 0;
	enum pw_err err = source_read(p, s, SNAPSHOT_swaps, &text, &bytes, why);
	if (err != PW_OK || !text)
		return err;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	mem_free(s->swap_text);
	mem_free(s->swap);
	s->swap_text = mem_strdup(text);
	s->swap = mem_zalloc(lines + 1, sizeof *s->swap);
	if (!s->swap_text || !s->swap)
		return pw_fail(why, PW_NOMEM, "out of memory for %u swap areas", lines);
	char *rest, *line = strtok_r(s->swap_text, "\n", &rest); /* the heading */
	while (line && s->n_swaps <= lines && (line = strtok_r(NULL, "\n", &rest)))
		s->n_swaps += swap_parse(line, &s->swap[s->n_swaps]);
	return PW_OK;
}

static bool pressure_parse(const char *text, const char *kind, struct pressure *ret)
{
	char form[80];
	const char *line = strstr(text, kind);
	snprintf(form, sizeof form, "%s avg10=%%lf avg60=%%lf avg300=%%lf total=%%" SCNu64, kind);
	*ret = (struct pressure){ .known = false };
	ret->known = line && sscanf(line, form, &ret->avg10, &ret->avg60, &ret->avg300, &ret->total_us) == 4;
	return ret->known;
}

static enum pw_err pressures_read(struct procfs *p, struct snapshot *s, struct pw_why *why)
{
	for (unsigned of = 0; of < PRESSURES; of++) {
		const char *text;
		size_t bytes;
		enum pw_err err = source_read(p, s, SNAPSHOT_pressure_cpu + of, &text, &bytes, why);
		if (err != PW_OK)
			return err;
		text = text ? text : "";
		pressure_parse(text, "some", &s->pressure[of][PRESSURE_SOME]);
		pressure_parse(text, "full", &s->pressure[of][PRESSURE_FULL]);
	}
	return PW_OK;
}

static uint64_t pool_number(struct procfs *p, const char *pool, const char *file)
{
	char path[200];
	const char *text;
	size_t bytes;
	snprintf(path, sizeof path, "%s/%s/%s", paths[SNAPSHOT_huge_pools] + 1, pool, file);
	return procfs_read(p, path, &text, &bytes, NULL) == PW_OK ? strtoull(text, NULL, 10) : 0;
}

static enum pw_err pools_read(struct procfs *p, struct snapshot *s, struct pw_why *why)
{
	const char **names;
	uint32_t n;
	s->n_pools = 0;
	enum pw_err err = procfs_list(p, paths[SNAPSHOT_huge_pools] + 1, &names, &n, why);
	s->missing[SNAPSHOT_huge_pools] = err;
	if (err != PW_OK)
		return err == PW_NOMEM ? err : PW_OK;
	mem_free(s->pool);
	s->pool = mem_zalloc(n + 1, sizeof *s->pool);
	for (uint32_t i = 0; i < n && s->pool; i++) {
		uint64_t kib;
		if (sscanf(names[i], "hugepages-%" SCNu64 "kB", &kib) != 1)
			continue;
		s->pool[s->n_pools++] = (struct huge_pool){
			.page_bytes = kib * 1024,
			.total = pool_number(p, names[i], "nr_hugepages"), .free = pool_number(p, names[i], "free_hugepages"),
			.reserved = pool_number(p, names[i], "resv_hugepages"), .surplus = pool_number(p, names[i], "surplus_hugepages"),
		};
	}
	mem_free(names);
	return s->pool ? PW_OK : pw_fail(why, PW_NOMEM, "out of memory for %u huge-page pools", n);
}

/* "always [madvise] never" to "madvise". */
static enum pw_err transparent_read(struct procfs *p, struct snapshot *s, struct pw_why *why)
{
	const char *text;
	size_t bytes;
	*s->transparent = '\0';
	enum pw_err err = source_read(p, s, SNAPSHOT_transparent, &text, &bytes, why);
	const char *open = err == PW_OK && text ? strchr(text, '[') : NULL;
	if (open)
		snprintf(s->transparent, sizeof s->transparent, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
	return err;
}

static double clock_now(clockid_t which)
{
	struct timespec t;
	clock_gettime(which, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static enum pw_err uptime_read(struct procfs *p, struct snapshot *s, struct pw_why *why)
{
	const char *text;
	size_t bytes;
	enum pw_err err = source_read(p, s, SNAPSHOT_uptime, &text, &bytes, why);
	s->uptime = err == PW_OK && text ? strtod(text, NULL) : 0;
	return err;
}

enum pw_err snapshot_take(struct procfs *p, struct snapshot *s, struct pw_why *why)
{
	struct pw_why first;
	s->time = clock_now(CLOCK_REALTIME);
	s->clock = clock_now(CLOCK_MONOTONIC);
	enum pw_err err = fields_read(p, s, SNAPSHOT_meminfo, &s->meminfo, &first);
	if (err != PW_OK)
		return pw_fail(why, err, "%s", first.text);
	err = fields_read(p, s, SNAPSHOT_vmstat, &s->vmstat, why);
	if (err == PW_OK && s->missing[SNAPSHOT_meminfo] && s->missing[SNAPSHOT_vmstat])
		return pw_fail(why, s->missing[SNAPSHOT_meminfo], "%s", first.text);
	if (err == PW_OK)
		err = pressures_read(p, s, why);
	if (err == PW_OK)
		err = swaps_read(p, s, why);
	if (err == PW_OK)
		err = pools_read(p, s, why);
	if (err == PW_OK)
		err = transparent_read(p, s, why);
	return err == PW_OK ? uptime_read(p, s, why) : err;
}

void snapshot_fini(struct snapshot *s)
{
	fields_fini(&s->meminfo);
	fields_fini(&s->vmstat);
	mem_free(s->swap_text);
	mem_free(s->swap);
	mem_free(s->pool);
	*s = (struct snapshot){ .time = 0 };
}
