/* pack.c - compressed memory: the kinds lz4 and zstd.
 *
 * Problem: memory is faster than any device and most pages compress to a third; but each has another size, some do not compress, and
 * a fault waits for it.
 * Idea: a page is compressed outside of any lock, with tables of a lane, into the lane's buffer; then it is copied into a slab of its
 * size.  A page that would not save an eighth is kept as it is: reading it costs a copy.  A reader expands straight from the slab
 * into the caller's page.
 *
 *     record of a slot:   reference into the slabs (42 bits) | bytes (22 bits)       0: nothing;  bytes == page_bytes: as it is
 *
 * 1. Readers hold the lock shared, so that nothing moves; writers hold it alone, but only to copy a page.
 * 2. packed, raw: sums over the records.
 * 3. An object of a slab belongs to the slot whose record names it.
 * Rejected: packing several pages as one (a fault would expand all of them), a lane for each thread (threads are the caller's). */
#include "../base/mem.h"
#include "kind.h"
#include "lane.h"
#include "slab.h"
#include <lz4.h>
#include <pthread.h>
#include <string.h>
#include <zstd.h>

#define BYTES_BITS 22
#define BYTES_MASK ((1u << BYTES_BITS) - 1)
enum { MOVES_MAX = 64 }; /* objects moved in one write: what a write may cost is bounded */

/* One way to compress.  state is a lane's own. */
struct codec {
	const char *name;
	uint64_t write_ns, read_ns; /* for 4 KiB, modelled: measured on a server of 2022 */
	void *(*open)(uint32_t page_bytes, int level);
	void (*close)(void *state);
	/* => 0: it does not fit into max bytes */
	uint32_t (*pack)(void *state, const void *page, uint32_t bytes, void *to, uint32_t max, int level);
	/* => false: not what pack made */
	bool (*unpack)(void *state, const void *from, uint32_t bytes, void *page, uint32_t page_bytes);
};
struct pack_lane {
	struct lane lane;
	void *state;
	uint8_t *buffer;
};
struct pack {
	struct store store;
	const struct codec *codec;
	int level;
	struct slots slots; /* a record each */
	struct slab_pool *slabs;
	pthread_rwlock_t lock;
	struct pack_lane lane[LANES];
	uint64_t packed, raw, moved, capacity;
};

static void *lz4_open(uint32_t page_bytes, int level)
{
	(void)page_bytes, (void)level;
	return mem_zalloc(1, (size_t)LZ4_sizeofState());
}

static uint32_t lz4_pack(void *state, const void *page, uint32_t bytes, void *to, uint32_t max, int level)
{
	int n = LZ4_compress_fast_extState(state, page, to, (int)bytes, (int)max, level);
	return n > 0 ? (uint32_t)n : 0;
}

static bool lz4_unpack(void *state, const void *from, uint32_t bytes, void *page, uint32_t page_bytes)
{
	(void)state;
	return LZ4_decompress_safe(from, page, (int)bytes, (int)page_bytes) == (int)page_bytes;
}

static const struct codec codec_lz4 = {
	.name = "lz4", .write_ns = 8800, .read_ns = 1700,
	.open = lz4_open, .close = mem_free, .pack = lz4_pack, .unpack = lz4_unpack,
};

struct zstd_state {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *expand;
};

static void zstd_close(void *state)
{
	struct zstd_state *z = state;
	if (!z)
		return;
	ZSTD_freeCCtx(z->compress);
	ZSTD_freeDCtx(z->expand);
	mem_free(z);
}

static uint32_t zstd_pack(void *state, const void *page, uint32_t bytes, void *to, uint32_t max, int level)
{
	size_t n = ZSTD_compressCCtx(((struct zstd_state *)state)->compress, to, max, page, bytes, level);
	return ZSTD_isError(n) ? 0 : (uint32_t)n;
}

static bool zstd_unpack(void *state, const void *from, uint32_t bytes, void *page, uint32_t page_bytes)
{
	return ZSTD_decompressDCtx(((struct zstd_state *)state)->expand, page, page_bytes, from, bytes) == page_bytes;
}

/* The library takes its tables from the heap at the first page: that happens here, not in a fault. */
static void *zstd_open(uint32_t page_bytes, int level)
{
	struct zstd_state *z = mem_zalloc(1, sizeof *z);
	uint8_t *page = mem_zalloc(2, page_bytes);
	if (z) {
		z->compress = ZSTD_createCCtx();
		z->expand = ZSTD_createDCtx();
	}
	bool ok = z && page && z->compress && z->expand &&
	          !ZSTD_isError(ZSTD_compressCCtx(z->compress, page + page_bytes, page_bytes, page, page_bytes, level));
	mem_free(page);
	if (ok)
		return z;
	zstd_close(z);
	return NULL;
}

static const struct codec codec_zstd = {
	.name = "zstd", .write_ns = 15500, .read_ns = 5400,
	.open = zstd_open, .close = zstd_close, .pack = zstd_pack, .unpack = zstd_unpack,
};

static uint64_t record_of(slab_ref ref, uint32_t bytes)
{
	return ref << BYTES_BITS | bytes;
}

static enum pw_err pack_read_one(struct pack *p, struct pack_lane *lane, uint64_t slot, void *page, struct pw_why *why)
{
	uint64_t record = slots_word(&p->slots, slot);
	uint32_t bytes = (uint32_t)(record & BYTES_MASK), page_bytes = p->store.page_bytes;
	if (!record) {
		memset(page, 0, page_bytes);
		return PW_OK;
	}
	const void *from = slab_bytes(p->slabs, record >> BYTES_BITS);
	if (bytes == page_bytes)
		memcpy(page, from, page_bytes);
	else if (!p->codec->unpack(lane->state, from, bytes, page, page_bytes))
		return pw_fail(why, PW_CORRUPT, "store %s: slot %llu: its compressed bytes are damaged", p->codec->name,
		               (unsigned long long)slot);
	return PW_OK;
}

static struct pack_lane *lane_enter(struct pack *p)
{
	struct lane *all[LANES];
	for (int i = 0; i < LANES; i++)
		all[i] = &p->lane[i].lane;
	return (struct pack_lane *)lane_take(all);
}

static enum pw_err pack_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	struct pack *p = (struct pack *)s;
	enum pw_err err = PW_OK;
	struct pack_lane *lane = lane_enter(p);
	for (uint32_t i = 0; !err && i < n; i++) {
		pthread_rwlock_rdlock(&p->lock);
		err = pack_read_one(p, lane, slot[i], pages[i], why);
		pthread_rwlock_unlock(&p->lock);
	}
	lane_leave(&lane->lane);
	return err;
}

/* => the lock is held alone, for these three */
static void record_count(struct pack *p, uint64_t record, int64_t sign)
{
	uint32_t bytes = (uint32_t)(record & BYTES_MASK);
	if (bytes == p->store.page_bytes)
		p->raw += (uint64_t)sign;
	else
		p->packed += (uint64_t)sign * bytes;
}

static void record_drop(struct pack *p, uint64_t *record)
{
	if (!*record)
		return;
	record_count(p, *record, -1);
	slab_give(p->slabs, *record >> BYTES_BITS);
	*record = 0;
}

static void pack_tidy(struct pack *p)
{
	uint32_t owner;
	slab_ref from, to;
	for (int i = 0; i < MOVES_MAX && slab_move(p->slabs, &owner, &from, &to); i++) {
		uint64_t *leaf = slots_leaf(&p->slots, owner), *record = &leaf[owner % SLOTS_LEAF];
		*record = record_of(to, (uint32_t)(*record & BYTES_MASK));
		slab_give(p->slabs, from);
		p->moved++;
	}
}

/* Puts bytes into the slabs as the contents of slot. */
static enum pw_err pack_put(struct pack *p, uint64_t slot, uint64_t *record, const void *from, uint32_t bytes)
{
	bool nomem = false;
	pthread_rwlock_wrlock(&p->lock);
	slab_ref ref = *record >> BYTES_BITS;
	if (ref && slab_fits(p->slabs, ref, bytes)) {
		record_count(p, *record, -1);
	} else {
		record_drop(p, record); /* first, so that a full store can be written over */
		ref = slab_take(p->slabs, bytes, (uint32_t)slot, &nomem);
	}
	if (ref) {
		memcpy(slab_bytes(p->slabs, ref), from, bytes);
		*record = record_of(ref, bytes);
		record_count(p, *record, 1);
	}
	pack_tidy(p);
	pthread_rwlock_unlock(&p->lock);
	return ref ? PW_OK : nomem ? PW_NOMEM : PW_NOSPACE;
}

static enum pw_err pack_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	struct pack *p = (struct pack *)s;
	struct pack_lane *lane = lane_enter(p);
	enum pw_err err = PW_OK;
	uint64_t at = 0;
	for (uint32_t i = 0; !err && i < n; i++) {
		uint64_t *leaf = slots_make(&p->slots, at = slot[i]);
		uint32_t bytes = p->codec->pack(lane->state, pages[i], s->page_bytes, lane->buffer, s->page_bytes / 8 * 7, p->level);
		err = !leaf ? PW_NOMEM : pack_put(p, at, &leaf[at % SLOTS_LEAF], bytes ? lane->buffer : pages[i],
		                                  bytes ? bytes : s->page_bytes);
	}
	lane_leave(&lane->lane);
	if (err == PW_NOSPACE)
		return pw_fail(why, err, "store %s: slot %llu: its capacity of %llu bytes is used up", p->codec->name,
		               (unsigned long long)at, (unsigned long long)p->capacity);
	return err ? pw_fail(why, err, "store %s: slot %llu: %s", p->codec->name, (unsigned long long)at, pw_err_text(err)) : err;
}

static void pack_discard(struct store *s, uint64_t slot, uint32_t n)
{
	struct pack *p = (struct pack *)s;
	pthread_rwlock_wrlock(&p->lock);
	for (uint64_t i = slot; i < slot + n; i++) {
		uint64_t *leaf = slots_leaf(&p->slots, i);
		if (leaf)
			record_drop(p, &leaf[i % SLOTS_LEAF]);
	}
	pack_tidy(p);
	pthread_rwlock_unlock(&p->lock);
}

static void pack_stats(struct store *s, struct store_stats *sum)
{
	struct pack *p = (struct pack *)s;
	pthread_rwlock_rdlock(&p->lock);
	sum->memory_bytes += slab_held_bytes(p->slabs);
	sum->packed_bytes += p->packed;
	sum->raw += p->raw;
	sum->moved += p->moved;
	pthread_rwlock_unlock(&p->lock);
}

static uint64_t pack_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	const struct codec *c = ((struct pack *)s)->codec;
	(void)slot;
	return (d == STORE_READ ? c->read_ns : c->write_ns) * s->page_bytes * n / 4096;
}

static void pack_close(struct store *s)
{
	struct pack *p = (struct pack *)s;
	for (int i = 0; i < LANES; i++) {
		if (p->lane[i].state)
			p->codec->close(p->lane[i].state);
		mem_free(p->lane[i].buffer);
		lane_fini(&p->lane[i].lane);
	}
	slab_destroy(p->slabs);
	slots_fini(&p->slots);
	pthread_rwlock_destroy(&p->lock);
	mem_free(p);
}

static bool pack_build(struct pack *p)
{
	bool ok = slots_init(&p->slots, p->store.n_slots, SLOTS_LEAF, SLOTS_LEAF * sizeof(uint64_t));
	p->slabs = slab_create(p->store.page_bytes, p->capacity);
	for (int i = 0; i < LANES; i++) {
		p->lane[i].state = p->codec->open(p->store.page_bytes, p->level);
		p->lane[i].buffer = mem_alloc(p->store.page_bytes);
		ok = ok && p->lane[i].state && p->lane[i].buffer;
	}
	return ok && p->slabs;
}

static enum pw_err pack_open(const struct codec *codec, const struct store_ops *ops, const struct store_spec *spec,
                             const struct store *like, struct store **ret, struct pw_why *why)
{
	uint64_t level = 1, slab_bytes = 16ull * like->page_bytes;
	const struct store_param param[] = { { "level", &level } };
	enum pw_err err = store_params(codec->name, spec->args, param, 1, why);
	if (!err && like->page_bytes > 2u << 20)
		err = pw_fail(why, PW_UNSUPPORTED, "store %s: pages of more than 2 MiB are not compressed", codec->name);
	if (!err && level > 19)
		err = pw_fail(why, PW_INVALID, "store %s: level=%llu; write 1 to 19", codec->name, (unsigned long long)level);
	if (!err && spec->capacity && spec->capacity < slab_bytes)
		err = pw_fail(why, PW_INVALID, "store %s: a capacity of %llu bytes is less than one slab of %llu", codec->name,
		              (unsigned long long)spec->capacity, (unsigned long long)slab_bytes);
	struct pack *p = err ? NULL : mem_zalloc(1, sizeof *p);
	if (!p)
		return err ? err : pw_fail(why, PW_NOMEM, "store %s: %s", codec->name, pw_err_text(PW_NOMEM));
	p->store = store_of_kind(like, ops);
	p->codec = codec;
	p->level = (int)level;
	p->capacity = spec->capacity ? spec->capacity : UINT64_MAX;
	pthread_rwlock_init(&p->lock, NULL);
	for (int i = 0; i < LANES; i++)
		lane_init(&p->lane[i].lane);
	if (!pack_build(p)) {
		pack_close(&p->store);
		return pw_fail(why, PW_NOMEM, "store %s: %s", codec->name, pw_err_text(PW_NOMEM));
	}
	*ret = &p->store;
	return PW_OK;
}

#define PACK_OPS(word, text) { \
	.name = word, .summary = text, .read = pack_read, .write = pack_write, .discard = pack_discard, \
	.stats = pack_stats, .cost_ns = pack_cost_ns, .close = pack_close, \
}
static const struct store_ops lz4_ops = PACK_OPS("lz4", "compressed memory: quick");
static const struct store_ops zstd_ops = PACK_OPS("zstd", "compressed memory: smaller, slower");

static enum pw_err lz4_kind_open(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why)
{
	return pack_open(&codec_lz4, &lz4_ops, spec, like, ret, why);
}

static enum pw_err zstd_kind_open(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why)
{
	return pack_open(&codec_zstd, &zstd_ops, spec, like, ret, why);
}

const struct store_kind store_kind_lz4 = { .ops = &lz4_ops, .form = "lz4[=SIZE]", .sized = true, .open = lz4_kind_open };
const struct store_kind store_kind_zstd = { .ops = &zstd_ops, .form = "zstd[=SIZE]", .sized = true, .open = zstd_kind_open };
