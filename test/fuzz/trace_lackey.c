/* trace_lackey.c - fuzz target: traces of Valgrind's lackey. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"

static const char *const good[] = {
	"==4711== Lackey\n==4711== Command: true\nI  04001020,3\n L 1fff000708,8\n S 1fff0006f8,8\n M 0421c7cc,4\n==4711== end\n",
	"I  04000fff,2\n M ffffffffffffffff,4096\n L 0,1\n L 7ffffffffffffff0,512\nSB 04001023\n",
	"L 10,1\nM 20,4\nS 18,1\n L 10,1",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace(bytes, size);
}
