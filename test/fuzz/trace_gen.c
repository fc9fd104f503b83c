/* trace_gen.c - fuzz target: specifications of generators, which must be refused or give what they say. */
#include "../../src/trace/gen.h"
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {
	"seq", "seq:pages=7,refs=20,stride=64,start=0x1000", "loop:pages=5,refs=9000", "random:pages=100,refs=20K,seed=3",
	"zipf:pages=1000,s=0.7,refs=20K,writes=0.25", "stack:pages=300,refs=20K,s=1.5", "phases:pages=1K,refs=20K,set=10,length=100",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

/* Larger ones are refused by nobody, and only take time and memory. */
static bool is_small(const char *text)
{
	struct spec s;
	uint64_t pages = 1;
	if (spec_init(&s, text, NULL))
		return true;
	bool small = spec_size(&s, "pages", &pages, NULL) || pages < 1 << 16;
	spec_fini(&s);
	return small;
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	char text[200];
	struct trace *t;
	struct trace_item item;
	size = size < sizeof text ? size : sizeof text - 1;
	memcpy(text, bytes, size);
	text[size] = 0;
	if (!gen_is_spec(text) || !is_small(text) || gen_open(text, &t, NULL))
		return;
	for (int i = 0; i < 20; i++) {
		trace_next(t, &item);
		for (uint64_t k = 0; k < item.n_refs; k++) {
			if (ref_kind(item.refs[k]) > ACCESS_STORE)
				abort();
		}
	}
	if (trace_describe(t).records > trace_describe(t).refs_total)
		abort();
	trace_close(t);
}
