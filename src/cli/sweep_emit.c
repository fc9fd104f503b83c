/* sweep_emit.c - commands instead of a scheduler.
 *
 * Problem.  Clusters have schedulers, each its own; a sweep that brought another would be in their way.
 *
 * Idea.  A cell is one ordinary command that leaves one file.  GNU parallel wants one command a line.  Slurm wants one script in
 * which SLURM_ARRAY_TASK_ID says which part of the work is meant; as sites limit the size of arrays (1001 by default), a task
 * takes every n-th cell.
 *
 * 1. What is done already is not in the list; a cell whose result another cell shares is there once.
 * 2. Every word is quoted for the shell.
 *
 * Source: sbatch(1), https://slurm.schedmd.com/job_array.html; parallel(1). */
#include "sweep_emit.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EMIT_TASKS_MAX = 1000 };

static bool emit_wants(const struct sheet_cell *c)
{
	return c->state != SHEET_DONE && c->state != SHEET_IMPOSSIBLE && !c->repeated;
}

unsigned sweep_emit_count(const struct sheet *s)
{
	unsigned n = 0;
	for (unsigned i = 0; i < s->n_cells; i++)
		n += emit_wants(&s->cell[i]);
	return n;
}

void sweep_emit_word(FILE *out, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
	if (*word && !word[strspn(word, plain)]) {
		fputs(word, out);
		return;
	}
	fputc('\'', out);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", out);
		else
			fputc(*word, out);
	}
	fputc('\'', out);
}

/* "pageworks" where the shell would find this very program, else where it is. */
static const char *emit_program(char *buf, size_t size)
{
	const char *path = getenv("PATH");
	char found[PATH_MAX], real[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);
	if (n < 0)
		return "pageworks";
	buf[n] = '\0';
	for (const char *at = path; at && *at;) {
		size_t length = strcspn(at, ":");
		snprintf(found, sizeof found, "%.*s/pageworks", (int)length, at);
		if (access(found, X_OK) == 0)
			return realpath(found, real) && strcmp(real, buf) == 0 ? "pageworks" : buf;
		at += length + (at[length] == ':');
	}
	return buf;
}

static void emit_cell(const struct sheet *s, const struct sweep_dir *d, const struct sheet_cell *c, const char *program, FILE *out)
{
	char path[SWEEP_PATH];
	const char *trace = s->trace[c->trace];
	sweep_emit_word(out, program);
	fputs(" run --quiet --json ", out);
	sweep_emit_word(out, sweep_dir_result(d, c->id, path));
	for (unsigned w = 0; w < GRID_WORDS; w++)
		if (c->word[w]) {
			fprintf(out, " --%s ", grid_word_name(w));
			sweep_emit_word(out, c->word[w]);
		}
	fputc(' ', out);
	if (*trace == '-')
		fputs("./", out);
	sweep_emit_word(out, trace);
}

static void emit_parallel(const struct sheet *s, const struct sweep_dir *d, const char *program, FILE *out)
{
	for (unsigned i = 0; i < s->n_cells; i++)
		if (emit_wants(&s->cell[i])) {
			emit_cell(s, d, &s->cell[i], program, out);
			fputc('\n', out);
		}
}

static void emit_slurm_head(unsigned n, FILE *out)
{
	char cwd[PATH_MAX] = ".";
	unsigned tasks = n < EMIT_TASKS_MAX ? n : EMIT_TASKS_MAX;
	fprintf(out, "#!/bin/sh\n"
	             "# %u cells of a sweep, to be submitted with sbatch; 'pageworks sweep --collect' gathers what they leave\n"
	             "#SBATCH --job-name=pageworks-sweep\n"
	             "#SBATCH --array=0-%u\n"
	             "#SBATCH --ntasks=1\n"
	             "#SBATCH --cpus-per-task=1\n"
	             "cd ", n, tasks ? tasks - 1 : 0);
	sweep_emit_word(out, getcwd(cwd, sizeof cwd) ? cwd : ".");
	fprintf(out, " || exit\n"
	             "cells=%u tasks=%u\n"
	             "cell() {\n"
	             "\tcase $1 in\n", n, tasks);
}

static void emit_slurm(const struct sheet *s, const struct sweep_dir *d, const char *program, FILE *out)
{
	unsigned n = 0;
	emit_slurm_head(sweep_emit_count(s), out);
	for (unsigned i = 0; i < s->n_cells; i++)
		if (emit_wants(&s->cell[i])) {
			fprintf(out, "\t%u) ", n++);
			emit_cell(s, d, &s->cell[i], program, out);
			fputs(" ;;\n", out);
		}
	fputs("\tesac\n"
	      "}\n"
	      "bad=0\n"
	      "i=${SLURM_ARRAY_TASK_ID:?run this with sbatch, or set it to a number below $tasks}\n"
	      "while [ \"$i\" -lt $cells ]; do\n"
	      "\tcell \"$i\" || bad=1\n"
	      "\ti=$((i + tasks))\n"
	      "done\n"
	      "exit $bad\n", out);
}

void sweep_emit(const struct sheet *s, const struct sweep_dir *d, enum sweep_emit kind, FILE *out)
{
	char program[PATH_MAX];
	const char *name = emit_program(program, sizeof program);
	if (kind == EMIT_PARALLEL)
		emit_parallel(s, d, name, out);
	else
		emit_slurm(s, d, name, out);
}
