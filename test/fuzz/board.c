/* board.c - fuzz target: a shared page over which a broken program has written anything. */
#include "../../src/live/board.h"
#include "driver/fuzz.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	if (i > 1)
		return 0;
	size_t n = sizeof(struct board) < max ? sizeof(struct board) : max;
	memset(bytes, i ? 'x' : 0, n);
	return n;
}

static void check_text(const char *text, size_t size)
{
	if (!memchr(text, 0, size))
		abort();
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 127)
			abort();
	}
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	static struct board wild, tame;
	memset(&wild, 0xa5, sizeof wild);
	memcpy(&wild, bytes, size < sizeof wild ? size : sizeof wild);
	board_read(&wild, &tame);
	if (tame.orders.personality >= PERSONALITY_KINDS || tame.n_mappings > BOARD_MAPPINGS || tame.state > BOARD_STOPPED)
		abort();
	check_text(tame.orders.policy, sizeof tame.orders.policy);
	check_text(tame.orders.swap, sizeof tame.orders.swap);
	check_text(tame.orders.protect, sizeof tame.orders.protect);
	check_text(tame.flaw, sizeof tame.flaw);
	check_text(tame.why, sizeof tame.why);
	check_text(tame.wish.why, sizeof tame.wish.why);
	for (unsigned i = 0; i < tame.n_mappings; i++)
		check_text(tame.mapping[i].name, sizeof tame.mapping[i].name);
}
