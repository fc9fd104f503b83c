/* interrupt.c - a signal noted.
 *
 * Problem: half an hour's work should not be lost to Ctrl-C, and Ctrl-C should still work.
 * Idea: a handler that writes down the signal and is gone (SA_RESETHAND).
 * 1. A SIGHUP that is ignored (nohup) stays ignored. */
#include "interrupt.h"
#include <signal.h>
#include <stddef.h>

static const int watched[] = { SIGINT, SIGTERM, SIGHUP };
static volatile sig_atomic_t seen;

static void note(int signal_number) { seen = signal_number; }

static void watch(void (*handler)(int), int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags }, now;
	for (unsigned i = 0; i < sizeof watched / sizeof *watched; i++)
		if (watched[i] != SIGHUP || (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN))
			sigaction(watched[i], &act, NULL);
}

void interrupt_watch(void) { watch(note, (int)SA_RESETHAND); }
void interrupt_unwatch(void) { watch(SIG_DFL, 0); }
int interrupt_seen(void) { return seen; }
