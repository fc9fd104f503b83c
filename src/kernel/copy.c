/* copy.c - bytes of a process as the kernel moves them, in runs that carry data.
 *
 * Problem: a library user, or a system call, reads and writes a program's memory without being the program.
 * Idea: page by page: the translation if it allows the access, else a fault as the program would have taken it, then the frame's
 * own bytes.  What the pmap cannot see is noted in the frame's flags.
 *
 * 1. A page is copied only through a translation that allows it at that moment.
 * 2. An error leaves the bytes before the failing page copied. */
#include "process.h"
#include "state.h"
#include <string.h>

enum { ATTEMPTS = 8 };

static enum pw_err fault_error(struct fault_report r, vaddr_t va, struct pw_why *why)
{
	enum pw_err err = r.outcome == FAULT_OUTCOME_REFUSED ? PW_ACCESS : r.outcome == FAULT_OUTCOME_BUS ? PW_IO : PW_NOFRAMES;
	return pw_fail(why, err, "address 0x%llx: %s", (unsigned long long)va.v, r.why);
}

/* The frame of the page at va, mapped for this access. */
static enum pw_err frame_for(struct process *p, vaddr_t va, enum access_kind kind, uint32_t *ret, struct pw_why *why)
{
	unsigned need = kind == ACCESS_STORE ? PMAP_WRITE : PMAP_READ;
	for (int i = 0; i < ATTEMPTS; i++) {
		struct pmap_mapping m;
		if (p->alive && pmap_extract(p->pmap, vpn_of(va, p->kernel->config.page_shift), &m) && m.prot & need) {
			*ret = (uint32_t)(m.pfn.v + vpn_of(va, p->kernel->config.page_shift).v - m.vpn.v);
			return PW_OK;
		}
		struct fault_report r = process_fault(p, 0, va, kind);
		if (r.outcome != FAULT_OUTCOME_RESOLVED)
			return fault_error(r, va, why);
	}
	return pw_fail(why, PW_BUSY, "address 0x%llx: the page does not stay in memory", (unsigned long long)va.v);
}

static void page_used(struct kernel *k, uint32_t f, enum access_kind kind)
{
	const struct policy_ops *policy = k->config.policy;
	if (kernel_frame(k, f)->state == FRAME_ZERO)
		return;
	kernel_frame(k, f)->flags |= kind == ACCESS_STORE ? FRAME_DIRTY : 0;
	f = kernel_unit(k, f);
	struct frame *frame = kernel_frame(k, f);
	frame->flags |= FRAME_REFERENCED;
	if (frame->flags & FRAME_LISTED && policy->sees >= POLICY_SEES_RECENCY)
		policy->touch(k->policy, slot_of_frame(&k->frames, f));
}

static enum pw_err space_copy(struct process *p, vaddr_t va, uint8_t *out, const uint8_t *in, uint64_t n, struct pw_why *why)
{
	struct kernel *k = p->kernel;
	if (!k->config.carries_data)
		return pw_fail(why, PW_UNSUPPORTED, "this run carries addresses only: there are no bytes to copy");
	for (uint64_t done = 0; done < n;) {
		vaddr_t at = vaddr_add(va, done);
		uint64_t offset = at.v & (kernel_page_bytes(k) - 1), part = kernel_page_bytes(k) - offset;
		uint32_t f = FRAME_NONE;
		enum access_kind kind = in ? ACCESS_STORE : ACCESS_LOAD;
		enum pw_err err = frame_for(p, at, kind, &f, why);
		if (err)
			return err;
		if (part > n - done)
			part = n - done;
		if (in)
			memcpy((uint8_t *)page_bytes(k, f) + offset, in + done, part);
		else
			memcpy(out + done, (uint8_t *)page_bytes(k, f) + offset, part);
		page_used(k, f, kind);
		done += part;
	}
	return PW_OK;
}

enum pw_err process_copy_in(struct process *p, vaddr_t va, const void *bytes, uint64_t n, struct pw_why *why)
{
	return space_copy(p, va, NULL, bytes, n, why);
}

enum pw_err process_copy_out(struct process *p, vaddr_t va, void *bytes, uint64_t n, struct pw_why *why)
{
	return space_copy(p, va, bytes, NULL, n, why);
}
