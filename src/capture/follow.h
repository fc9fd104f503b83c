/* follow.h - following exec. */
#pragma once
#include "launch.h"
#include <stdint.h>

/* An execve or execveat of the program: addresses are the program's. */
struct follow {
	int at;
	uint64_t path, argv, envp;
	int flags;
};

/* Starts the program that the call names under QEMU with the plugin, in this process.  Returns when that cannot be: the program's
 * own call then goes on, and fails with the right error. */
void follow_exec(unsigned vcpu, const struct launch *launch, const struct follow *call);
