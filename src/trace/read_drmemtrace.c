/* read_drmemtrace.c - the records of DynamoRIO's memory tracer (drmemtrace), unpacked from its archive.
 *
 * Definition (DynamoRIO's drcachesim/common/trace_entry.h, version 5 and below, 64-bit; little-endian, packed):
 *
 *     0   u16   type          0 load · 1 store · 10..16, 31, 48, 49 an instruction, fetched · 17 more instructions behind it, their
 *                             lengths in the bytes of the value · 22 these records are of this thread · 24 of this process
 *     2   u16   size          of the access, or a count
 *     4   u64   value         address, number, ...
 *
 * Everything else says nothing about memory that is touched: prefetches, cache flushes, markers, encodings of instructions,
 * instructions that are not fetched again (29), header and footer.  Addresses are exact; an access reaches as far as its size.
 *
 * The tool's own container is a zip archive of chunks: unzip -p FILE | pageworks ... -
 * There is no mark, so a file is recognised by types that exist, with sizes that fit them. */
#include "records.h"

enum {
	RECORD_BYTES = 12, ACCESS_BYTES_MAX = 4096, INSTRUCTION_BYTES_MAX = 64, BUNDLE_MAX = 8,
	TYPE_READ = 0, TYPE_WRITE = 1, TYPE_INSTR = 10, TYPE_INSTR_LAST = 16, TYPE_BUNDLE = 17, TYPE_THREAD = 22, TYPE_THREAD_EXIT = 23,
	TYPE_PID = 24, TYPE_HEADER = 25, TYPE_FOOTER = 26, TYPE_MARKER = 28, TYPE_NO_FETCH = 29, TYPE_SYSENTER = 31,
	TYPE_ENCODING = 47, TYPE_TAKEN = 48, TYPE_UNTAKEN = 49, TYPES = 50,
};

struct drmemtrace {
	struct records r;
	uint64_t next_pc;   /* behind the last instruction */
};

static inline bool is_fetch(unsigned type)
{
	return (type >= TYPE_INSTR && type <= TYPE_INSTR_LAST) || type == TYPE_SYSENTER || type == TYPE_TAKEN || type == TYPE_UNTAKEN;
}

static bool makes_sense(const uint8_t *p, uint64_t number)
{
	unsigned type = get16(p), size = get16(p + 2);
	uint64_t value = get64(p + 4);
	if (number == 0 && type == TYPE_HEADER)
		return value < 64;
	if (type <= TYPE_WRITE)
		return is_canonical(value) && value && size && size <= ACCESS_BYTES_MAX;
	if (is_fetch(type) || type == TYPE_NO_FETCH)
		return is_canonical(value) && value && size && size <= INSTRUCTION_BYTES_MAX;
	if (type == TYPE_THREAD || type == TYPE_PID || type == TYPE_THREAD_EXIT)
		return value && value <= UINT32_MAX && size <= 8;
	if (type == TYPE_MARKER)
		return size < 256;
	return type < TYPES && size <= ACCESS_BYTES_MAX;
}

/* Records of accesses alone have an opening that other things could have by chance: some of them must be instructions or say whose
 * they are. */
static bool names_something(const uint8_t *first, size_t n)
{
	for (size_t at = 0; at + RECORD_BYTES <= n; at += RECORD_BYTES) {
		unsigned type = get16(first + at);
		if (is_fetch(type) || type == TYPE_THREAD || type == TYPE_HEADER)
			return true;
	}
	return false;
}

static unsigned drmemtrace_begins(const uint8_t *first, size_t n)
{
	return names_something(first, n) ? records_plausible(first, n, RECORD_BYTES, makes_sense) : 0;
}

/* => false: the record makes no sense. */
static bool add_bundle(struct drmemtrace *d, const uint8_t *p)
{
	unsigned count = get16(p + 2);
	if (count > BUNDLE_MAX)
		return false;
	for (unsigned i = 0; i < count; i++) {
		batch_add_access(&d->r.batch, d->next_pc, p[4 + i], ACCESS_FETCH);
		d->next_pc += p[4 + i];
	}
	return true;
}

/* A record that is not one access.  => false: it makes no sense. */
static bool add_other(struct drmemtrace *d, unsigned type, const uint8_t *p)
{
	uint64_t value = get64(p + 4);
	if (type == TYPE_BUNDLE)
		return add_bundle(d, p);
	if (type == TYPE_THREAD || type == TYPE_PID) {
		*(type == TYPE_PID ? &d->r.pid : &d->r.tid) = (uint32_t)value;
		return value <= UINT32_MAX;
	}
	return type < TYPES;
}

static const uint8_t *drmemtrace_eat(struct records *r, const uint8_t *p, const uint8_t *end)
{
	struct drmemtrace *d = (struct drmemtrace *)r;
	for (; p < end && batch_has_room(&r->batch); p += RECORD_BYTES) {
		unsigned type = get16(p), size = get16(p + 2);
		bool good = true;
		if (type <= TYPE_WRITE) {
			batch_add_access(&r->batch, get64(p + 4), size, type == TYPE_WRITE ? ACCESS_STORE : ACCESS_LOAD);
		} else if (is_fetch(type)) {
			batch_add_access(&r->batch, get64(p + 4), size, ACCESS_FETCH);
			d->next_pc = get64(p + 4) + size;
		} else if (r->batch.n && (type == TYPE_THREAD || type == TYPE_PID)) {
			break; /* what is in the batch is of the thread before */
		} else {
			good = add_other(d, type, p);
		}
		if (good)
			records_good(r);
		else
			records_reject(r);
	}
	return p;
}

static void drmemtrace_start(struct records *r)
{
	((struct drmemtrace *)r)->next_pc = 0;
}

static enum pw_err drmemtrace_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	static const struct records_kind kind = {
		.reader = &reader_drmemtrace, .record_bytes = RECORD_BYTES, .bytes = sizeof(struct drmemtrace), .eat = drmemtrace_eat,
		.start = drmemtrace_start,
	};
	return records_open_plain(in, &kind, ret, why);
}

const struct reader reader_drmemtrace = {
	.name = "drmemtrace", .example = "(12-byte records)", .begins = drmemtrace_begins, .open = drmemtrace_open,
};
