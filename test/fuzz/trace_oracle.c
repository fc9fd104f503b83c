/* trace_oracle.c - fuzz target: requests to a cache. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <string.h>

static const struct __attribute__((packed)) {
	uint32_t time;
	uint64_t object;
	uint32_t size;
	int64_t next;
} requests[] = {
	{ 100, 42932745, 512, 3 }, { 100, 0xdeadbeefcafef00d, 4096, -1 }, { 101, 42932745, 512, INT64_MAX },
	{ 107, 0x8000000000000001, 1, 5 }, { 107, 0x8000000000000001, 1, -1 },
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	static const struct { const void *bytes; size_t size; } good[] = { { requests, sizeof requests } };
	if (i >= sizeof good / sizeof *good || good[i].size > max)
		return 0;
	memcpy(bytes, good[i].bytes, good[i].size);
	return good[i].size;
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace_as("oracle", "", bytes, size);
	fuzz_trace(bytes, size);
}
