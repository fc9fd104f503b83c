/* lab.c - fuzz target: lines of the lab.  Whatever is typed, a line is carried out or explained, and the kernel keeps its invariants. */
#include "../../src/base/mem.h"
#include "../../src/lab/lab.h"
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {
	"machine frames=3 policy=fifo\nprocess p\nmap 0x1000 32K rw called data\nwrite data 42\nread data\npages 1 2 3 4 1w 2 5x\nwhy\n",
	"process p\nmap any 16K rw stack\nfork q\nswitch q\nwrite 0 \"text\"\nexit p\nshow frames\nshow tlb\nshow queues\n",
	"machine tlb=l1=4/fa asids=3 spare=1M\nprocess p\nenter 0x4000 0x4040 rws\nsupervisor\nread 0x4008\nuser\nwalk 0x4000 store\n",
	"file f \"some words\"\nprocess p\nmap 0x8000 8K rw file f 4096 shared\ntouch 0x8000 8K store times 3\nadvise 0x8000 4K dontneed\n",
	"process p\nmap 0 8K rw\nprotect 0 4K r\nmove 0 4K 0x9000 8K\nunmap 0x9000 4K\nundo 2\nstep\nhistory\nexpect faults.total == 0\n",
	"process p\nsegment memory 4000 fit=best swap=lru compact=yes\nsegment make 0 1000 rx at 50\nsegment make 1 900\n"
	"segment write 1:8 7\nsegment grow 1 2000\nsegment share 1 p 7 rs\n"
	"segment out 7\nsegment read 7:8 4\nsegment compact\nsegment drop 0\nshow segments\n",
	"machine format=x86-32\nprocess p\nmap 0x1000 8K rw called t\nsegment gdt t 0x7f\nsegment describe gdt 1 code rx dpl=0 pages\n"
	"segment describe gdt 2 down base=0x1000 limit=0xff dpl=0\nsegment describe gdt 3 gate=0x8 offset=0x44\nsupervisor\n"
	"segment load ss 0x10\nsegment stack 0 0x10\nuser\nsegment call 0x1b\nsegment write ss:0x800 5\nshow registers\n",
	"machine nested=ept guests=2 ram=512K hostram=700K\nprocess p\nmap 0x1000 400K rw called d\ntouch d 400K store\nguest 2\n"
	"process q\nmap 0x1000 400K rw\ntouch 0x1000 400K\nballoon 1 256K\nbalance 64K\n"
	"guest 1\ntouch d 400K\nballoon 1 0\nshow guests\nundo 3\n",
	"process p\nexec /bin/true a b\nshow maps\nread [stack] 64\nbrk 40K\nwrite [heap] 5\nwrite [guard] 1\nfork q\nexec /bin/true\n",
	"help\nhelp show\nfigures\nquiz 1 2\nexplain last\ncount\nflush\nshow stats\nshow maps\nshow swap\nshow tables\nshow machine\n",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

/* Large segments have real bytes. */
static bool is_large_segment(const char *line)
{
	static const char digits[] = "0123456789abcdefABCDEFx";
	if (!strstr(line, "segment m") && !strstr(line, "segment g"))
		return false;
	for (const char *at = line; *at; at += strcspn(at + 1, digits) + 1)
		if (strspn(at, digits) > 6)
			return true;
	return strpbrk(line, "MGT") != NULL;
}

/* Files are not for fuzzing, and what is asked to be large is slow, not wrong. */
static bool is_unwanted(const char *line)
{
	return is_large_segment(line) || strstr(line, "compare") || strstr(line, "dump") || strstr(line, "file:") || strlen(line) > 200 || strstr(line, "times") || strstr(line, "quiz");
}

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	struct lab *lab;
	FILE *out = fopen("/dev/null", "w");
	char *text = mem_alloc(size + 1), *save = NULL;
	struct lab_options o = { .out = out, .interrupted = always, .seed = 1 };
	if (out && text && lab_create(&o, &lab, NULL) == PW_OK) {
		memcpy(text, bytes, size);
		text[size] = '\0';
		unsigned n = 0;
		for (char *line = strtok_r(text, "\n", &save); line && n < 40; line = strtok_r(NULL, "\n", &save), n++) {
			struct pw_why why = { "" };
			if (!is_unwanted(line) && lab_execute(lab, line, &why) == LAB_ERROR && (!*why.text || strchr(why.text, '\n')))
				abort();
		}
		lab_destroy(lab);
	}
	mem_free(text);
	if (out)
		fclose(out);
}
