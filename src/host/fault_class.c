/* fault_class.c - the rules that give a fault its class.
 *
 * Problem.  The kernel tells an address and whether there was input or output, nothing else; every tool stops there.
 *
 * Idea.  The kind of mapping asks the question, the history of the page and the instruction answer it:
 *
 *     private memory   new page?  load: zero_read, store: first_touch; touched before a fork: copy_on_write;
 *                      only loaded from so far: zero_write
 *     private file     store: copy_on_write; load: file_cached or, with input, file_read
 *     shared file      the same without the copy; store after load: file_dirtied
 *
 * 1. What two causes explain equally well is unknown.
 * 2. A fault has one class, so the classes add up to the faults.
 *
 * Rejected: looking at /proc/PID/pagemap after each fault (late: the page may have changed again, or the process be gone); the
 * tracepoint of page faults, which knows load from store (root only).
 * Source: do_user_addr_fault, handle_pte_fault and do_wp_page of Linux, for which faults exist. */
#include "fault_class.h"
#include <string.h>

enum { PAGE_SHIFT = 12, STACK_NEAR = 128 << 10 };

static const struct { const char *name, *how; } class_text[] = {
#define X(name, how) { #name, how },
	FAULT_CLASS_LIST(X)
#undef X
};

const char *fault_class_name(enum fault_class c) { return class_text[c].name; }
const char *fault_class_how(enum fault_class c) { return class_text[c].how; }

/* What the rules look at. */
struct view {
	const char *name;
	const struct space_mapping *m;
	const struct fault_record *r;
	enum fault_access access;
	uint64_t page;      /* what is known of it; 0 when it is new */
	bool known;
	bool before_fork;   /* it was touched before the last fork */
};

static bool may_store(const struct view *v) { return v->access == FAULT_STORE || v->access == FAULT_UNTOLD; }

static bool on_stack(const struct view *v)
{
	uint64_t sp = v->r->reg[RECORD_SP], address = v->r->address;
	if (strcmp(v->name, "[stack]") == 0)
		return true;
	if (!v->r->has_regs || strcmp(v->name, "[heap]") == 0 || sp < v->m->node.start || sp >= v->m->node.end)
		return false;
	return address - sp + STACK_NEAR < 2 * STACK_NEAR;
}

static enum fault_class of_private_memory(const struct view *v)
{
	if (v->r->major || v->page & PAGE_SWAPPED)
		return FAULT_swap_in;
	if (!v->known && v->m->unseen)
		return FAULT_unknown;
	if (!v->known)
		return on_stack(v) ? FAULT_stack : v->access == FAULT_LOAD ? FAULT_zero_read : FAULT_first_touch;
	if (v->page & PAGE_DOUBTFUL || !may_store(v))
		return FAULT_unknown;
	if (v->page & PAGE_ZERO)
		return FAULT_zero_write;
	return v->before_fork ? FAULT_copy_on_write : FAULT_unknown;
}

/* A page of a private file is the file's until it is stored to; then it is like private memory. */
static enum fault_class of_private_file(const struct view *v)
{
	if (v->r->major)
		return v->page & PAGE_OWN ? FAULT_swap_in : FAULT_file_read;
	if (v->page & PAGE_DOUBTFUL || (!v->known && v->m->unseen))
		return FAULT_unknown;
	if (v->access == FAULT_STORE)
		return v->page & PAGE_OWN && !v->before_fork ? FAULT_unknown : FAULT_copy_on_write;
	if (v->page & PAGE_OWN)
		return FAULT_unknown;
	if (v->access == FAULT_UNTOLD && v->m->prot & 2)
		return v->page & PAGE_ZERO ? FAULT_copy_on_write : FAULT_unknown;
	return FAULT_file_cached;
}

static bool is_shared_memory(const char *name)
{
	static const char *const begins[] = { "/dev/zero", "/memfd:", "/SYSV", "/dev/shm/" };
	for (unsigned i = 0; i < sizeof begins / sizeof *begins; i++)
		if (strncmp(name, begins[i], strlen(begins[i])) == 0)
			return true;
	return !*name;
}

static enum fault_class of_shared(const struct view *v)
{
	if (is_shared_memory(v->name))
		return v->r->major ? FAULT_swap_in : FAULT_shared_memory;
	if (v->r->major)
		return FAULT_file_read;
	return v->access == FAULT_STORE && v->page & PAGE_ZERO ? FAULT_file_dirtied : FAULT_file_cached;
}

static bool is_lent(const char *name) { return strncmp(name, "[v", 2) == 0; }

enum fault_class fault_classify(const struct spaces *all, const struct space *s, const struct space_mapping *m,
                                const struct fault_record *r, enum fault_access access)
{
	if (!m)
		return FAULT_unknown;
	struct view v = { .name = spaces_name(all, m->name), .m = m, .r = r, .access = access };
	v.known = space_page(s, r->address >> PAGE_SHIFT, &v.page);
	v.before_fork = v.known && v.page >> PAGE_FORKS_SHIFT < space_forks(s);
	if (is_lent(v.name))
		return FAULT_kernel_page;
	if (m->shared)
		return of_shared(&v);
	return m->anonymous ? of_private_memory(&v) : of_private_file(&v);
}

/* Did the page stay the zeros or the file's, or is it the process's own now? */
static unsigned page_after(const struct space_mapping *m, enum fault_access access, enum fault_class c)
{
	if (c == FAULT_copy_on_write || c == FAULT_zero_write || c == FAULT_first_touch || c == FAULT_swap_in || c == FAULT_file_dirtied)
		return PAGE_OWN;
	if (c == FAULT_unknown && access != FAULT_STORE)
		return PAGE_DOUBTFUL;
	if (c == FAULT_stack)
		return access == FAULT_LOAD ? PAGE_ZERO : PAGE_OWN;
	return m && access == FAULT_STORE ? PAGE_OWN : PAGE_ZERO;
}

enum pw_err fault_remember(struct space *s, const struct space_mapping *m, const struct fault_record *r, enum fault_access access,
                           enum fault_class c)
{
	uint64_t first = r->address >> PAGE_SHIFT, n = 1;
	if (r->page_bytes > 1u << PAGE_SHIFT && (r->page_bytes & (r->page_bytes - 1)) == 0 && m) {
		n = r->page_bytes >> PAGE_SHIFT;
		first &= ~(n - 1);
	}
	if (n > 1u << 18)
		n = 1;
	return space_touch(s, first, n, page_after(m, access, c));
}
