/* trace_din.c - fuzz target: din traces. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"

static const char *const good[] = {
	"2 4001020\n0 1fff000708\n1 0x1fff0006f8 rest\n3 0\n4 0\n0\t7FFF\n",
	"0 0\n1 ffffffffffffffff\n2 8000000000000000\n",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace(bytes, size);
}
