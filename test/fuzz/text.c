/* text.c - fuzz target: sizes, numbers and specification strings, the words people type. */
#include "../../src/base/mem.h"
#include "../../src/base/text.h"
#include "driver/fuzz.h"
#include <stdio.h>
#include <string.h>

static const char *const good[] = { "8M", "0x1000", "4096", "1.5G", "zipf:pages=1M,s=1.0,refs=50M,seed=7", "name", "a:b=c,d=e",
	"16KiB", "18446744073709551615" };

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	if (i >= sizeof good / sizeof *good || strlen(good[i]) > max)
		return 0;
	memcpy(bytes, good[i], strlen(good[i]));
	return strlen(good[i]);
}

static void fuzz_spec(const char *text)
{
	struct spec s;
	struct pw_why why;
	uint64_t size = 1;
	double real = 1;
	if (spec_init(&s, text, &why) != PW_OK)
		return;
	const char *word = spec_word(&s, "seed");
	int failed = spec_size(&s, "pages", &size, &why) != PW_OK;
	failed += spec_real(&s, "s", &real, &why) != PW_OK;
	failed += spec_unused(&s, "pages, s, seed", &why) != PW_OK;
	if (failed == 3 && word)
		printf("%s", "");
	spec_fini(&s);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	char *text = mem_alloc(size + 1);
	uint64_t number;
	struct pw_why why;
	if (!text)
		return;
	memcpy(text, bytes, size);
	text[size] = 0;
	if (text_size(text, &number, &why) == PW_OK || text_u64(text, &number, NULL) == PW_OK) {
		char shown[40];
		text_bytes(shown, sizeof shown, number);
		text_count(shown, sizeof shown, number);
	}
	text_nearest(text, good, sizeof good / sizeof *good);
	fuzz_spec(text);
	mem_free(text);
}
