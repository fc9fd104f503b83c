/* trace_vscsi.c - fuzz target: block requests, in both versions. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <string.h>

static const struct __attribute__((packed)) {
	uint32_t serial, length, entries;
	uint16_t command, version;
	uint64_t block, time;
} first[] = {
	{ 1, 512, 1, 0x2a, 0x100, 9, 1 }, { 2, 12288, 1, 0x28, 0x100, 15, 2 }, { 3, 0, 1, 0x35, 0x100, 0, 3 },
	{ 4, 1 << 20, 1, 0x8a, 0x1ff, 1 << 20, 4 },
};
static const struct __attribute__((packed)) {
	uint16_t command, version;
	uint32_t serial, length, entries;
	uint64_t block, time, response;
} second[] = { { 0x2a, 0x200, 1, 512, 1, 9, 1, 1 }, { 0x28, 0x200, 2, 12288, 1, 15, 2, 2 }, { 0x35, 0x200, 3, 0, 1, 0, 3, 3 } };

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	static const struct { const void *bytes; size_t size; } good[] = { { first, sizeof first }, { second, sizeof second } };
	if (i >= sizeof good / sizeof *good || good[i].size > max)
		return 0;
	memcpy(bytes, good[i].bytes, good[i].size);
	return good[i].size;
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace_as("vscsi", "", bytes, size);
	fuzz_trace(bytes, size);
}
