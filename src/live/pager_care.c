/* pager_care.c - what a pager is asked while it pages: more or less memory, what must stay in it, figures.
 *
 * Problem: memory is taken back from a program that goes on faulting; and some of its mappings it cannot do without for a moment.
 * Idea: less memory comes in steps, with faults served between them.  What stays is locked as it comes, by the kernel's own locks; how much
 * that may be is the limit of locked memory of the kernel's process.
 *
 * 1. Protected mappings are at most PAGER_PROTECT_SHARE of memory when they are made or grow, so a frame for others is always left.
 * 2. The program never learns that pages of its are locked: what locked pages refuse is done all the same, or is a wish. */
#include "pager_impl.h"
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

enum { SLACK_PAGES = 128, RESIZE_STEP = 8 << 20 };

/* How many frames hold pages when so much may be resident: some of it is for pages on their way out. */
uint64_t pager_frames_of(const struct pager *p, uint64_t ram_bytes)
{
	uint64_t frames = ram_bytes / PAGER_PAGE;
	return p->config.personality != PERSONALITY_textbook && frames > 16 * SLACK_PAGES ? frames - SLACK_PAGES : frames;
}

/* ---- mappings that stay ---- */

static bool is_protected_name(const struct pager *p, const char *name)
{
	char pattern[128];
	for (const char *at = p->config.protect; at && *at;) {
		size_t n = strcspn(at, ",");
		snprintf(pattern, sizeof pattern, "%.*s", (int)n, at);
		if (fnmatch(pattern, name, 0) == 0)
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}

void pager_protect_limit(struct pager *p, uint64_t ram_bytes)
{
	process_limit(p->process, PROCESS_LIMIT_lock, PAGER_PROTECT_SHARE(ram_bytes));
}

/* What is called so stays, if that is not too much. */
void pager_protect_named(struct pager *p, uint64_t at, uint64_t bytes, const char *name)
{
	if (is_protected_name(p, name) && process_lock_onfault(p->process, inside(p, at), bytes) != PW_OK)
		p->refused_bytes += bytes;
}

/* A mapping that has grown may be too much now. */
void pager_protect_again(struct pager *p, uint64_t at, uint64_t bytes)
{
	if (!p->config.protect || process_locked_bytes(p->process) <= PAGER_PROTECT_SHARE(p->ram_bytes))
		return;
	enum pw_err err = process_lock(p->process, inside(p, at), bytes, false);
	p->refused_bytes += err ? 0 : bytes;
}

void pager_name(struct pager *p, uint64_t at, uint64_t bytes, const char *name)
{
	bytes = whole_pages(bytes);
	pager_lock(p);
	if (process_name(p->process, inside(p, at), bytes, name) == PW_OK)
		pager_protect_named(p, at, bytes, name);
	pager_unlock(p);
}

/* Advice that the kernel refuses for locked pages: the program does not know that they are. */
enum pw_err pager_protect_advise(struct pager *p, vaddr_t at, uint64_t bytes, int advice)
{
	if (advice == ADVICE_GUARD_INSTALL && process_lock(p->process, at, bytes, false) != PW_OK)
		return PW_NOTMAPPED;
	enum pw_err err = process_advise(p->process, at, bytes, advice == ADVICE_DONTNEED ? ADVICE_DONTNEED_LOCKED : advice);
	bool is_wish = advice == ADVICE_FREE || advice == ADVICE_COLD || advice == ADVICE_PAGEOUT;
	return is_wish && err == PW_INVALID ? PW_OK : err;
}

/* ---- figures ---- */

void pager_counts_locked(struct pager *p, struct pager_counts *ret)
{
	kernel_counts(p->kernel, &ret->kernel);
	pmap_host_counts(p->pmap, &ret->host);
	ret->ram_bytes = p->ram_bytes;
	ret->ram_peak_bytes = p->ram_peak_bytes;
	ret->mapped_bytes = p->mapped_bytes;
	ret->faults_ns = p->faults_ns;
	ret->faults_mixed = p->faults_mixed;
	ret->protected_bytes = p->config.protect ? process_locked_bytes(p->process) : 0;
	ret->refused_bytes = p->refused_bytes;
}

void pager_counts(struct pager *p, struct pager_counts *ret)
{
	pager_lock(p);
	pager_counts_locked(p, ret);
	pager_unlock(p);
}

void pager_mappings(struct pager *p, void (*visit)(void *ctx, const struct mapping_info *m), void *ctx)
{
	pager_lock(p);
	kernel_mappings(p->kernel, visit, ctx);
	pager_unlock(p);
}

void pager_tell(struct pager *p)
{
	pager_lock(p);
	if (p->config.served)
		p->config.served(p->config.ctx);
	pager_unlock(p);
}

const char *pager_flaw(struct pager *p)
{
	pager_lock(p);
	const char *flaw = kernel_flaw(p->kernel);
	if (!flaw)
		flaw = pmap_flaw(process_pmap(p->process));
	pager_unlock(p);
	return flaw;
}

/* ---- more and less memory ---- */

/* One step, and the lock is given back: faults are served between two of them. */
static enum pw_err resize_step(struct pager *p, uint64_t ram_bytes)
{
	pager_lock(p);
	enum pw_err err = kernel_resize(p->kernel, pager_frames_of(p, ram_bytes));
	if (!err) {
		p->ram_bytes = ram_bytes;
		pager_protect_limit(p, ram_bytes);
		p->ram_peak_bytes = ram_bytes > p->ram_peak_bytes ? ram_bytes : p->ram_peak_bytes;
	}
	pmap_host_flush(p->pmap);
	pager_check(p);
	pager_unlock(p);
	return err;
}

enum pw_err pager_resize(struct pager *p, uint64_t ram_bytes)
{
	uint64_t before = p->ram_bytes;
	enum pw_err err = PW_OK;
	if (ram_bytes < PAGER_RAM_LEAST)
		return PW_INVALID;
	if (ram_bytes > p->config.ram_most)
		return PW_LIMIT;
	while (!err && p->ram_bytes > ram_bytes) {
		uint64_t less = p->ram_bytes - ram_bytes;
		err = resize_step(p, p->ram_bytes - (less < RESIZE_STEP ? less : RESIZE_STEP));
	}
	if (!err && p->ram_bytes < ram_bytes)
		err = resize_step(p, ram_bytes);
	if (err && p->ram_bytes < before) {
		enum pw_err back = resize_step(p, before);
		(void)back; /* it had as much a moment ago */
	}
	return err;
}
