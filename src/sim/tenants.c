/* tenants.c - several runs, a turn at a time, over one host.
 *
 * Problem.  How many guests fit on a host, and what does it cost when they do not?  Each alone has no answer: they compete.
 * Idea.  A run is stepped from outside already, and a run can be a guest; so several are stepped in turn, and between turns the host
 * decides who has how much memory.
 *
 * 1. A guest whose trace has ended keeps its memory until somebody else needs it.
 * 2. Decisions are made between turns, when no reference is under way.
 * Rejected: one machine whose processes are the guests (a guest has a kernel and page tables of its own: that is what it is about). */
#include "tenants.h"
#include "run_impl.h"
#include "../base/mem.h"

struct tenants {
	struct tenants_options opt; /* the host points into it */
	struct hypervisor *host;
	struct balloons *balloons;
	struct run *run[HYPERVISOR_GUESTS];
	unsigned n, next;
	uint64_t due;            /* position of the next decision */
	uint64_t decisions, moved;
};

static enum pw_err run_add(struct tenants *t, struct trace *trace, struct pw_why *why)
{
	struct run *r;
	enum pw_err err = run_create_guest(&t->opt.run, t->host, t->n, &r, why);
	if (err)
		return err;
	t->run[t->n++] = r;
	balloons_add(t->balloons, r->kernel);
	return run_begin(r, trace, why);
}

enum pw_err tenants_create(const struct tenants_options *o, struct trace *const *trace, unsigned n, struct tenants **ret,
			   struct pw_why *why)
{
	*ret = NULL;
	if (!n || n > HYPERVISOR_GUESTS)
		return pw_fail(why, PW_INVALID, "%u guests: a host has 1 to %d of them", n, HYPERVISOR_GUESTS);
	struct tenants *t = mem_zalloc(1, sizeof *t);
	if (!t)
		return pw_fail(why, PW_NOMEM, "out of memory for guests");
	t->opt = *o;
	if (!o->run.quantum || o->run.quantum > o->turn)
		t->opt.run.quantum = o->turn; /* no piece of a trace is longer than that */
	t->due = o->every ? o->every : UINT64_MAX;
	enum pw_err err = hypervisor_create(&t->opt.run, run_frames(&o->run), n, &t->host, why);
	if (!err && balloons_create(t->host, &t->balloons) != PW_OK)
		err = pw_fail(why, PW_NOMEM, "out of memory for guests");
	for (unsigned i = 0; !err && i < n; i++)
		err = run_add(t, trace[i], why);
	if (err)
		tenants_destroy(t);
	else
		*ret = t;
	return err;
}

void tenants_destroy(struct tenants *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->n; i++)
		run_destroy(t->run[i]);
	balloons_destroy(t->balloons);
	hypervisor_destroy(t->host);
	mem_free(t);
}

uint64_t tenants_position(const struct tenants *t)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < t->n; i++)
		sum += run_position(t->run[i]);
	return sum;
}

/* The next guest whose trace goes on.  => NULL: all have ended */
static struct run *next_run(struct tenants *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		struct run *r = t->run[t->next];
		t->next = (t->next + 1) % t->n;
		if (r->state == RUN_GOING)
			return r;
	}
	return NULL;
}

static void memory_move(struct tenants *t)
{
	uint64_t now = tenants_position(t);
	if (now < t->due)
		return;
	struct balloons_move m = balloons_balance(t->balloons, t->opt.step_bytes >> t->opt.run.format.page_shift);
	t->decisions++;
	t->moved += m.frames;
	t->due = now + t->opt.every;
}

enum run_state tenants_step(struct tenants *t, struct pw_why *why)
{
	struct run *r = next_run(t);
	if (!r)
		return RUN_ENDED;
	uint64_t end = run_position(r) + t->opt.turn;
	enum run_state state = RUN_GOING;
	while (state == RUN_GOING && run_position(r) < end)
		state = run_step(r);
	if (state == RUN_FAILED) {
		run_error(r, why);
		return state;
	}
	memory_move(t);
	return RUN_GOING;
}

static const char *flaw_of(struct tenants *t)
{
	const char *flaw = balloons_flaw(t->balloons);
	for (unsigned i = 0; !flaw && i < t->n; i++)
		flaw = machine_flaw(t->run[i]->machine);
	return flaw;
}

void tenants_figures(struct tenants *t, struct tenants_figures *ret)
{
	struct result_nested n = { .present = false };
	hypervisor_counts(t->host, t->run[0]->machine, &n);
	*ret = (struct tenants_figures){
		.host = n.kernel, .host_frames = hypervisor_capacity(t->host), .decisions = t->decisions, .moved_frames = t->moved,
		.flaw = flaw_of(t),
	};
}

void tenants_figures_of(struct tenants *t, unsigned i, struct tenant_figures *ret)
{
	ret->references = run_position(t->run[i]);
	kernel_counts(t->run[i]->kernel, &ret->kernel);
	balloons_look(t->balloons, i, &ret->memory);
}
