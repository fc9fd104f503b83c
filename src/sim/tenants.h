/* tenants.h - traces that run as guests of one host, side by side, and what each of them has of its memory.
 *
 *      trace 1 --> run: guest 1 --+
 *      trace 2 --> run: guest 2 --+--> one host of less memory than they believe to have --> every so often: balloons_balance()
 *      ...                        |
 */
#pragma once
#include "balloons.h"

struct tenants;

struct tenants_options {
	struct run_options run;  /* of each guest: nested and ram_bytes are set; host_ram_bytes is of all together */
	uint64_t turn;           /* references that one runs before the next one does; nor do its processes take longer turns */
	uint64_t every;          /* references of all between decisions to move memory; 0: it never moves */
	uint64_t step_bytes;     /* at most so much in one */
};

/* The traces outlive it.  => 1 to HYPERVISOR_GUESTS of them; PW_INVALID with why, PW_NOMEM; *ret is NULL then */
must_use enum pw_err tenants_create(const struct tenants_options *o, struct trace *const *trace, unsigned n, struct tenants **ret,
				    struct pw_why *why);
void tenants_destroy(struct tenants *t); /* NULL is allowed */
/* A turn of one of them.  => FAILED: why says what and where */
enum run_state tenants_step(struct tenants *t, struct pw_why *why);
uint64_t tenants_position(const struct tenants *t); /* references of all so far */

struct tenant_figures {
	uint64_t references;
	struct kernel_counts kernel;   /* its own */
	struct balloons_state memory;
};
struct tenants_figures {
	struct kernel_counts host;
	uint64_t host_frames, decisions, moved_frames;
	const char *flaw;              /* NULL, or the broken invariant: then nothing of this is to be trusted */
};
void tenants_figures(struct tenants *t, struct tenants_figures *ret);
void tenants_figures_of(struct tenants *t, unsigned i, struct tenant_figures *ret);
