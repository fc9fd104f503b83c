/* read_vscsi.c - block requests of virtual machines, as VMware's vscsiStats records them, in both versions.
 *
 * Definition (as libCacheSim reads them; little-endian, no header):
 *
 *     version 1, 32 bytes                          version 2, 40 bytes
 *      0  u32  serial number                        0  u16  command
 *      4  u32  length in bytes                      2  u16  version, in the upper byte: 2
 *      8  u32  scatter-gather entries               4  u32  serial number
 *     12  u16  command                              8  u32  length in bytes
 *     14  u16  version, in the upper byte: 1       12  u32  scatter-gather entries
 *     16  u64  first block of 512 bytes            16  u64  first block of 512 bytes
 *     24  u64  time in microseconds                24  u64  time in microseconds
 *                                                  32  u64  response time
 *
 * The disk is one long address: block n is the address n * 512.  Reading commands are loads and writing ones stores of every page of
 * 4 KiB that the request reaches into; other commands (flush, mode sense) are records that are no reference.  One process, thread 1;
 * the granule is the block. */
#include "records.h"

enum { BYTES_1 = 32, BYTES_2 = 40, BLOCK_SHIFT = 9, LENGTH_MAX = 1 << 30 };

static const struct layout {
	unsigned bytes, command, version, length;
} layouts[] = { { BYTES_1, 12, 1, 4 }, { BYTES_2, 0, 2, 8 } };

/* SCSI block commands: READ and WRITE of 6, 10, 12 and 16 bytes. */
static bool is_read(unsigned command) { return command == 0x08 || command == 0x28 || command == 0xa8 || command == 0x88; }
static bool is_write(unsigned command) { return command == 0x0a || command == 0x2a || command == 0xaa || command == 0x8a; }

static inline __attribute__((always_inline)) bool is_request(const uint8_t *p, const struct layout *l)
{
	return get16(p + l->command + 2) >> 8 == l->version && get16(p + l->command) < 256 && get64(p + 16) < 1ull << 50 &&
	       get32(p + l->length) <= LENGTH_MAX;
}

static inline __attribute__((always_inline)) const uint8_t *eat(struct records *r, const uint8_t *p, const uint8_t *end,
                                                                const struct layout *l)
{
	for (; p < end && batch_has_room(&r->batch); p += l->bytes) {
		unsigned command = get16(p + l->command);
		if (!is_request(p, l)) {
			records_reject(r);
			continue;
		}
		if (is_read(command) || is_write(command))
			batch_add_access(&r->batch, get64(p + 16) << BLOCK_SHIFT, get32(p + l->length),
			                 is_write(command) ? ACCESS_STORE : ACCESS_LOAD);
		records_good(r);
	}
	return p;
}

static const uint8_t *eat_1(struct records *r, const uint8_t *p, const uint8_t *end) { return eat(r, p, end, &layouts[0]); }
static const uint8_t *eat_2(struct records *r, const uint8_t *p, const uint8_t *end) { return eat(r, p, end, &layouts[1]); }

static bool makes_sense_1(const uint8_t *p, uint64_t number)
{
	(void)number;
	return is_request(p, &layouts[0]);
}

static bool makes_sense_2(const uint8_t *p, uint64_t number)
{
	(void)number;
	return is_request(p, &layouts[1]);
}

/* How many of a hundred requests make sense as this version. */
static unsigned version_begins(unsigned version, const uint8_t *first, size_t n)
{
	return version == 1 ? records_plausible(first, n, BYTES_1, makes_sense_1) : records_plausible(first, n, BYTES_2, makes_sense_2);
}

static unsigned vscsi_begins(const uint8_t *first, size_t n)
{
	unsigned one = version_begins(1, first, n), two = version_begins(2, first, n);
	return one > two ? one : two;
}

static enum pw_err vscsi_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	static const struct records_kind kind[] = {
		{ .reader = &reader_vscsi, .record_bytes = BYTES_1, .bytes = sizeof(struct records), .granule_shift = BLOCK_SHIFT,
		  .eat = eat_1 },
		{ .reader = &reader_vscsi, .record_bytes = BYTES_2, .bytes = sizeof(struct records), .granule_shift = BLOCK_SHIFT,
		  .eat = eat_2 },
	};
	size_t n;
	const uint8_t *first = input_peek(in, RECORDS_WINDOW, &n);
	n = n < RECORDS_WINDOW ? n : RECORDS_WINDOW;
	return records_open_plain(in, &kind[version_begins(2, first, n) > version_begins(1, first, n)], ret, why);
}

const struct reader reader_vscsi = {
	.name = "vscsi", .example = "(32- or 40-byte block requests)", .begins = vscsi_begins, .open = vscsi_open,
};
