/* maps.c - fuzz target: /proc/PID/maps and smaps. */
#include "../../src/host/maps.h"
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {
	"55d0c000-55d0e000 r--p 00000000 08:01 1234                       /usr/bin/true\n"
	"7ffc0000-7ffe1000 rw-p 00000000 00:00 0                          [stack]\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n",
	"1000-3000 rw-s 00001000 08:01 7 /a (b) c\\012d (deleted)\nSize:                  8 kB\nRss:                   4 kB\n"
	"NewFigure:    12 kB\nTHPeligible:           0\nVmFlags: rd wr sh mr mw me ms sd\n4000-5000 ---p 00000000 00:00 0 \n",
	"400000-7ffe000 ---p 00000000 00:00 0                     [rollup]\nRss:                4008 kB\nPss:  18014398509481984 kB\n",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	struct maps m;
	struct pw_why why = { "" };
	if (maps_parse((const char *)bytes, size, &m, &why) != PW_OK) {
		if (!*why.text || strchr(why.text, '\n') || m.text)
			abort();
		return;
	}
	if (maps_flaw(&m) || (m.n && maps_find(&m, m.entry[m.n - 1].end - 1) != &m.entry[m.n - 1]))
		abort();
	for (uint32_t i = 0; i < m.n_more; i++)
		if (strlen(m.more[i].key) + strlen(m.more[i].value) > size)
			abort();
	maps_fini(&m);
}
