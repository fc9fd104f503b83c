/* hypervisor.h - the host below machines that are guests: a machine and a kernel of its own, and for each guest a process, whose address
 * space is the guest's physical memory.
 *
 * A guest's machine asks the host's for every physical address (machine/nested.c); when that is not mapped, the run hands the
 * fault down here, as it hands the guest's own faults to the guest's kernel.  So the host pages its guests: it gives frames when
 * they are first touched, and with less memory than the guests believe they have, takes them back and swaps.
 *
 * Guests are numbered from 0.  CPU c of guest g is CPU hypervisor_cpu(h, g) + c of the host. */
#pragma once
#include "run.h"

struct hypervisor;

enum { HYPERVISOR_GUESTS = 16 };

/* A host for n guests of so many frames on so many CPUs each; o->nested and its kin say what it is like, and o must outlive it.
 * => n is 1 to HYPERVISOR_GUESTS; PW_INVALID with why, PW_NOMEM; *ret is NULL then */
must_use enum pw_err hypervisor_create(const struct run_options *o, uint64_t guest_frames, unsigned n, struct hypervisor **ret,
				       struct pw_why *why);
void hypervisor_destroy(struct hypervisor *h);
struct machine *hypervisor_machine(struct hypervisor *h);
unsigned hypervisor_cpu(const struct hypervisor *h, unsigned guest);
/* Serves a fault of kind MACHINE_FAULT_HOST.  => false: the host has no memory for it, or none it may give */
bool hypervisor_fault(struct hypervisor *h, unsigned guest, unsigned cpu, const struct machine_stop *stop);
/* The guest's kernel uses a frame of its memory: it fills it, or reads it to write it out.  To the host that is an access like any.
 * => false: the host has no memory for it */
bool hypervisor_access(struct hypervisor *h, unsigned guest, unsigned cpu, pfn_t frame, enum access_kind kind);
/* The guest has given this frame up: what the host has behind it, in memory or in swap, goes. */
void hypervisor_drop(struct hypervisor *h, unsigned guest, pfn_t frame);

/* What it did so far; guest is the machine on it that is asked about. */
void hypervisor_counts(struct hypervisor *h, const struct machine *guest, struct result_nested *ret);
/* What it has of one guest. */
struct hypervisor_share {
	uint64_t frames;         /* that the guest believes it has */
	uint64_t resident_pages, swapped_pages;
	struct fault_counts faults;
};
void hypervisor_share(struct hypervisor *h, unsigned guest, struct hypervisor_share *ret); /* looks at every page of it */
uint64_t hypervisor_guest_frames(const struct hypervisor *h);
struct fault_counts hypervisor_faults(const struct hypervisor *h, unsigned guest);
/* Frames for guests: all that are no page tables. */
uint64_t hypervisor_capacity(struct hypervisor *h);
/* Calls visit for every frame of the guest that the host has something of. */
void hypervisor_backed(struct hypervisor *h, unsigned guest, void (*visit)(void *ctx, pfn_t frame), void *ctx);
/* NULL or the broken invariant, of its machine or its kernel. */
const char *hypervisor_flaw(struct hypervisor *h);
