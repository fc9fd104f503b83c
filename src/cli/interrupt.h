/* interrupt.h - somebody wants it to end: long work looks here between two steps, and ends in good order.
 *
 * The first SIGINT, SIGTERM or SIGHUP is only noted; the second one of a kind ends the process as usual. */
#pragma once

void interrupt_watch(void);
void interrupt_unwatch(void);
/* The signal that came, or 0. */
int interrupt_seen(void);
