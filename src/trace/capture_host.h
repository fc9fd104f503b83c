/* capture_host.h - processes of this computer, watched from outside: is it dead, and how did it end? */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

/* => a descriptor that names the process even when its number is given to another one, or -1 where there is no such thing. */
int host_open(pid_t pid);
/* pidfd: from host_open, which the caller closes. */
bool host_is_dead(int pidfd, pid_t pid);
/* The wait status of a process that is dead but that nobody has waited for.  => -1: not known. */
int host_zombie_status(pid_t pid);
