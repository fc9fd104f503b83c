/* trace_perf.c - fuzz target: page faults as perf script prints them. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"

static const char *const good[] = {
	"              ls  9819/9819   2820.246250: page-faults:     55fe53dc65c0\n"
	"	ffffffff817554ea elf_load+0x28a ([kernel.kallsyms])\n\n"
	"Web Content  9820/9831 [001]   2820.246591: minor-faults:u:     7fea0d291b70 _start (/usr/lib/ld.so)\n",
	"ls 9819 2820.2: major-faults: 0\nls 1/2 0.1: faults: 1000\nls 1/3 0.1: faults: ffffffffffffffff\n",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace(bytes, size);
}
