/* hdd.c - the time a rotating disk takes, which depends on where its head is.
 *
 * Problem: on a rotating disk the order of slots decides everything: why swap is written in clusters can only be seen with a model
 * that has a head.
 * Idea: a transfer that begins where the last one ended costs only its bytes.  Any other costs a seek, which grows with the square
 * root of the distance (the arm accelerates half way and brakes half way), and half a revolution until the slot comes round.
 *
 *     seek = track_ns + (stroke_ns - track_ns) * sqrt(distance / capacity)
 *
 * 1. head is the slot after the last one transferred.
 * The defaults are those of an ordinary 7200 rpm disk; each is a parameter: hdd:rpm=7200,track_ns=1000000,stroke_ns=15000000,
 * bytes_per_s=150M.  A store without a capacity counts as one of 2^28 slots, 1 TiB of base pages.
 * Source: C. Ruemmler, J. Wilkes, "An introduction to disk drive modeling", IEEE Computer 27 (1994). */
#include "../base/mem.h"
#include "kind.h"
#include <math.h>

#define HDD_SLOTS_ASSUMED (1ull << 28)

struct hdd {
	struct store store;
	uint64_t rpm, track_ns, stroke_ns, bytes_per_s;
	uint64_t head;
};

static uint64_t hdd_seek_ns(const struct hdd *m, uint64_t slot)
{
	uint64_t distance = slot > m->head ? slot - m->head : m->head - slot;
	uint64_t capacity = m->store.n_slots == UINT64_MAX ? HDD_SLOTS_ASSUMED : m->store.n_slots;
	double share = distance < capacity ? (double)distance / (double)capacity : 1.0;
	double extra = m->stroke_ns > m->track_ns ? (double)(m->stroke_ns - m->track_ns) : 0.0;
	return m->track_ns + (uint64_t)(extra * sqrt(share));
}

static uint64_t hdd_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	struct hdd *m = (struct hdd *)s;
	uint64_t ns = store_transfer_ns(s, n, m->bytes_per_s);
	(void)d;
	if (slot != m->head)
		ns += hdd_seek_ns(m, slot) + 60000000000ull / m->rpm / 2;
	m->head = slot + n;
	return ns;
}

static void hdd_close(struct store *s)
{
	mem_free(s);
}

static const struct store_ops hdd_ops = {
	.name = "hdd",
	.summary = "a model of a rotating disk with a head: time only",
	.read = store_model_read,
	.write = store_model_write,
	.discard = store_model_discard,
	.cost_ns = hdd_cost_ns,
	.close = hdd_close,
};

static enum pw_err hdd_open(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why)
{
	struct hdd model = {
		.store = *like, .rpm = 7200, .track_ns = 1000000, .stroke_ns = 15000000, .bytes_per_s = 150ull << 20,
	};
	const struct store_param param[] = {
		{ "rpm", &model.rpm },
		{ "track_ns", &model.track_ns },
		{ "stroke_ns", &model.stroke_ns },
		{ "bytes_per_s", &model.bytes_per_s },
	};
	enum pw_err err = store_params("hdd", spec->args, param, 4, why);
	struct hdd *m = err ? NULL : mem_alloc(sizeof *m);
	if (!m)
		return err ? err : pw_fail(why, PW_NOMEM, "store hdd: %s", pw_err_text(PW_NOMEM));
	*m = model;
	m->store.ops = &hdd_ops;
	*ret = &m->store;
	return PW_OK;
}

const struct store_kind store_kind_hdd = { .ops = &hdd_ops, .form = "hdd", .open = hdd_open };
