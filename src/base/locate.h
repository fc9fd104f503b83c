/* locate.h - where programs and our own files are. */
#pragma once
#include <limits.h>
#include <stdbool.h>

#define LOCATE_PATH "/usr/local/bin:/usr/bin:/bin" /* where programs are looked for when PATH is not set */

bool locate_is_program(const char *path);
/* Looks for a program in the folders of list, separated by colons; list NULL: those of PATH.  *seen, unless NULL, becomes true when
 * something of that name was there that is not executable.  => false: not found */
bool locate_program(const char *list, const char *name, char ret[PATH_MAX], bool *seen);
/* The folder of this executable.  => false: it cannot be told */
bool locate_self(char ret[PATH_MAX]);
/* A file of ours beside this executable, or one folder above, where the tests of a build are; else in folder, where it is installed.
 * => false: in none of them */
bool locate_own(const char *name, const char *folder, char ret[PATH_MAX]);
