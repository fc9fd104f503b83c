/* keep.h - the results of the last two runs, kept for `pageworks diff`.
 *
 * They are ${XDG_STATE_HOME:-~/.local/state}/pageworks/last.json and previous.json. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* last becomes previous, text becomes last.  Failing is silent: a run is not worth less because its result could not be kept. */
void keep_result(const char *text, size_t bytes);
/* => false when there is no place for such files (no home). */
bool keep_path(const char *name, char *buf, size_t size);
