/* balloons.c - memory moved between guests.
 *
 * Problem.  Each guest was given what it may need at most; all together that is more than the host has.  When the host then takes pages by
 * itself it knows least of all which: it takes what the guest was about to evict, or is about to use.
 *
 * Idea.  A price for memory: how many faults a guest took that memory would have spared, for each frame it has.  Memory goes from the
 * lowest price to the highest, a little at a time, and each move changes the prices: who lost too much will fault, and get it back.
 *
 *      too little for all      what guests do not use; then lower the limit of the cheapest, again and again, until all limits fit
 *      enough                  one move: from what is left over, else from the cheapest to the dearest, if it is much dearer
 *
 * Needed are pages that had to leave, and pages that come back: of the guest's own swap and files, and of the host's swap.  A first touch
 * would have come anyway.
 *
 * 1. balloon = frames the guest believes it has - limit.
 * 2. The host has nothing of a frame in a balloon, and of a guest no more pages than its limit.
 * 3. Of used frames at most half as many move as the faults they promise to spare, less twice those of who gives them, and a small part of
 *    what he has.
 * 4. A move that cannot be made whole is made in part, and says how much.
 * 5. Who was dear at some limit is not brought down to it again soon: a program that goes round in what it uses shows no need until it
 *    has a page too few, and then nothing but need.  What it needed there is remembered, an eighth less after each decision.
 *
 * Rejected: sampling which pages are idle (the guest's kernel counts what returns, which is what matters); a move at any difference of
 * prices (two equal guests would pass the same memory to and fro).
 * Source: C. A. Waldspurger, Memory Resource Management in VMware ESX Server, OSDI 2002 (balloons; min-funding revocation: who pays least
 * for a page loses it). */
#include "balloons.h"
#include "../base/mem.h"

/* DEARER: a price must be that many times another for memory to move.  GIVE_PART: nobody gives more of what is used than one in so many
 * frames at a time, for nobody knows yet what that will cost. */
enum { DEARER = 2, GIVE_PART = 16 };

struct guest {
	struct kernel *kernel;
	uint64_t need_base;      /* at the last decision */
	uint64_t felt_need, felt_limit; /* the most it needed, and with how much memory: fades */
	uint64_t need;           /* from then to the one that is being made: what that itself costs does not count */
	struct kernel_counts counts_base;
	struct fault_counts faults_base; /* the host's, both at balloons_count() */
};

struct balloons {
	struct hypervisor *host;
	struct guest guest[HYPERVISOR_GUESTS];
	unsigned n;
};

enum pw_err balloons_create(struct hypervisor *host, struct balloons **ret)
{
	*ret = mem_zalloc(1, sizeof **ret);
	if (!*ret)
		return PW_NOMEM;
	(*ret)->host = host;
	return PW_OK;
}

void balloons_destroy(struct balloons *b) { mem_free(b); }
void balloons_add(struct balloons *b, struct kernel *guest) { b->guest[b->n++] = (struct guest){ .kernel = guest }; }

/* ---- what there is ---- */

static struct kernel_counts guest_counts(const struct balloons *b, unsigned i)
{
	struct kernel_counts k;
	kernel_counts(b->guest[i].kernel, &k);
	return k;
}

static struct hypervisor_share share_of(struct balloons *b, unsigned i)
{
	struct hypervisor_share s;
	hypervisor_share(b->host, i, &s);
	return s;
}

static uint64_t limit_of(const struct balloons *b, unsigned i)
{
	return hypervisor_guest_frames(b->host) - guest_counts(b, i).balloon_frames;
}

static uint64_t need_ever(struct balloons *b, unsigned i)
{
	struct kernel_counts k = guest_counts(b, i);
	return k.faults.major + k.evicted + hypervisor_faults(b->host, i).major;
}

/* Nothing for who has frames that hold nothing. */
static double price_of(struct balloons *b, unsigned i)
{
	return guest_counts(b, i).spare_frames ? 0 : (double)(b->guest[i].need + 1) / (double)limit_of(b, i);
}

static void need_settle(struct guest *g, uint64_t ever) { g->need = ever - g->need_base; }

static void need_feel(struct guest *g, uint64_t limit)
{
	g->felt_need -= (g->felt_need + 7) / 8;
	if (g->need <= g->felt_need)
		return;
	g->felt_need = g->need;
	g->felt_limit = limit;
}

void balloons_look(struct balloons *b, unsigned guest, struct balloons_state *ret)
{
	struct guest *g = &b->guest[guest];
	need_settle(g, need_ever(b, guest));
	struct kernel_counts k = guest_counts(b, guest);
	*ret = (struct balloons_state){
		.share = share_of(b, guest), .limit = limit_of(b, guest), .balloon = k.balloon_frames,
		.guest_major = k.faults.major - g->counts_base.faults.major, .guest_evicted = k.evicted - g->counts_base.evicted,
		.need = g->need, .price = price_of(b, guest),
	};
	fault_counts_take_off(&ret->share.faults, &g->faults_base);
}

void balloons_count(struct balloons *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		b->guest[i].counts_base = guest_counts(b, i);
		b->guest[i].faults_base = hypervisor_faults(b->host, i);
	}
}

/* ---- limits ---- */

struct lending {
	struct balloons *b;
	unsigned guest;
};

static void frame_moved(void *ctx, pfn_t f, bool taken)
{
	const struct lending *l = ctx;
	if (taken)
		hypervisor_drop(l->b->host, l->guest, f);
}

/* => PW_NOFRAMES: it has what limit_of says now */
static enum pw_err limit_set(struct balloons *b, unsigned guest, uint64_t frames)
{
	struct lending l = { b, guest };
	return kernel_balloon(b->guest[guest].kernel, hypervisor_guest_frames(b->host) - frames, frame_moved, &l);
}

enum pw_err balloons_limit(struct balloons *b, unsigned guest, uint64_t frames, struct pw_why *why)
{
	unsigned long long all = hypervisor_guest_frames(b->host);
	if (frames > all)
		return pw_fail(why, PW_INVALID, "guest %u believes it has %llu frames and cannot have %llu", guest + 1, all,
		               (unsigned long long)frames);
	enum pw_err err = limit_set(b, guest, frames);
	return err ? pw_fail(why, err, "guest %u keeps %llu frames of %llu: no other page of it can leave", guest + 1,
	                     (unsigned long long)limit_of(b, guest), all) : PW_OK;
}

/* ---- the policy ---- */

static uint64_t limits_sum(struct balloons *b)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < b->n; i++)
		sum += limit_of(b, i);
	return sum;
}

/* Has the first a lower price, or as low a one and more that it does not use? */
static bool is_cheaper(struct balloons *b, unsigned i, unsigned than)
{
	double price = price_of(b, i), other = price_of(b, than);
	return price < other || (price <= other && guest_counts(b, i).spare_frames > guest_counts(b, than).spare_frames);
}

/* The guest of the lowest price that is not marked in skip; of the highest, of those with a balloon.  => -1: none */
static int cheapest(struct balloons *b, uint32_t skip)
{
	int best = -1;
	for (unsigned i = 0; i < b->n; i++)
		if (!(skip >> i & 1) && (best < 0 || is_cheaper(b, i, (unsigned)best)))
			best = (int)i;
	return best;
}

static int dearest(struct balloons *b)
{
	int best = -1;
	for (unsigned i = 0; i < b->n; i++)
		if (guest_counts(b, i).balloon_frames && (best < 0 || price_of(b, i) > price_of(b, (unsigned)best)))
			best = (int)i;
	return best;
}

/* Lowers a limit: where that costs nothing, only as far as it does not.  => by how much */
static uint64_t take(struct balloons *b, unsigned guest, uint64_t n)
{
	uint64_t before = limit_of(b, guest), unused = guest_counts(b, guest).spare_frames;
	n = unused && unused < n ? unused : n;
	enum pw_err err = limit_set(b, guest, before > n ? before - n : 0);
	(void)err; /* what could be had is counted */
	return before - limit_of(b, guest);
}

static uint64_t give(struct balloons *b, unsigned guest, uint64_t n)
{
	uint64_t balloon = guest_counts(b, guest).balloon_frames, before = limit_of(b, guest);
	enum pw_err err = limit_set(b, guest, before + (n < balloon ? n : balloon));
	(void)err; /* a balloon that shrinks needs nothing */
	return limit_of(b, guest) - before;
}

/* Limits are lowered, n frames a time, until they fit or nobody can give more. */
static struct balloons_move make_fit(struct balloons *b, uint64_t over, uint64_t n)
{
	struct balloons_move m = { .from = -1, .to = -1, .why = "the limits were more than the host has" };
	uint32_t skip = 0;
	for (int from; m.frames < over && (from = cheapest(b, skip)) >= 0;) {
		uint64_t got = take(b, (unsigned)from, over - m.frames < n ? over - m.frames : n);
		m.frames += got;
		m.from = got ? from : m.from;
		skip |= got ? 0 : 1u << from;
	}
	return m;
}

/* Of at most n.  A frame that is used costs its owner an eviction, and a fault if the page comes back: as many as that must be spared
 * elsewhere. */
static uint64_t worth_moving(struct balloons *b, unsigned from, unsigned to, uint64_t n)
{
	const struct guest *g = &b->guest[from];
	uint64_t unused = guest_counts(b, from).spare_frames, limit = limit_of(b, from), more = b->guest[to].need;
	if (unused)
		return unused < n ? unused : n;
	bool is_felt = limit < g->felt_limit + n && g->felt_need > g->need;
	uint64_t less = DEARER * (is_felt ? g->felt_need : g->need), worth = more > less ? (more - less) / 2 : 0;
	worth = worth < limit / GIVE_PART ? worth : limit / GIVE_PART;
	return worth < n ? worth : n;
}

static struct balloons_move move_some(struct balloons *b, uint64_t spare, uint64_t n)
{
	struct balloons_move m = { .from = -1, .to = dearest(b), .why = "nobody needs more than he has" };
	if (m.to < 0 || !b->guest[m.to].need)
		return m;
	m.why = "it was free, and pages came back that had to leave";
	m.frames = give(b, (unsigned)m.to, spare < n ? spare : n);
	if (m.frames)
		return m;
	m.from = cheapest(b, 1u << m.to);
	m.why = "pages came back that had to leave, and are needed more than where they were";
	uint64_t part = m.from < 0 ? 0 : worth_moving(b, (unsigned)m.from, (unsigned)m.to, n);
	uint64_t balloon = guest_counts(b, (unsigned)m.to).balloon_frames;
	if (!part || price_of(b, (unsigned)m.to) < DEARER * price_of(b, (unsigned)m.from))
		m.why = "nobody needs memory much more than the others";
	else
		m.frames = give(b, (unsigned)m.to, take(b, (unsigned)m.from, part < balloon ? part : balloon));
	return m;
}

struct balloons_move balloons_balance(struct balloons *b, uint64_t n)
{
	uint64_t sum = limits_sum(b), capacity = hypervisor_capacity(b->host);
	n = n ? n : 1;
	for (unsigned i = 0; i < b->n; i++) {
		need_settle(&b->guest[i], need_ever(b, i));
		need_feel(&b->guest[i], limit_of(b, i));
	}
	struct balloons_move m = sum > capacity ? make_fit(b, sum - capacity, n) : move_some(b, capacity - sum, n);
	for (unsigned i = 0; i < b->n; i++)
		b->guest[i].need_base = need_ever(b, i);
	return m;
}

/* ---- laws ---- */

struct inspection {
	struct kernel *guest;
	bool wrong;
};

static void frame_inspect(void *ctx, pfn_t f)
{
	struct inspection *in = ctx;
	struct frame_info info;
	if (!kernel_frame_describe(in->guest, f, &info) || info.role == FRAME_ROLE_BALLOON)
		in->wrong = true;
}

const char *balloons_flaw(struct balloons *b)
{
	const char *flaw = hypervisor_flaw(b->host);
	for (unsigned i = 0; !flaw && i < b->n; i++)
		flaw = kernel_flaw(b->guest[i].kernel);
	if (flaw)
		return flaw;
	for (unsigned i = 0; i < b->n; i++) {
		struct inspection in = { .guest = b->guest[i].kernel };
		struct hypervisor_share s = share_of(b, i);
		hypervisor_backed(b->host, i, frame_inspect, &in);
		if (in.wrong)
			return "balloons: the host has something of a frame that is in a balloon";
		if (s.resident_pages + s.swapped_pages > limit_of(b, i))
			return "balloons: the host has more pages of a guest than its limit";
	}
	return NULL;
}
