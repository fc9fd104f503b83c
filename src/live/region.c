/* region.c - the public door to managed memory.
 *
 * Problem: a program wants one large piece of memory that is paged its own way, without being run under a command.
 * Idea: a pager with one mapping.  Its store is one of ours or the caller's functions; a pager of the caller's is a file of which every
 * page is asked for when it is first touched, as Mach's external pagers were.
 *
 * 1. What a region is made of goes in the reverse order of its making, also when its making fails half way.
 * Source: M. Young and others, "The Duality of Memory and Communication in the Implementation of a Multiprocessor Operating System",
 * SOSP 1987 (external pagers). */
#include "pager.h"
#include "../base/mem.h"
#include "../store/custom.h"
#include <pageworks.h>
#include <string.h>
#include <sys/mman.h>

enum { REGION_FILE = 1, REGION_AHEAD = 32 };

struct pw_region {
	struct pager *pager;
	struct store *swap;
	struct kernel_files files;
	struct pw_pager theirs;
	uint64_t bytes, at, ram_most;
};

/* ---- the caller's pager ---- */

static enum pw_err file_read(void *ctx, uint64_t id, uint64_t offset, void *bytes, uint64_t n)
{
	const struct pw_region *r = ctx;
	uint64_t part = offset >= r->bytes ? 0 : r->bytes - offset < n ? r->bytes - offset : n;
	(void)id;
	memset((char *)bytes + part, 0, n - part);
	return part && r->theirs.read(r->theirs.ctx, offset, bytes, part) != 0 ? PW_IO : PW_OK;
}

static enum pw_err file_write(void *ctx, uint64_t id, uint64_t offset, const void *bytes, uint64_t n)
{
	const struct pw_region *r = ctx;
	uint64_t part = offset >= r->bytes ? 0 : r->bytes - offset < n ? r->bytes - offset : n;
	(void)id;
	return part && r->theirs.write && r->theirs.write(r->theirs.ctx, offset, bytes, part) != 0 ? PW_IO : PW_OK;
}

/* ---- putting together ---- */

static enum pw_err store_make(const struct pw_region_backing *b, struct store **ret, struct pw_why *why)
{
	if (!b->store)
		return store_open(b->swap ? b->swap : "ram", PAGER_PAGE, UINT64_MAX, ret, why);
	const struct store_custom c = { .ctx = b->store->ctx, .read = b->store->read, .write = b->store->write,
	                               .discard = b->store->discard };
	if (b->swap)
		return pw_fail(why, PW_INVALID, "swap=%s: there is a store of your own already", b->swap);
	if (!c.read || !c.write)
		return pw_fail(why, PW_INVALID, "a store must be able to read and to write");
	return store_custom_open(&c, PAGER_PAGE, b->store->n_slots ? b->store->n_slots : UINT64_MAX, ret, why);
}

static enum pw_err policy_choose(const char *text, struct pager_config *c, struct pw_why *why)
{
	enum pw_err err = policy_parse(text ? text : "fifo", &c->policy, &c->params, why);
	if (err == PW_NOTFOUND)
		return pw_fail(why, PW_INVALID, "'%s' is no policy; 'pageworks policies' lists them", text);
	if (!err && (c->policy->sees > POLICY_SEES_BITS || c->policy->wants_future))
		return pw_fail(why, PW_INVALID, "policy %s wants to see more references than a host shows; take fifo, clock or another of "
		               "'pageworks live'", c->policy->name);
	return err;
}

static enum pw_err region_make(struct pw_region *r, uint64_t ram, const char *policy, const struct pw_region_backing *b,
                               struct pw_why *why)
{
	struct pager_config c = { .ram_bytes = ram, .ram_most = ram, .personality = PERSONALITY_linux, .ahead = REGION_AHEAD, .seed = 1 };
	if (r->bytes == 0 || ram < 64 * PAGER_PAGE)
		return pw_fail(why, PW_INVALID,
		               "a region of %llu bytes in %llu: it needs some of the one and at least 256 KiB of the other",
		               (unsigned long long)r->bytes, (unsigned long long)ram);
	if (b->pager && !b->pager->read)
		return pw_fail(why, PW_INVALID, "a pager must be able to read");
	enum pw_err err = policy_choose(policy, &c, why);
	if (!err)
		err = store_make(b, &r->swap, why);
	if (err)
		return err;
	c.swap = r->swap;
	if (b->pager) {
		r->theirs = *b->pager;
		r->files = (struct kernel_files){ .read = file_read, .write = file_write, .ctx = r };
		c.files = &r->files;
	}
	err = pager_open(&c, &r->pager, why);
	if (err)
		return err;
	err = b->pager ? pager_map_file(r->pager, REGION_FILE, r->bytes, PROT_READ | PROT_WRITE, &r->at)
	               : pager_map(r->pager, 0, r->bytes, 0, PROT_READ | PROT_WRITE, "region", &r->at);
	return err ? pw_fail(why, err, "a region of %llu bytes: %s", (unsigned long long)r->bytes, pw_err_text(err)) : PW_OK;
}

static enum pw_status status_of(enum pw_err err)
{
	switch (err) {
	case PW_OK: return PW_SUCCESS;
	case PW_NOMEM: return PW_E_MEMORY;
	case PW_UNSUPPORTED:
	case PW_ACCESS: return PW_E_REFUSED;
	case PW_IO: return PW_E_IO;
	case PW_NOSPACE:
	case PW_NOFRAMES: return PW_E_FULL;
	default: return PW_E_INVALID;
	}
}

enum pw_status pw_region_create(uint64_t bytes, uint64_t ram_bytes, const char *policy, const struct pw_region_backing *backing,
                                struct pw_region **ret, char **why)
{
	static const struct pw_region_backing plain;
	struct pw_why because = { "" };
	*ret = NULL;
	*why = NULL;
	struct pw_region *r = mem_zalloc(1, sizeof *r);
	enum pw_err err = r ? PW_OK : PW_NOMEM;
	if (r) {
		r->bytes = bytes;
		r->ram_most = ram_bytes;
		err = region_make(r, ram_bytes, policy, backing ? backing : &plain, &because);
	}
	if (err) {
		pw_region_destroy(r);
		*why = mem_strdup(*because.text ? because.text : pw_err_text(err));
		return status_of(err);
	}
	*ret = r;
	return PW_SUCCESS;
}

void pw_region_destroy(struct pw_region *r)
{
	if (!r)
		return;
	if (r->pager)
		pager_close(r->pager);
	store_close(r->swap);
	mem_free(r);
}

void *pw_region_memory(struct pw_region *r) { return (void *)(uintptr_t)r->at; }

enum pw_status pw_region_resize(struct pw_region *r, uint64_t ram_bytes)
{
	if (ram_bytes < 64 * PAGER_PAGE || ram_bytes > r->ram_most)
		return PW_E_INVALID;
	return status_of(pager_resize(r->pager, ram_bytes));
}

enum pw_status pw_region_figure(struct pw_region *r, const char *name, double *ret)
{
	struct pager_counts c;
	pager_counts(r->pager, &c);
	const struct { const char *name; uint64_t value; } figures[] = {
		{ "faults.total", c.kernel.faults.total }, { "faults.minor", c.kernel.faults.minor },
		        { "faults.major", c.kernel.faults.major },
		{ "reclaim.evicted", c.kernel.evicted }, { "swap.reads", c.kernel.swap_reads }, { "swap.writes", c.kernel.swap_writes },
		{ "memory.resident_pages", c.kernel.resident_pages }, { "memory.ram_bytes", c.ram_bytes },
	};
	for (unsigned i = 0; i < sizeof figures / sizeof *figures; i++)
		if (strcmp(figures[i].name, name) == 0) {
			*ret = (double)figures[i].value;
			return PW_SUCCESS;
		}
	return PW_E_INVALID;
}
