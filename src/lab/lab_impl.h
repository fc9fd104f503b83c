/* lab_impl.h - what the files of the lab share: lab.c (the session), lab_build.c (machines, processes, mappings), lab_exec.c
 * (programs from files), lab_guests.c (several guests of a host), lab_access.c (reads and writes), lab_show.c (what there is),
 * lab_explain.c (why), lab_expect.c (figures and checks), lab_quiz.c (questions). */
#pragma once
#include "../base/htab.h"
#include "../base/text.h"
#include "../sim/guests.h"
#include "lab.h"
#include <jansson.h>

enum { LAB_WORDS = 256, LAB_NAME = 32, LAB_CPUS = 16 };

/* name, usage, summary, least words, most words, does it change the session */
#define LAB_COMMAND_LIST(X) \
	X(machine, "[WORD=VALUE...]", "a new machine: format=sv39 frames=4 policy=fifo tlb=l1=8/fa swap=ram spare=1G ...", 0, 32, true) \
	X(file, "NAME SIZE|\"TEXT\"", "a file on the disk: SIZE bytes 0 1 2 ..., or these characters", 2, 2, true) \
	X(process, "NAME", "a new process with nothing mapped; it runs from now on", 1, 1, true) \
	X(switch, "NAME [CPU]", "this process runs from now on", 1, 2, true) \
	X(fork, "NAME", "the running process makes a copy of itself, which waits", 1, 1, true) \
	X(exec, "FILE [ARGUMENT...]", "the running process becomes a program of this computer: an ELF file", 1, 256, true) \
	X(brk, "SIZE", "the heap of a program gets this long", 1, 1, true) \
	X(exit, "[NAME]", "a process ends and gives its memory back", 0, 1, true) \
	X(map, "ADDRESS|any SIZE RIGHTS [WORD...]", "a mapping: called NAME, file NAME [OFFSET], shared, stack, heap, disk", 3, 12, true) \
	X(unmap, "ADDRESS SIZE", "takes mappings away", 2, 2, true) \
	X(protect, "ADDRESS SIZE RIGHTS", "changes rights: r, rw, rx, rwx or none", 3, 3, true) \
	X(move, "FROM SIZE TO [SIZE]", "moves a mapping, or changes its size", 3, 4, true) \
	X(advise, "ADDRESS SIZE ADVICE", "dontneed, free, willneed, cold, pageout ...", 3, 3, true) \
	X(enter, "ADDRESS FRAME [RIGHTS[s] [huge]]", "a translation made by hand, to a frame the kernel does not own", 2, 4, true) \
	X(read, "ADDRESS [BYTES]", "reads a number, or that many bytes", 1, 2, true) \
	X(write, "ADDRESS NUMBER|\"TEXT\"", "writes it: eight bytes, or the characters", 2, 2, true) \
	X(fetch, "ADDRESS", "fetches an instruction", 1, 1, true) \
	X(touch, "ADDRESS SIZE [store|fetch] [times N]", "one access to each page of a range", 2, 5, true) \
	X(pages, "N...", "accesses pages by number, as books do: 7 0 1w (w: a store)", 1, 256, true) \
	X(guest, "N", "lines are for guest N from now on, of a machine guests=N", 1, 1, true) \
	X(balloon, "N SIZE", "guest N gives up SIZE of its memory to its host, which pages it chooses", 2, 2, true) \
	X(balance, "[SIZE]", "the host moves at most SIZE (256K) to the guest that needs memory most", 0, 1, true) \
	X(supervisor, "", "accesses are the kernel's from now on", 0, 0, true) \
	X(user, "", "accesses are the program's again", 0, 0, true) \
	X(flush, "", "empties all TLBs", 0, 0, true) \
	X(count, "", "all figures begin at zero from here", 0, 0, true) \
	X(segment, "[WHAT [WORD...]]", "memory without pages, given out in segments; alone: what there is to do", 0, 16, true) \
	X(show, "WHAT", "tlb, tables, frames, maps, queues, swap, stats, processes, machine, guests, segments or registers", 1, 1, false) \
	X(walk, "ADDRESS [store|fetch]", "the translation of an address, bit by bit, table by table", 1, 2, false) \
	X(explain, "[last]", "tells the story of the last access", 0, 1, false) \
	X(why, "", "why the last access faulted, and why that page had to leave", 0, 0, false) \
	X(expect, "CONDITION", "a condition that must hold: faults.total == 9 && last.physical == 0x5678", 1, 256, false) \
	X(say, "TEXT", "prints it", 0, 256, false) \
	X(undo, "[N]", "goes back N steps (1)", 0, 1, false) \
	X(back, "[N]", "the same", 0, 1, false) \
	X(step, "[N]", "goes forward again, after undo", 0, 1, false) \
	X(history, "", "the steps so far", 0, 0, false) \
	X(dump, "FILE", "writes physical memory to FILE and the page-table roots to FILE.roots", 1, 1, false) \
	X(quiz, "[SEED [N]]", "asks N questions (5) and checks the answers", 0, 2, false) \
	X(figures, "", "everything expect can ask for", 0, 0, false) \
	X(help, "[COMMAND]", "this list, or one line of it", 0, 1, false) \
	X(quit, "", "ends the session", 0, 0, false)

struct lab_line {
	const char *word[LAB_WORDS];
	unsigned n;
	const char *rest;        /* everything after the command, as it was written */
};

struct lab_process {
	char name[LAB_NAME];
	uint32_t pid;
	struct process *process; /* NULL: it has ended */
};

/* What is remembered of a page, for those who ask why it left. */
struct lab_page {
	uint64_t arrived, last_use, uses; /* times in references since the machine was made */
	bool in;                          /* in memory, as far as the lab has seen */
};

/* How many of the pages that stayed came before the victim, were used before it, and were used less. */
struct lab_ranks {
	uint64_t others, earlier, older, fewer;
	bool known;              /* they were counted: with very many pages they are not */
};

/* What the lab knows of one computer.  With several guests, each has one; that of the guest the lines are for is in struct lab. */
#define LAB_COMPUTER_MEMBERS \
	struct computer *computer; \
	char **file_name;        /* [id - 1] */ \
	uint64_t n_files; \
	struct lab_process *process; \
	unsigned n_processes, current; /* current == n_processes: none */ \
	unsigned cpu; \
	bool supervisor; \
	struct computer_access last; \
	bool has_last; \
	uint64_t last_value; \
	uint32_t last_pid; \
	struct computer_access fault; /* the last access that faulted; n_faults 0: none has */ \
	struct lab_page victim;  /* what was known of the first page that left in it */ \
	struct lab_ranks ranks; \
	struct lab_page *page;   /* what page_index points to */ \
	uint64_t n_pages; \
	struct htab page_index;  /* pid << 44 | page -> index */ \
	struct computer_base base; \
	struct lab_segments *segments; /* lab_segment.h; NULL: nobody has asked for any */
struct lab_computer { LAB_COMPUTER_MEMBERS };

struct lab {
	struct lab_options opt;
	char *machine_text;      /* the words of the machine: its options point into it */
	union {
		struct lab_computer here;
		struct { LAB_COMPUTER_MEMBERS };
	};
	struct guests *guests;   /* NULL: there is one computer, which is ours */
	struct lab_computer *guest; /* of guests; that of the one in here is not up to date */
	unsigned at_guest;       /* the one in here */
	uint64_t right, wrong;

	char **history;          /* the lines that changed the session */
	unsigned n_history, at;  /* those from at on have been undone */
	bool replaying;
	struct pw_why *why;      /* of the line being carried out */
	FILE *out;
};

typedef enum lab_outcome lab_handler(struct lab *l, const struct lab_line *line);
#define X(name, usage, summary, least, most, changes) lab_handler lab_##name;
LAB_COMMAND_LIST(X)
#undef X

/* lab.c */
enum lab_outcome lab_fail(struct lab *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum lab_outcome lab_fail_err(struct lab *l, enum pw_err err); /* why has been filled, or err says it */
/* Tells of a step, unless the session is quiet or being replayed. */
void lab_tell(struct lab *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
must_use bool lab_number(struct lab *l, const char *what, const char *word, uint64_t *ret);
/* An address: a number, or the name of a mapping, and + a number. */
must_use bool lab_address(struct lab *l, const char *word, uint64_t *ret);
unsigned lab_shift(const struct lab *l); /* of a page */

/* lab_build.c */
must_use enum pw_err lab_machine_default(struct lab *l, struct pw_why *why);
void lab_machine_drop(struct lab *l);
/* The process that runs.  => NULL, and the line has failed: there is none */
struct lab_process *lab_running(struct lab *l);
struct lab_process *lab_process_of(struct lab *l, uint32_t pid);
/* Its name, or nobody when there is no such process. */
const char *lab_process_name(struct lab *l, uint32_t pid, const char *nobody);

const char *lab_advice_word(unsigned i); /* NULL past the end */

/* Rights as words: r, rw, rx, rwx or none.  => PMAP_*; false: the line has failed */
must_use bool lab_rights(struct lab *l, const char *word, unsigned *ret);

/* lab_guests.c */
/* What is to be known of new guests, for lab.guest.  => PW_NOMEM; otherwise lab_machine_drop() frees it */
must_use enum pw_err lab_guests_prepare(struct guests *guests, struct lab_computer **ret);
/* The guest that lines are for.  => guests */
void lab_guests_go(struct lab *l, unsigned guest);
void lab_guests_count(struct lab *l);
void lab_guests_figures(struct lab *l, json_t *root);
enum lab_outcome lab_guests_show(struct lab *l);

/* lab_show.c: the i-th word of show.  => NULL past the end */
const char *lab_show_word(unsigned i);

/* lab_access.c */
const struct lab_page *lab_page_find(const struct lab *l, uint32_t pid, vpn_t page);
void lab_tell_access(struct lab *l, const struct computer_access *a);
/* Moves bytes page by page, telling of each access.  => how many were moved */
uint64_t lab_move_bytes(struct lab *l, const struct lab_process *p, uint64_t va, enum access_kind kind, uint8_t *bytes, uint64_t n);
void lab_tell_bytes(struct lab *l, uint64_t va, const uint8_t *bytes, uint64_t n);

/* lab_expect.c: => a new tree, NULL: no memory */
json_t *lab_figures_tree(struct lab *l);

/* lab.c: a second session that is where this one is, to be destroyed by the caller.  => NULL, and why is filled */
struct lab *lab_copy(struct lab *l);
