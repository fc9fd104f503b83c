/* faults_trace.h - watched page faults as a trace: each fault is one reference, mappings and processes are its events. */
#pragma once
#include "../host/faults.h"

struct faults_trace;
/* pid: of a command that is about to begin, 0: of a process that runs already.  => as pwt_writer_create(). */
must_use enum pw_err faults_trace_create(const char *path, const char *command, uint32_t pid, struct faults_trace **ret,
                                         struct pw_why *why);
/* What a space_tell and a task of faults_options are to call. */
void faults_trace_change(struct faults_trace *t, uint32_t pid, const struct space_change *change);
void faults_trace_task(struct faults_trace *t, const struct fault_record *r);
void faults_trace_fault(struct faults_trace *t, const struct fault *f);
uint64_t faults_trace_refs(const struct faults_trace *t);
/* Ends the file and frees.  => what went wrong, now or before; the file then holds what was written whole. */
must_use enum pw_err faults_trace_finish(struct faults_trace *t, struct pw_why *why);
/* Frees; a regular file is removed. */
void faults_trace_remove(struct faults_trace *t);
