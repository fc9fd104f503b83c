/* scenario.h - the lab scripts that come with pageworks: found by name. */
#pragma once
#include <limits.h>

enum { SCENARIO_PATH = PATH_MAX };

/* The file a person means: one that exists, "-", or a scenario by its name; into buf where it has to be made.
 * => NULL: there is none, said */
const char *scenario_find(const char *name, char buf[SCENARIO_PATH]);
/* A line for each on standard output: its name, and the first line of its text.  => CLI_OK or CLI_FAILED, said */
int scenario_list(void);
