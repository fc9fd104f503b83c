/* sweep_emit.h - the cells of a sweep as commands for those who own many machines: a Slurm job array, or a list for GNU parallel.
 *
 * Each cell is a plain 'pageworks run ... --json DIR/cells/ID.json ... TRACE'; 'pageworks sweep --collect DIR' reads what they
 * leave. */
#pragma once
#include "sweep_sheet.h"

enum sweep_emit { EMIT_NOTHING, EMIT_SLURM, EMIT_PARALLEL };

/* Writes the cells that are not done.  => errors of the stream stick to it. */
void sweep_emit(const struct sheet *s, const struct sweep_dir *d, enum sweep_emit kind, FILE *out);
/* => how many commands that are. */
unsigned sweep_emit_count(const struct sheet *s);
/* Writes a word so that a shell reads it as it is. */
void sweep_emit_word(FILE *out, const char *word);
