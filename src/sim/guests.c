/* guests.c - putting several guests on one host.
 *
 * Problem: guests are whole computers, each with a kernel of its own that knows nothing of the others; they meet only in the host.
 * Idea: the host is made first, for all of them, and each is told which of its guests it is.
 *
 * 1. Guests go before their host. */
#include "guests.h"
#include "run_impl.h"
#include "../base/mem.h"

struct guests {
	struct run_options opt;  /* the host points into it */
	struct hypervisor *host;
	struct balloons *balloons;
	struct computer *computer[HYPERVISOR_GUESTS];
	unsigned n;
};

unsigned guests_n(const struct guests *g) { return g->n; }
struct computer *guests_computer(struct guests *g, unsigned i) { return g->computer[i]; }
struct balloons *guests_balloons(struct guests *g) { return g->balloons; }

static enum pw_err check(const struct run_options *o, unsigned n, struct pw_why *why)
{
	if (n < 1 || n > HYPERVISOR_GUESTS)
		return pw_fail(why, PW_INVALID, "guests=%u: a host has 1 to %d of them", n, HYPERVISOR_GUESTS);
	if (!o->nested)
		return pw_fail(why, PW_INVALID, "guests=%u: guests need a host; say nested=ept or another format for it", n);
	if (!o->ram_bytes)
		return pw_fail(why, PW_INVALID, "guests=%u: say how much memory each believes it has, such as ram=1M", n);
	return PW_OK;
}

static enum pw_err guest_add(struct guests *g, uint64_t spare_frames, struct pw_why *why)
{
	const struct computer_parts parts = { .spare_frames = spare_frames, .host = g->host, .guest = g->n };
	enum pw_err err = computer_create(&g->opt, &parts, &g->computer[g->n], why);
	if (!err)
		balloons_add(g->balloons, computer_kernel(g->computer[g->n++]));
	return err;
}

enum pw_err guests_create(const struct run_options *o, uint64_t spare_frames, unsigned n, struct guests **ret, struct pw_why *why)
{
	*ret = NULL;
	enum pw_err err = check(o, n, why);
	if (err)
		return err;
	struct guests *g = mem_zalloc(1, sizeof *g);
	if (!g)
		return pw_fail(why, PW_NOMEM, "out of memory for guests");
	g->opt = *o;
	err = hypervisor_create(&g->opt, run_frames(o) + spare_frames, n, &g->host, why);
	if (!err && balloons_create(g->host, &g->balloons) != PW_OK)
		err = pw_fail(why, PW_NOMEM, "out of memory for guests");
	while (!err && g->n < n)
		err = guest_add(g, spare_frames, why);
	if (err)
		guests_destroy(g);
	else
		*ret = g;
	return err;
}

void guests_destroy(struct guests *g)
{
	if (!g)
		return;
	for (unsigned i = 0; i < g->n; i++)
		computer_destroy(g->computer[i]);
	balloons_destroy(g->balloons);
	hypervisor_destroy(g->host);
	mem_free(g);
}

const char *guests_flaw(struct guests *g)
{
	const char *flaw = balloons_flaw(g->balloons);
	for (unsigned i = 0; !flaw && i < g->n; i++)
		flaw = machine_flaw(computer_machine(g->computer[i]));
	return flaw;
}
