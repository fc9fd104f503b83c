/* walk_live.c - translation as /proc lets us see it.
 *
 * Problem: the page tables of a running process are the kernel's own; what /proc shows is what they amount to, and part of that is for
 * root.  A person must be able to tell "there is nothing" from "we are not told".
 *
 * Idea: three layers, each with its own words: the mapping (may this be done at all?), the page (is there a frame, or a place in
 * swap?), the frame (which, and what the kernel says of it).  What a layer cannot say is said to be missing, with what would help.
 *
 * 1. The verdict is about the very next access: it goes through, it faults and will be served, or it is refused. */
#include "walk_live.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../host/maps.h"
#include "../host/page.h"
#include "../host/pagemap.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct walk_live {
	struct procfs *proc;
	uint32_t pid;
	struct maps maps;
};


enum pw_err walk_live_open(uint32_t pid, struct walk_live **ret, struct pw_why *why)
{
	*ret = NULL;
	struct walk_live *l = mem_zalloc(1, sizeof *l);
	if (!l)
		return pw_fail(why, PW_NOMEM, "out of memory");
	l->pid = pid;
	enum pw_err err = procfs_open(NULL, &l->proc, why);
	if (!err)
		err = maps_read(l->proc, pid, MAPS_PLAIN, &l->maps, why);
	if (err) {
		if (l->proc)
			procfs_close(l->proc);
		mem_free(l);
		return err;
	}
	*ret = l;
	return PW_OK;
}

void walk_live_close(struct walk_live *l)
{
	if (!l)
		return;
	maps_fini(&l->maps);
	procfs_close(l->proc);
	mem_free(l);
}

/* ---- one address ---- */

struct verdict {
	bool refused, translates;
	const char *text;
};

static struct verdict judge(const struct maps_entry *e, const struct page_story *s, enum access_kind kind)
{
	static const unsigned needed[ACCESS_KINDS] = { MAPS_READ, MAPS_WRITE, MAPS_EXEC };
	if (!e)
		return (struct verdict){ true, false, "refused (SIGSEGV): no mapping holds this address" };
	if (!(e->prot & needed[kind]))
		return (struct verdict){ true, false, "refused (SIGSEGV): the mapping does not grant it" };
	if (s->swapped)
		return (struct verdict){ false, false, "a major fault: the page is read back from swap" };
	if (!s->present)
		return (struct verdict){ false, false,
		                        *e->name == '/' ? "a fault: the page of the file is mapped, and read if it is not in memory"
		                                                       : "a minor fault: the page is given its first frame" };
	if (s->guarded && kind == ACCESS_STORE)
		return (struct verdict){ false, false, "a fault, which a userfaultfd serves: the page is guarded against stores" };
	if (kind == ACCESS_STORE && !s->exclusive && !e->shared)
		return (struct verdict){ false, true, "the page is present; a store may fault to copy it, if it is shared with others" };
	return (struct verdict){ false, true, "goes through: the page is present" };
}

static void mapping_print(const struct maps_entry *e, FILE *out)
{
	char prot[8], size[32];
	if (!e) {
		fprintf(out, "  mapping  none\n");
		return;
	}
	fprintf(out, "  mapping  %" PRIx64 "-%" PRIx64 " %s %s  %s\n", e->start, e->end, maps_prot_text(prot, e),
	        text_bytes(size, sizeof size, e->end - e->start), *e->name ? e->name : "(anonymous)");
}

static void page_print(const struct page_story *s, FILE *out)
{
	char flags[256];
	fprintf(out, "  page     %s%s%s%s%s\n", s->present ? "present" : s->swapped ? "in swap" : "not present",
	        s->file ? ", of a file or shared memory" : "", s->present && s->exclusive ? ", mapped by this process alone" : "",
	        s->soft_dirty ? ", soft-dirty" : "", s->guarded ? ", guarded by a userfaultfd" : "");
	if (s->frame_known)
		fprintf(out, "  frame    0x%" PRIx64, s->frame);
	else if (s->present)
		fprintf(out, "  frame    not told: frame numbers are for processes with CAP_SYS_ADMIN");
	if (s->frame_known && s->flags_known)
		fprintf(out, ": %s", page_flags_text(s->flags, flags, sizeof flags));
	if (s->frame_known && s->count_known)
		fprintf(out, "; mapped %" PRIu64 " time%s", s->count, s->count == 1 ? "" : "s");
	if (s->present)
		fputc('\n', out);
	if (s->swapped && s->swap_offset)
		fprintf(out, "  swap     area %u, slot %" PRIu64 "\n", s->swap_type, s->swap_offset);
}

static void address_json(uint64_t address, enum access_kind kind, const struct maps_entry *e, const struct page_story *s,
                         const struct verdict *v, struct jsonw *j)
{
	char prot[8], flags[256];
	jsonw_object(j, NULL);
	jsonw_hex(j, "address", address);
	jsonw_string(j, "access", access_name(kind));
	if (e) {
		jsonw_object(j, "mapping");
		jsonw_hex(j, "start", e->start);
		jsonw_hex(j, "end", e->end);
		jsonw_string(j, "rights", maps_prot_text(prot, e));
		jsonw_string(j, "name", e->name);
		jsonw_end(j);
	}
	jsonw_bool(j, "present", s->present);
	jsonw_bool(j, "swapped", s->swapped);
	jsonw_bool(j, "file", s->file);
	jsonw_bool(j, "exclusive", s->exclusive);
	jsonw_bool(j, "soft_dirty", s->soft_dirty);
	if (s->frame_known)
		jsonw_hex(j, "frame", s->frame);
	if (s->flags_known)
		jsonw_string(j, "flags", page_flags_text(s->flags, flags, sizeof flags));
	if (s->count_known)
		jsonw_u64(j, "mapped_times", s->count);
	jsonw_bool(j, "translates", v->translates);
	jsonw_bool(j, "refused", v->refused);
	jsonw_string(j, "verdict", v->text);
	jsonw_end(j);
}

enum pw_err walk_live_address(struct walk_live *l, uint64_t address, enum access_kind kind, FILE *out, struct jsonw *j,
                              bool *ret_translates, struct pw_why *why)
{
	struct page_story s = { .present = false };
	const struct maps_entry *e = maps_find(&l->maps, address);
	uint64_t page = pagemap_page_bytes();
	enum pw_err err = e ? page_read(l->proc, l->pid, address, &s, why) : PW_OK;
	if (err)
		return err;
	struct verdict v = judge(e, &s, kind);
	*ret_translates = v.translates;
	if (j) {
		address_json(address, kind, e, &s, &v, j);
		return PW_OK;
	}
	fprintf(out, "process %u, a %s at 0x%" PRIx64 ": page 0x%" PRIx64 ", offset 0x%" PRIx64 "\n", l->pid, access_name(kind), address,
	        address / page, address % page);
	mapping_print(e, out);
	if (e)
		page_print(&s, out);
	fprintf(out, "  tables   not shown: the entries are the kernel's, /proc tells only what they amount to\n  verdict  %s\n", v.text);
	return PW_OK;
}

/* ---- all ---- */

static void run_tell(const struct pagemap_run *r, const struct maps_entry *e, FILE *out, struct jsonw *j)
{
	static const struct { uint32_t bit; const char *word; } list[] = {
#define X(name, word, text) { PAGEMAP_##name, word },
		PAGEMAP_CATEGORY_LIST(X)
#undef X
	};
	char prot[8], size[32], is[128] = "";
	size_t at = 0;
	for (unsigned i = 0; i < sizeof list / sizeof *list && at < sizeof is; i++)
		if (r->is & list[i].bit)
			at += (size_t)snprintf(is + at, sizeof is - at, "%s%s", at ? " " : "", list[i].word);
	if (out) {
		fprintf(out, "%016" PRIx64 "-%016" PRIx64 " %10s  %s  %-20s  %s\n", r->start, r->end,
		        text_bytes(size, sizeof size, r->end - r->start), maps_prot_text(prot, e), is, e->name);
		return;
	}
	jsonw_object(j, NULL);
	jsonw_hex(j, "start", r->start);
	jsonw_u64(j, "bytes", r->end - r->start);
	jsonw_string(j, "rights", maps_prot_text(prot, e));
	jsonw_string(j, "is", is);
	jsonw_string(j, "mapping", e->name);
	jsonw_end(j);
}

enum pw_err walk_live_all(struct walk_live *l, FILE *out, struct jsonw *j, struct pw_why *why)
{
	struct pagemap *p;
	uint64_t n = 0, bytes = 0;
	char size[32];
	enum pw_err err = pagemap_open(l->proc, l->pid, PAGEMAP_BY_AUTO, &p, why);
	if (err)
		return err;
	for (uint32_t i = 0; !err && i < l->maps.n; i++) {
		const struct maps_entry *e = &l->maps.entry[i];
		struct pagemap_runs runs = { 0 };
		if (strcmp(e->name, "[vsyscall]") == 0)
			continue; /* in the kernel's half, of which nothing is told */
		err = pagemap_read(p, e->start, e->end, &runs, why);
		for (uint64_t k = 0; !err && k < runs.n; k++) {
			run_tell(&runs.run[k], e, out, j);
			n++;
			bytes += runs.run[k].end - runs.run[k].start;
		}
		pagemap_runs_fini(&runs);
	}
	if (!err && out)
		fprintf(out, "%" PRIu64 " ranges, %s (by %s)\n", n, text_bytes(size, sizeof size, bytes),
		        pagemap_source_word(pagemap_source(p)));
	pagemap_close(p);
	return err;
}

/* ---- find ---- */

static void found_tell(uint64_t address, uint64_t physical, const struct maps_entry *e, FILE *out, struct jsonw *j)
{
	char prot[8];
	if (out) {
		fprintf(out, "%016" PRIx64 " -> %012" PRIx64 "  %s  %s\n", address, physical, maps_prot_text(prot, e), e->name);
		return;
	}
	jsonw_object(j, NULL);
	jsonw_hex(j, "address", address);
	jsonw_string(j, "rights", maps_prot_text(prot, e));
	jsonw_string(j, "mapping", e->name);
	jsonw_end(j);
}

/* One mapping.  => how many pages of it were told with their frame */
static uint64_t mapping_search(struct walk_live *l, int fd, const struct maps_entry *e, uint64_t physical, uint64_t *found, FILE *out,
                               struct jsonw *j)
{
	enum { WORDS = 4096 };
	uint64_t words[WORDS], page = pagemap_page_bytes(), told = 0;
	(void)l;
	for (uint64_t at = e->start; at < e->end; at += WORDS * page) {
		uint64_t n = (e->end - at) / page < WORDS ? (e->end - at) / page : WORDS;
		ssize_t got = pread(fd, words, n * sizeof *words, (off_t)(at / page * sizeof *words));
		for (ssize_t i = 0; i < got / (ssize_t)sizeof *words; i++) {
			uint64_t frame = words[i] & ((1ull << 55) - 1);
			if (!(words[i] >> 63) || !frame)
				continue;
			told++;
			if (frame == physical / page) {
				(*found)++;
				found_tell(at + (uint64_t)i * page + physical % page, physical, e, out, j);
			}
		}
	}
	return told;
}

enum pw_err walk_live_find(struct walk_live *l, uint64_t physical, FILE *out, struct jsonw *j, struct pw_why *why)
{
	uint64_t told = 0, found = 0;
	int fd;
	enum pw_err err = procfs_open_pid(l->proc, l->pid, "pagemap", &fd, why);
	if (err)
		return err;
	for (uint32_t i = 0; i < l->maps.n; i++)
		if (strcmp(l->maps.entry[i].name, "[vsyscall]") != 0)
			told += mapping_search(l, fd, &l->maps.entry[i], physical, &found, out, j);
	close(fd);
	if (!told)
		return pw_fail(why, PW_ACCESS, "--find: the frames of process %u are not told to us: that needs CAP_SYS_ADMIN", l->pid);
	if (out)
		fprintf(out, "%" PRIu64 " address%s map 0x%" PRIx64 "\n", found, found == 1 ? "" : "es", physical);
	return PW_OK;
}
