/* wish.c - fuzz target: the lines that a control socket gets. */
#include "../../src/live/wish.h"
#include "../../src/base/mem.h"
#include "driver/fuzz.h"
#include <stdlib.h>
#include <string.h>

static const char *const good[] = { "status", "report", "ram=64M", "ram=0x100000", "ram=", "stats", "ram=99999999999999999999", "=" };

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	if (i >= sizeof good / sizeof *good || strlen(good[i]) > max)
		return 0;
	memcpy(bytes, good[i], strlen(good[i]));
	return strlen(good[i]);
}

/* What is understood is within its bounds; what is not is explained in printable words. */
void fuzz_one(const uint8_t *bytes, size_t size)
{
	struct wish wish;
	struct pw_why why = { "" };
	char *line = mem_alloc(size + 1);
	if (!line)
		return;
	memcpy(line, bytes, size);
	line[size] = 0;
	if (wish_parse(line, &wish, &why) == PW_OK) {
		if (wish.kind >= WISH_KINDS || (wish.kind == WISH_ram && wish.bytes < WISH_RAM_LEAST))
			abort();
	} else {
		if (!*why.text)
			abort();
		for (const char *c = why.text; *c; c++) {
			if (*c < ' ' || *c > '~')
				abort();
		}
	}
	mem_free(line);
}
