/* shim.h - the pager inside a program that knows nothing of it: what the parts of the preloaded library share.
 *
 * The library is loaded before all others (LD_PRELOAD) and gives the program its malloc and its anonymous mappings out of a pager's
 * arena.  Everything else of the program is as it was.
 *
 * The pager's own memory comes from the C library's malloc, which the program never sees while the pager is there: shim_deep says
 * that this thread is inside the pager, or inside the allocator, and asks for memory that is never paged. */
#pragma once
#include "board.h"
#include "pager.h"
#include <stdbool.h>
#include <stdint.h>

/* NULL: nothing is paged (yet). */
extern struct pager *shim_pager;
extern uint64_t shim_range[2];
extern struct board *shim_board;
extern _Thread_local unsigned shim_deep __attribute__((tls_model("initial-exec")));

static inline bool shim_has(const void *at) { return pager_range_has(shim_range, (uintptr_t)at); }

/* The figures, whole, onto the board: under the pager's lock. */
void shim_board_write(void);
/* A thread that fulfils what the command wishes while the program runs, if it may wish; also in the child of a fork.
 * => false: it could not be started */
bool shim_attend(void);

/* Keeps this process on the processor it is on, and gives it back those it had: before a program is started. */
void shim_pin(void);
void shim_unpin(void);
/* The processors its threads run on, as far as is known. */
void shim_where(void *ctx, cpu_set_t *ret);
/* The child of a fork takes the next processor of those its parent would have. */
void shim_pin_child(unsigned number);

/* The allocator over the arena begins; before, and if it fails, the C library's serves. */
bool shim_heap_begin(void);
