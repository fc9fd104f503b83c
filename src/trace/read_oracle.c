/* read_oracle.c - requests to a cache, as libCacheSim's oracleGeneral has them.
 *
 * Definition (libCacheSim; little-endian, packed, no header, usually .zst):
 *
 *     0   u32   time in seconds, never falling
 *     4   u64   object
 *     12  u32   its size in bytes
 *     16  i64   number of the next request for this object, counted from 1; -1 or INT64_MAX: none comes
 *
 * Every request is one load of the page that stands for the object (numbers.h): a cache of objects of one size.  Sizes are not
 * looked at, nor is the next request: what needs the future finds it in the trace.  One process, thread 1; the granule is the
 * 4 KiB page.
 *
 * There is no mark.  A file is recognised by times that do not fall and requests that lie ahead. */
#include "records.h"
#include "numbers.h"
#include "../base/mem.h"

enum { RECORD_BYTES = 24, PAGE_SHIFT = 12, SIZE_MOST = 1 << 30 };

struct oracle {
	struct records r;
	struct numbers numbers;
};

static bool makes_sense(const uint8_t *p, uint64_t number)
{
	int64_t next = (int64_t)get64(p + 16);
	uint32_t before = number ? get32(p - RECORD_BYTES) : 0;
	return get32(p) >= before && get32(p + 12) <= SIZE_MOST && (next == -1 || next == INT64_MAX || (next > (int64_t)number && next < 1ll << 48));
}

/* A next request that is within the window must be for the same object. */
static bool keeps_its_word(const uint8_t *first, size_t n)
{
	uint64_t records = n / RECORD_BYTES, kept = 0, broken = 0;
	for (uint64_t i = 0; i < records; i++) {
		uint64_t next = get64(first + i * RECORD_BYTES + 16), object = get64(first + i * RECORD_BYTES + 4);
		if (next >= records || next <= i)
			continue;
		bool from_one = next && get64(first + (next - 1) * RECORD_BYTES + 4) == object;
		bool good = from_one || get64(first + next * RECORD_BYTES + 4) == object;
		kept += good;
		broken += !good;
	}
	return broken <= kept / 50;
}

static unsigned oracle_begins(const uint8_t *first, size_t n)
{
	unsigned sure = records_plausible(first, n, RECORD_BYTES, makes_sense);
	return keeps_its_word(first, n) ? sure : 0;
}

static const uint8_t *oracle_eat(struct records *r, const uint8_t *p, const uint8_t *end)
{
	struct oracle *o = (struct oracle *)r;
	uint64_t page;
	for (; p < end && batch_has_room(&r->batch); p += RECORD_BYTES) {
		if (!numbers_of(&o->numbers, get64(p + 4), &page)) {
			r->trace.error = pw_fail(&r->trace.why, PW_NOMEM, "%s: out of memory for the objects", input_name(r->in));
			return p;
		}
		batch_add(&r->batch, page << PAGE_SHIFT, ACCESS_LOAD);
		records_good(r);
	}
	return p;
}

static void oracle_start(struct records *r)
{
	struct oracle *o = (struct oracle *)r;
	if (o->numbers.given.slot)
		numbers_clear(&o->numbers);
}

static void oracle_fini(struct records *r)
{
	numbers_fini(&((struct oracle *)r)->numbers);
}

static enum pw_err oracle_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	static const struct records_kind kind = {
		.reader = &reader_oracle, .record_bytes = RECORD_BYTES, .bytes = sizeof(struct oracle), .granule_shift = PAGE_SHIFT,
		.eat = oracle_eat, .start = oracle_start, .fini = oracle_fini,
	};
	struct records *r;
	*ret = NULL;
	enum pw_err err = records_open(in, &kind, &r, why);
	if (err)
		return err;
	if (numbers_init(&((struct oracle *)r)->numbers)) {
		err = pw_fail(why, PW_NOMEM, "%s: out of memory while opening", input_name(in));
		trace_close(&r->trace);
		return err;
	}
	*ret = &r->trace;
	return PW_OK;
}

const struct reader reader_oracle = {
	.name = "oracle", .example = "(24-byte requests: oracleGeneral)", .begins = oracle_begins, .open = oracle_open,
};
