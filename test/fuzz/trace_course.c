/* trace_course.c - fuzz target: traces of addresses and R or W. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"

static const char *const good[] = {
	"0041f7a0 R\n13f5e2c0 R\n05e78900 W\n0x41f7a4 w\n",
	"ffffffffffffffff W\r\n0 r\r\n8000000000000000 R",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace(bytes, size);
}
