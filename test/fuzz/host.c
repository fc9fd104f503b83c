/* host.c - fuzz target: files of /proc, as fields and as the line of a process. */
#include "../../src/base/mem.h"
#include "../../src/host/fields.h"
#include "../../src/host/task.h"
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {
	"MemTotal:       24684084 kB\nMemFree:        23524032 kB\nHugePages_Total:      20\n",
	"pgfault 661364567\npgmajfault 1280789\nnew 18446744073709551616\n",
	"Name:\ta name\nVmRSS:\t    4080 kB\nSigQ:\t0/95\n",
	"17 (a) S 1 (b) S 1 17 17 0 -1 4194304 4321 11 21 12 130 40 5 6 20 0 3 0 99 4395008 1020 18446744073709551615\n",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	struct fields f = { NULL };
	struct task t;
	struct pw_why why = { "" };
	char *text = mem_alloc(size + 1);
	if (!text)
		return;
	memcpy(text, bytes, size);
	text[size] = '\0';
	if (fields_parse(&f, text, size, &why) == PW_OK && fields_flaw(&f))
		abort();
	if (task_parse(text, size, &t, &why) != PW_OK && !*why.text)
		abort();
	fields_fini(&f);
	mem_free(text);
}
