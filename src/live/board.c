/* board.c - the page that the command shares with a program: what the command believes of it, and how one wakes the other.
 *
 * Problem: the page lies in the memory of a program that may be broken; the command prints from it, and must not break with it.
 * Idea: one copy, checked once, from which everything else is read. */
#include "board.h"
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Ends within its array, and holds nothing a terminal would obey. */
static void text_tame(char *text, size_t size)
{
	text[size - 1] = 0;
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	}
}

void board_turn(struct board_pins *pin)
{
	__atomic_fetch_add(&pin->turn, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &pin->turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void board_read(const struct board *shared, struct board *ret)
{
	memcpy(ret, shared, sizeof *ret);
	struct board_orders *o = &ret->orders;
	text_tame(o->protect, sizeof o->protect);
	text_tame(o->policy, sizeof o->policy);
	text_tame(o->swap, sizeof o->swap);
	text_tame(o->preload, sizeof o->preload);
	text_tame(o->preload_before, sizeof o->preload_before);
	text_tame(o->path, sizeof o->path);
	text_tame(ret->flaw, sizeof ret->flaw);
	text_tame(ret->why, sizeof ret->why);
	text_tame(ret->wish.why, sizeof ret->wish.why);
	for (unsigned i = 0; i < BOARD_MAPPINGS; i++)
		text_tame(ret->mapping[i].name, sizeof ret->mapping[i].name);
	o->personality = o->personality < PERSONALITY_KINDS ? o->personality : 0;
	ret->n_mappings = ret->n_mappings < BOARD_MAPPINGS ? ret->n_mappings : BOARD_MAPPINGS;
	ret->state = ret->state <= BOARD_STOPPED ? ret->state : BOARD_STOPPED;
}
