/* faults_report.h - what `pageworks faults` says: a line for each fault, tables at the end, or JSON. */
#pragma once
#include "../host/fault_tally.h"
#include <stdio.h>
#include <sys/resource.h>

struct faults_report {
	struct tally tally;
	struct rings_state state;
	char *const *command;        /* NULL: a process that ran already */
	unsigned n_words;
	uint32_t pid;
	double seconds;
	bool blind;                  /* faults could not be watched: the rest of this is all there is */
	bool ended;                  /* the command has, and these are its figures */
	int exit_status, signal;
	struct rusage rusage;
	unsigned top;                /* rows of a table */
	const char *flaw;
};

/* One line for a fault as it happens, and what stands above the first. */
void faults_heading(FILE *out);
void faults_line(FILE *out, const struct fault *f);
/* => PW_NOMEM. */
must_use enum pw_err faults_text(FILE *out, const struct faults_report *r, bool colour);
must_use enum pw_err faults_json(FILE *out, const struct faults_report *r);
