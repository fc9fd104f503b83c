/* trace_drmemtrace.c - fuzz target: records of DynamoRIO's memory tracer. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <string.h>

static const struct __attribute__((packed)) {
	uint16_t type, size;
	uint64_t value;
} good_records[] = {
	{ 25, 0, 5 }, { 28, 9, 0xe40 }, { 22, 4, 3691 }, { 24, 4, 3690 }, { 47, 3, 0xe78948 }, { 10, 3, 0x7fc205a61943 },
	{ 1, 8, 0x7fff9a9e3528 }, { 48, 2, 0x7fc205a61fff }, { 0, 16, 0x7fc205a61ff8 }, { 29, 2, 0x7fc205a61fff }, { 3, 64, 0x5000 },
	{ 17, 3, 0x040302 }, { 22, 4, 3692 }, { 16, 1, 0x401000 }, { 1, 65535, 0x7fff9a9e3528 }, { 23, 4, 3692 }, { 26, 0, 0 },
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	static const struct { const void *bytes; size_t size; } good[] = { { good_records, sizeof good_records } };
	if (i >= sizeof good / sizeof *good || good[i].size > max)
		return 0;
	memcpy(bytes, good[i].bytes, good[i].size);
	return good[i].size;
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace_as("drmemtrace", "", bytes, size);
	fuzz_trace(bytes, size);
}
