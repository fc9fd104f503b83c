/* trace_champsim.c - fuzz target: instructions of ChampSim, in both layouts. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <string.h>

static const struct __attribute__((packed)) {
	uint64_t ip;
	uint8_t branch, taken, registers[6];
	uint64_t stores[2], loads[4];
} small[] = {
	{ 0x401000, 0, 0, { 1, 2, 3 }, { 0x7ffc00001000, 0 }, { 0x601234, 0, 0x602000, 0 } },
	{ 0x401004, 1, 1, { 0 }, { 0, 0 }, { 0, 0, 0, 0 } },
	{ 0xffffffff81000000, 1, 0, { 0 }, { 0, 16 }, { 0, 0, 0, 8 } },
};
static const struct __attribute__((packed)) {
	uint64_t ip;
	uint8_t branch, taken, registers[14];
	uint64_t stores[4], loads[4];
	uint8_t space[8];
} large[] = {
	{ 0x401000, 0, 0, { 1, 2, 3 }, { 1, 2, 3, 4 }, { 5, 6, 7, 8 }, { 1 } },
	{ 0x401004, 1, 1, { 0 }, { 0 }, { 0, 0, 0, 0x9000 }, { 0, 1 } },
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	static const struct { const void *bytes; size_t size; } good[] = { { small, sizeof small }, { large, sizeof large } };
	if (i >= sizeof good / sizeof *good || good[i].size > max)
		return 0;
	memcpy(bytes, good[i].bytes, good[i].size);
	return good[i].size;
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace_as("champsim", "", bytes, size);
	fuzz_trace_as("champsim96", "", bytes, size);
	fuzz_trace(bytes, size);
}
