/* read_champsim.c - the instruction traces of ChampSim, in both layouts.
 *
 * Definition (ChampSim's inc/trace_instruction.h; little-endian, no header, usually .xz or .gz):
 *
 *     offset        64 bytes ("champsim")       96 bytes ("champsim96": CloudSuite traces, SPARC)
 *      0   u64      ip                          ip
 *      8   u8, u8   is a branch, taken          the same
 *     10   u8[]     2 + 4 registers             4 + 4 registers, padding
 *     16   u64[2]   stored to                   24   u64[4]   stored to
 *     32   u64[4]   loaded from                 56   u64[4]   loaded from
 *                                               88   u8[2]    address space, padding
 *
 * A record is one instruction: a fetch at ip, then a load for each source address, then a store for each destination; an address of
 * 0 is an empty place.  No sizes are given, so each is one reference.  One process, thread 1: files hold one core each, and the
 * address-space bytes of the larger layout are not believed (ChampSim itself does not look at them).  Addresses are exact.
 *
 * There is no mark, so a file is recognised by records that could be instructions (flags of 0 or 1, a branch that is taken is a
 * branch, an ip and addresses that some machine could translate) and that follow each other as instructions do. */
#include "records.h"

enum { INSTRUCTION_BYTES_MAX = 16, PAIRS_LEAST = 8 };

struct layout {
	unsigned bytes, stores, n_stores, loads, n_loads;
};
static const struct layout small = { 64, 16, 2, 32, 4 }, large = { 96, 24, 4, 56, 4 };

static inline __attribute__((always_inline)) bool is_instruction(const uint8_t *p, const struct layout *l)
{
	uint64_t ip = get64(p);
	if (!ip || !is_canonical(ip) || p[8] > 1 || p[9] > p[8])
		return false;
	for (unsigned i = 0; i < l->n_stores; i++) {
		if (!is_canonical(get64(p + l->stores + 8 * i)))
			return false;
	}
	for (unsigned i = 0; i < l->n_loads; i++) {
		if (!is_canonical(get64(p + l->loads + 8 * i)))
			return false;
	}
	return true;
}

static inline __attribute__((always_inline)) const uint8_t *eat(struct records *r, const uint8_t *p, const uint8_t *end,
                                                                const struct layout *l)
{
	for (; p < end && batch_has_room(&r->batch); p += l->bytes) {
		if (!is_instruction(p, l)) {
			records_reject(r);
			continue;
		}
		batch_add(&r->batch, get64(p), ACCESS_FETCH);
		for (unsigned i = 0; i < l->n_loads; i++) {
			uint64_t address = get64(p + l->loads + 8 * i);
			if (address)
				batch_add(&r->batch, address, ACCESS_LOAD);
		}
		for (unsigned i = 0; i < l->n_stores; i++) {
			uint64_t address = get64(p + l->stores + 8 * i);
			if (address)
				batch_add(&r->batch, address, ACCESS_STORE);
		}
		records_good(r);
	}
	return p;
}

static const uint8_t *small_eat(struct records *r, const uint8_t *p, const uint8_t *end) { return eat(r, p, end, &small); }
static const uint8_t *large_eat(struct records *r, const uint8_t *p, const uint8_t *end) { return eat(r, p, end, &large); }

static bool small_makes_sense(const uint8_t *p, uint64_t number)
{
	(void)number;
	return is_instruction(p, &small);
}

/* The padding is zero in files that were written with care; garbage in it would be a reason to doubt, not to refuse. */
static bool large_makes_sense(const uint8_t *p, uint64_t number)
{
	(void)number;
	return is_instruction(p, &large);
}

/* Most instructions of a program stand a few bytes behind the one before; a quarter of them is asked for. */
static bool walks_on(const uint8_t *first, size_t n, const struct layout *l)
{
	uint64_t pairs = n / l->bytes, near = 0;
	for (uint64_t i = 1; i < pairs; i++)
		near += get64(first + i * l->bytes) - get64(first + (i - 1) * l->bytes) <= INSTRUCTION_BYTES_MAX;
	return pairs < PAIRS_LEAST || near >= pairs / 4;
}

static unsigned small_begins(const uint8_t *first, size_t n)
{
	return walks_on(first, n, &small) ? records_plausible(first, n, 64, small_makes_sense) : 0;
}

static unsigned large_begins(const uint8_t *first, size_t n)
{
	return walks_on(first, n, &large) ? records_plausible(first, n, 96, large_makes_sense) : 0;
}

static enum pw_err small_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	static const struct records_kind kind = {
		.reader = &reader_champsim, .record_bytes = 64, .bytes = sizeof(struct records), .eat = small_eat,
	};
	return records_open_plain(in, &kind, ret, why);
}

static enum pw_err large_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	static const struct records_kind kind = {
		.reader = &reader_champsim96, .record_bytes = 96, .bytes = sizeof(struct records), .eat = large_eat,
	};
	return records_open_plain(in, &kind, ret, why);
}

const struct reader reader_champsim = {
	.name = "champsim", .example = "(64-byte instructions)", .begins = small_begins, .open = small_open,
};
const struct reader reader_champsim96 = {
	.name = "champsim96", .example = "(96-byte instructions)", .begins = large_begins, .open = large_open,
};
