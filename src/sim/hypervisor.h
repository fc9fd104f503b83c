/* hypervisor.h - the host below a run whose machine is a guest: a machine and a kernel of its own, and one process, whose address
 * space is the guest's physical memory.
 *
 * The guest's machine asks the host's for every physical address (machine/nested.c); when that is not mapped, the run hands the
 * fault down here, as it hands the guest's own faults to the guest's kernel.  So the host pages its guest: it gives frames when
 * they are first touched, and with less memory than the guest believes it has, takes them back and swaps. */
#pragma once
#include "run.h"

struct hypervisor;

/* A host for a guest of so many frames on so many CPUs; o->nested and its kin say what it is like, and o must outlive it.
 * => PW_INVALID with why, PW_NOMEM; *ret is NULL then */
must_use enum pw_err hypervisor_create(const struct run_options *o, uint64_t guest_frames, struct hypervisor **ret, struct pw_why *why);
void hypervisor_destroy(struct hypervisor *h);
struct machine *hypervisor_machine(struct hypervisor *h);
/* Serves a fault of kind MACHINE_FAULT_HOST.  => false: the host has no memory for it, or none it may give */
bool hypervisor_fault(struct hypervisor *h, unsigned cpu, const struct machine_stop *stop);
/* The guest's kernel has filled a frame of its memory (zeros, a page read from a disk): to the host a store like any other.
 * => false: the host has no memory for it */
bool hypervisor_filled(struct hypervisor *h, unsigned cpu, pfn_t frame);
/* What it did so far; guest is the machine on it. */
void hypervisor_counts(struct hypervisor *h, const struct machine *guest, struct result_nested *ret);
/* NULL or the broken invariant, of its machine or its kernel. */
const char *hypervisor_flaw(struct hypervisor *h);
