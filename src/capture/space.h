/* space.h - what happens to the address space of this process, as records. */
#pragma once
#include "lane.h"

/* System calls that change an address space; each target has its own numbers (call.c). */
enum space_call {
	SPACE_NONE, SPACE_MMAP, SPACE_MUNMAP, SPACE_MPROTECT, SPACE_MREMAP, SPACE_BRK, SPACE_MADVISE, SPACE_SHMAT, SPACE_SHMDT,
};

/* Records the image that has just been loaded: EXEC and its mappings. */
void space_image(struct lane_records *r, const char *path);

/* Around a system call that changes the space: no other such call of this process comes between the two. */
void space_call_begin(void);
void space_call_end(unsigned vcpu, enum space_call call, const uint64_t arg[6], int64_t ret);

/* In the child of a fork. */
void space_fork_child(void);
