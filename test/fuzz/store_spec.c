/* store_spec.c - fuzz target: the specs that name stores.  What opens keeps bytes, or says that it is a model; what does not, says why. */
#include "../../src/base/mem.h"
#include "../../src/store/store.h"
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {
	"ram=64K:bytes_per_s=1G",
	"lz4=1M:level=3",
	"tier:lz4=64K,tier:ram=1M,zstd:level=2",
	"crypt:lz4=1M",
	"fault:flip=1000,read_eio=7,after=3,seed=9,ram",
	"hdd:rpm=5400,track_ns=1000",
	"ssd:read_ns=80000,write_ns=20000,bytes_per_s=2G",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void use(struct store *s)
{
	static uint8_t pages[2][4096];
	const void *from[] = { pages[0] };
	void *to[] = { pages[1] };
	for (unsigned i = 0; i < sizeof *pages; i++)
		pages[0][i] = (uint8_t)(i * i >> 5);
	enum pw_err err = store_write(s, 3, 1, from, NULL);
	check(s->keeps_data ? err != PW_UNSUPPORTED : err == PW_UNSUPPORTED);
	if (!err && !store_read(s, 3, 1, to, NULL))
		check(!memcmp(pages[0], pages[1], sizeof *pages));
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	struct store *s = NULL;
	struct pw_why why = { "" };
	char *text = size < 200 ? mem_alloc(size + 1) : NULL;
	if (!text)
		return;
	memcpy(text, bytes, size);
	text[size] = '\0';
	if (!strstr(text, "file") && !strstr(text, "slow")) { /* no files of names that chance chose, no sleeping */
		if (store_open(text, 4096, 10, &s, &why))
			check(*why.text && !s);
		else
			use(s);
	}
	store_close(s);
	mem_free(text);
}
