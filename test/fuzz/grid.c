/* grid.c - fuzz target: grid files and lists of values. */
#include "../../src/base/mem.h"
#include "../../src/sim/grid.h"
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {
	"policy = lru, clock\nframes = 10, 20..40:+10\n",
	"# comment\n[a]\nram = 1M..8M:x2\n[b]\npage = 4K # more\nexclude ram>4M\n",
	"frames = 10%..80%:x2\npolicy = lru, opt\nexclude policy=opt frames>=40%\n",
	"tlb = l1d=64/4,l2=1536/12; l1d=16/fa\ncpu = default, zen4\nseed = 1..3\n",
	"policy=lru\n\n[x]\nexclude policy!=lru refbits=default\n",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

/* Every machine of a grid that was taken has only values of words, and the grid's errors are explained. */
static void check(bool ok)
{
	if (!ok)
		abort();
}

static void fuzz_grid(const char *text)
{
	struct grid *g;
	struct machine_words *machine;
	unsigned n;
	struct pw_why why = { "" };
	if (grid_create(&g) != PW_OK)
		return;
	if (grid_read(g, "fuzz", text, &why) != PW_OK) {
		check(strncmp(why.text, "fuzz:", 5) == 0 && !strchr(why.text, '\n'));
	} else if (grid_machines(g, &machine, &n, &why) != PW_OK) {
		check(*why.text != '\0');
	} else {
		check(n > 0 && n <= GRID_MACHINES_MAX);
		for (unsigned w = 0; w < GRID_WORDS; w++)
			check(!grid_word_value(&machine[n - 1], w) || *grid_word_value(&machine[n - 1], w));
		mem_free(machine);
	}
	grid_destroy(g);
}

static void fuzz_option(const char *text)
{
	struct grid *g;
	struct pw_why why = { "" };
	char word[32];
	size_t n = strcspn(text, "=");
	if (!text[n] || n >= sizeof word || grid_create(&g) != PW_OK)
		return;
	memcpy(word, text, n);
	word[n] = '\0';
	if (grid_option(g, word, text + n + 1, &why) != PW_OK)
		check(*why.text != '\0');
	grid_destroy(g);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	char *text = mem_alloc(size + 1);
	if (!text)
		return;
	memcpy(text, bytes, size);
	text[size] = '\0';
	grid_is(text);
	fuzz_grid(text);
	fuzz_option(text);
	mem_free(text);
}
