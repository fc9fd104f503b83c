/* records.h - what readers of binary formats share: from a window of bytes to batches of references.
 *
 * Such a format is records of one size and nothing else: no header, no mark, no length.  A reader is a function that eats whole
 * records.  One that makes no sense is counted as rejected; bytes behind the last whole record make the trace PW_TRUNCATED, after
 * all whole records were given. */
#pragma once
#include "batch.h"
#include "reader.h"
#include <string.h>

enum { RECORDS_WINDOW = 64 << 10 };

struct records;
/* Eats whole records from p up to end, calling batch_add, records_good and records_reject.  => where it stopped: at end, or before the
 * record that does not fit the batch or belongs to another thread; progress is made whenever the batch is empty. */
typedef const uint8_t *records_eat_fn(struct records *r, const uint8_t *p, const uint8_t *end);

struct records {
	struct trace trace;
	struct input *in;
	const struct reader *reader;
	size_t record_bytes;
	records_eat_fn *eat;
	void (*start)(struct records *r); /* at the beginning and after a rewind; NULL: nothing to do */
	void (*fini)(struct records *r);  /* of what follows the struct; NULL: nothing */
	uint64_t record;                  /* records eaten */
	uint32_t pid, tid;                /* of the batch */
	struct batch batch;
};

struct records_kind {
	const struct reader *reader;
	size_t record_bytes, bytes;       /* of a record; of the whole struct, of which struct records is the first member */
	unsigned granule_shift;
	records_eat_fn *eat;
	void (*start)(struct records *r);
	void (*fini)(struct records *r);
};

/* => *ret is zeroed behind struct records, and start has been called. */
must_use enum pw_err records_open(struct input *in, const struct records_kind *kind, struct records **ret, struct pw_why *why);
/* The usual reader's open, for kinds that have nothing to prepare. */
must_use enum pw_err records_open_plain(struct input *in, const struct records_kind *kind, struct trace **ret, struct pw_why *why);

static inline void records_good(struct records *r)
{
	r->record++;
	r->trace.info.records++;
}
/* The record at hand makes no sense: counts it. */
void records_reject(struct records *r);

/* How many of a hundred records make sense, for a reader's begins.  makes_sense sees one record and its number. */
unsigned records_plausible(const uint8_t *first, size_t n, size_t record_bytes,
                           bool (*makes_sense)(const uint8_t *record, uint64_t number));

/* Little-endian members. */
static inline uint16_t get16(const uint8_t *p) { uint16_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "members are read as they lie in memory");

/* Whether some format of page tables could translate it: bits 63 to 56 are copies of one another. */
static inline bool is_canonical(uint64_t address) { return (address + (1ull << 56)) >> 57 == 0; }
