/* shim_attend.c - what the command wishes while the program runs.
 *
 * Problem: the program may sleep, compute, or fault a hundred thousand times a second; whoever gives it less memory is to be obeyed
 * in each case, and the path of a fault is to cost nothing more.
 * Idea: a thread that sleeps on a word of the shared page.  It is there only when there can be wishes.
 *
 * 1. Every paged process fulfils a wish; the first process alone answers.
 * 2. A wish that came before the pager stood, or while the process became another program, is fulfilled when the thread begins.
 * Rejected: a look at the page after each batch of faults (a program that does not fault keeps its memory); a signal (the program
 * owns them all). */
#include "shim.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *refusal(enum pw_err err)
{
	return err == PW_LIMIT ? "this computer has less memory"
	       : err == PW_NOFRAMES ? "more pages than that cannot leave memory" : pw_err_text(err);
}

static void answer(struct board *b, enum pw_err err)
{
	b->wish.err = err;
	snprintf(b->wish.why, sizeof b->wish.why, "%s", err ? refusal(err) : "");
	if (b->wish.kind == BOARD_WISH_RAM && !err)
		b->orders.ram_bytes = b->wish.ram_bytes; /* of programs to come */
	shim_board_write();
}

static void *attend(void *arg)
{
	struct board *b = arg;
	prctl(PR_SET_NAME, PAGER_THREAD);
	bool answers = b->pid == getpid();
	uint32_t seen = __atomic_load_n(&b->wish.answered, __ATOMIC_ACQUIRE);
	for (;;) {
		uint32_t asked = __atomic_load_n(&b->wish.asked, __ATOMIC_ACQUIRE);
		if (asked == seen) {
			syscall(SYS_futex, &b->wish.asked, FUTEX_WAIT, seen, NULL, NULL, 0);
			continue;
		}
		seen = asked;
		enum pw_err err = b->wish.kind == BOARD_WISH_RAM ? pager_resize(shim_pager, b->wish.ram_bytes) : PW_OK;
		if (!answers)
			continue;
		answer(b, err);
		__atomic_store_n(&b->wish.answered, asked, __ATOMIC_RELEASE);
	}
	return NULL;
}

bool shim_attend(void)
{
	sigset_t all, before;
	pthread_t thread;
	if (!shim_board->orders.attend)
		return true;
	sigfillset(&all);
	shim_deep++;
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool begun = pthread_create(&thread, NULL, attend, shim_board) == 0;
	if (begun)
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	shim_deep--;
	return begun;
}
