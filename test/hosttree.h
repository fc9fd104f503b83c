/* hosttree.h - trees of test/hosttree.sh for tests in C. */
#pragma once
#include "../src/host/procfs.h"

/* Makes the tree of a kernel in a new temporary folder.  => its path, mem_free()d by hosttree_remove; the test fails otherwise. */
char *hosttree_make(const char *kernel);
/* A file of a tree, replaced or made. */
void hosttree_write(const char *root, const char *path, const char *text, size_t bytes);
void hosttree_remove(char *root);
struct procfs *hosttree_open(const char *root);
