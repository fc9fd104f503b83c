/* lab_guests.c - several guests of one host, one of them at hand at a time.
 *
 * Problem: every command of the lab is about one computer, and guests are several.
 * Idea: what the lab knows of a computer is one structure.  One guest's lies where all commands look; the others' are put aside, and
 * "guest N" exchanges the two.
 *
 * 1. guest[at_guest] is out of date; all others are what they were when they were left. */
#include "lab_impl.h"
#include "../base/mem.h"
#include <string.h>

#define BALANCE_BYTES (256u << 10)

enum pw_err lab_guests_prepare(struct guests *guests, struct lab_computer **ret)
{
	unsigned n = guests_n(guests);
	struct lab_computer *g = mem_zalloc(n, sizeof *g);
	enum pw_err err = g ? PW_OK : PW_NOMEM;
	for (unsigned i = 1; !err && i < n; i++) { /* of the first, which is at hand, that is not used */
		g[i].computer = guests_computer(guests, i);
		computer_base_take(g[i].computer, &g[i].base);
		err = htab_init(&g[i].page_index, 64);
	}
	for (unsigned i = 1; err && g && i < n; i++)
		htab_fini(&g[i].page_index);
	if (err)
		mem_free(g);
	else
		*ret = g;
	return err;
}

void lab_guests_go(struct lab *l, unsigned guest)
{
	l->guest[l->at_guest] = l->here;
	l->here = l->guest[guest];
	l->at_guest = guest;
}

void lab_guests_count(struct lab *l)
{
	if (!l->guests)
		return;
	for (unsigned i = 0; i < guests_n(l->guests); i++)
		computer_base_take(guests_computer(l->guests, i), &l->guest[i].base);
	balloons_count(guests_balloons(l->guests));
}

/* => false: the line has failed */
static bool guest_number(struct lab *l, const char *word, unsigned *ret)
{
	uint64_t n;
	if (!l->guests) {
		lab_fail(l, "there are no guests; 'machine nested=ept guests=2 ram=1M hostram=1M' makes some");
		return false;
	}
	if (!lab_number(l, "guest", word, &n))
		return false;
	if (n < 1 || n > guests_n(l->guests)) {
		lab_fail(l, "guest %s: there are %u, numbered from 1", word, guests_n(l->guests));
		return false;
	}
	*ret = (unsigned)n - 1;
	return true;
}

enum lab_outcome lab_guest(struct lab *l, const struct lab_line *line)
{
	unsigned guest;
	if (!guest_number(l, line->word[0], &guest))
		return LAB_ERROR;
	lab_guests_go(l, guest);
	lab_tell(l, "lines are for guest %u now\n", guest + 1);
	return LAB_DONE;
}

static char *frames_text(const struct lab *l, uint64_t frames, char buf[32]) { return text_bytes(buf, 32, frames << lab_shift(l)); }

enum lab_outcome lab_balloon(struct lab *l, const struct lab_line *line)
{
	unsigned guest;
	uint64_t bytes;
	struct balloons_state s;
	struct pw_why why = { "" };
	char balloon[32], limit[32];
	if (!guest_number(l, line->word[0], &guest) || !lab_number(l, "size", line->word[1], &bytes))
		return LAB_ERROR;
	balloons_look(guests_balloons(l->guests), guest, &s);
	uint64_t frames = bytes >> lab_shift(l);
	if (frames > s.share.frames)
		return lab_fail(l, "balloon: guest %u believes it has %s, and cannot give up %s", guest + 1,
		                frames_text(l, s.share.frames, limit), line->word[1]);
	enum pw_err err = balloons_limit(guests_balloons(l->guests), guest, s.share.frames - frames, &why);
	balloons_look(guests_balloons(l->guests), guest, &s);
	if (err)
		lab_tell(l, "%s\n", why.text); /* what it has given up it has */
	lab_tell(l, "guest %u: its balloon has %s, it may have %s; its kernel has evicted %llu pages\n", guest + 1,
	         frames_text(l, s.balloon, balloon), frames_text(l, s.limit, limit), (unsigned long long)s.guest_evicted);
	return LAB_DONE;
}

enum lab_outcome lab_balance(struct lab *l, const struct lab_line *line)
{
	unsigned ignored;
	uint64_t bytes = BALANCE_BYTES;
	char text[32], from[32] = "what was free", to[32] = "their host";
	if (!guest_number(l, "1", &ignored) || (line->n && !lab_number(l, "size", line->word[0], &bytes)))
		return LAB_ERROR;
	struct balloons_move m = balloons_balance(guests_balloons(l->guests), bytes >> lab_shift(l));
	if (m.from >= 0 && m.to >= 0)
		snprintf(from, sizeof from, "guest %d", m.from + 1);
	else if (m.to < 0)
		snprintf(from, sizeof from, "guests");
	if (m.to >= 0)
		snprintf(to, sizeof to, "guest %d", m.to + 1);
	if (m.frames)
		lab_tell(l, "%s from %s to %s: %s\n", frames_text(l, m.frames, text), from, to, m.why);
	else
		lab_tell(l, "nothing is moved: %s\n", m.why);
	return LAB_DONE;
}

static void guest_show(struct lab *l, unsigned i)
{
	struct balloons_state s;
	char all[32], limit[32], balloon[32], has[32], swapped[32];
	balloons_look(guests_balloons(l->guests), i, &s);
	fprintf(l->out, "  %c%5u %9s %9s %9s %9s %9s %10llu %9llu %10llu\n", i == l->at_guest ? '*' : ' ', i + 1,
	        frames_text(l, s.share.frames, all), frames_text(l, s.limit, limit), frames_text(l, s.balloon, balloon),
	        frames_text(l, s.share.resident_pages, has), frames_text(l, s.share.swapped_pages, swapped),
	        (unsigned long long)s.share.faults.total, (unsigned long long)s.share.faults.major, (unsigned long long)s.guest_major);
}

enum lab_outcome lab_guests_show(struct lab *l)
{
	unsigned ignored;
	char text[32];
	if (!guest_number(l, "1", &ignored))
		return LAB_ERROR;
	fprintf(l->out, "  %6s %9s %9s %9s %9s %9s %10s %9s %10s\n", "guest", "believes", "may have", "balloon", "host has", "host swap",
	        "host fault", "of them I/O", "its own I/O");
	for (unsigned i = 0; i < guests_n(l->guests); i++)
		guest_show(l, i);
	fprintf(l->out, "  the host has %s for them\n", frames_text(l, hypervisor_capacity(computer_host(l->computer)), text));
	const char *flaw = guests_flaw(l->guests);
	if (flaw)
		fprintf(l->out, "  %s\n", flaw);
	return LAB_DONE;
}

static void put(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

void lab_guests_figures(struct lab *l, json_t *root)
{
	for (unsigned i = 0; l->guests && i < guests_n(l->guests); i++) {
		struct balloons_state s;
		char name[16];
		json_t *g = json_object();
		balloons_look(guests_balloons(l->guests), i, &s);
		put(g, "limit", s.limit);
		put(g, "balloon", s.balloon);
		put(g, "host_resident", s.share.resident_pages);
		put(g, "host_swapped", s.share.swapped_pages);
		put(g, "host_faults", s.share.faults.total);
		put(g, "host_major", s.share.faults.major);
		put(g, "major", s.guest_major);
		put(g, "evicted", s.guest_evicted);
		snprintf(name, sizeof name, "guest%u", i + 1);
		json_object_set_new(root, name, g);
	}
}
