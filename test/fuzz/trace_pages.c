/* trace_pages.c - fuzz target: page numbers. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"

static const char *const good[] = {
	"7\n0\n1\n2\n0\n3\n0\n4\n2\n3\n0\n3\n2\n1\n2\n0\n1\n7\n0\n1\n",
	"# remark\n1125899906842623\r\n\n 12 \n18446744073709551615\n",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace(bytes, size);
}
