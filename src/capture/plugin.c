/* plugin.c - the capture plugin: what QEMU calls.
 *
 * QEMU translates the program's code block by block, and lets the plugin add calls to what it translates: they record a fetch of the
 * page (or pages) that the block's code lies in, and the address of each load and store (emit.c).  System calls, threads and the end
 * of the process are told by calls as well. */
#include "qemu_plugin.h"
#include "call.h"
#include "emit.h"
#include "guest.h"
#include "lane.h"
#include "space.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

PLUGIN_EXPORT int qemu_plugin_version = PLUGIN_API;

static bool root;        /* the first program, in its first image: it says so */
static bool image_known; /* the image has been recorded */

/* ---- translation ---- */

static void image_record(const struct qemu_plugin_insn *insn)
{
	image_known = true;
	guest_base_set((uintptr_t)qemu_plugin_insn_haddr(insn) - qemu_plugin_insn_vaddr(insn));
	struct lane_records r;
	lane_records(&r, 0);
	if (root)
		lane_record(&r, TRACE_PROCESS, NULL)->count = getpid();
	space_image(&r, qemu_plugin_path_to_binary());
	lane_send(&r);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	if (!image_known)
		image_record(qemu_plugin_tb_get_insn(tb, 0));
	emit_block(tb);
}

/* ---- threads, calls, the end ---- */

static void on_thread_start(qemu_plugin_id_t id, unsigned vcpu)
{
	(void)id;
	if (vcpu >= RING_LANES) {
		fprintf(stderr, "pageworks: a program of more than %d threads at one time cannot be captured\n", RING_LANES);
		_exit(125);
	}
	lane_open(vcpu);
	if (vcpu > 0)
		emit_threads();
	if (!image_known)
		return;
	struct lane_records r;
	lane_records(&r, vcpu);
	lane_record(&r, TRACE_THREAD, NULL);
	lane_send(&r);
}

static void on_thread_end(qemu_plugin_id_t id, unsigned vcpu)
{
	(void)id;
	struct lane_records r;
	lane_records(&r, vcpu);
	lane_record(&r, TRACE_THREAD_EXIT, NULL);
	lane_send_last(&r);
}

static void on_call(qemu_plugin_id_t id, unsigned vcpu, int64_t num, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                    uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
	(void)id, (void)a7, (void)a8;
	call_before(vcpu, num, (uint64_t[6]){ a1, a2, a3, a4, a5, a6 });
}

static void on_call_return(qemu_plugin_id_t id, unsigned vcpu, int64_t num, int64_t ret)
{
	(void)id;
	call_after(vcpu, num, ret);
}

static void on_exit_of_process(qemu_plugin_id_t id, void *userdata)
{
	(void)id, (void)userdata;
	call_exit();
}

/* ---- installation ---- */

/* The value of "key=value" among the plugin's arguments, or NULL. */
static const char *argument(int argc, char **argv, const char *key)
{
	size_t n = strlen(key);
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=')
			return strdup(argv[i] + n + 1); /* QEMU frees its own; once for a process */
	return NULL;
}

static bool setup_read(struct call_setup *setup, const qemu_info_t *info, int argc, char **argv)
{
	const char *space = argument(argc, argv, "space"), *seed = argument(argc, argv, "seed");
	setup->target = strdup(info->target_name);
	setup->launch = (struct launch){
		.qemu_dir = argument(argc, argv, "qemu"), .plugin = argument(argc, argv, "self"),
		.segment = argument(argc, argv, "segment"), .space = space ? strtoul(space, NULL, 10) : 0,
		.seed = seed ? strtoull(seed, NULL, 10) : 0, .keep_random = argument(argc, argv, "random") != NULL,
		.plain = argument(argc, argv, "plain") != NULL,
	};
	return setup->launch.qemu_dir && setup->launch.plugin && setup->launch.segment && space && seed;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	struct call_setup setup;
	if (info->system_emulation || !setup_read(&setup, info, argc, argv)) {
		fprintf(stderr, "pageworks-capture: this plugin is started by pageworks, under user-mode QEMU\n");
		return 1;
	}
	if (!lane_attach(setup.launch.segment, setup.launch.space, &root))
		return root; /* the first program must not run unseen; others had better run unseen than not at all */
	emit_init(setup.launch.plain || strcmp(setup.target, "x86_64") != 0);
	if (call_init(&setup)) {
		qemu_plugin_register_vcpu_syscall_cb(id, on_call);
		qemu_plugin_register_vcpu_syscall_ret_cb(id, on_call_return);
	}
	qemu_plugin_register_vcpu_init_cb(id, on_thread_start);
	qemu_plugin_register_vcpu_exit_cb(id, on_thread_end);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_exit_of_process, NULL);
	return 0;
}
