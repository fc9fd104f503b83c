/* call.h - the program's system calls: what they touch, what they change. */
#pragma once
#include "launch.h"
#include <stdint.h>

struct call_setup {
	const char *target;    /* QEMU's name of the machine: selects the numbers */
	struct launch launch;  /* how to start a program under capture: lives as long as the process */
};

/* => false: the system calls of this target are not known; references are captured, mappings are not. */
bool call_init(const struct call_setup *setup);

void call_before(unsigned vcpu, int64_t number, const uint64_t arg[6]);
void call_after(unsigned vcpu, int64_t number, int64_t ret);

/* The process ends by itself: sends EXIT with the status that the last exit call gave, if there was one. */
void call_exit(void);
