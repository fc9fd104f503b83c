#!/bin/sh
# hosttree.sh - a /proc and /sys of another kernel, for tests of what reads them.
#
#     test/hosttree.sh KERNEL FOLDER        KERNEL: 4.19 5.4 5.10 5.15 6.1 6.6 6.12 6.18, or anything between
#
# Makes FOLDER/proc and FOLDER/sys; PAGEWORKS_HOST_ROOT=FOLDER then shows that computer.  Every figure is fixed, and different from
# its neighbours, so that a mixed-up field is seen.  Each kernel has the files and fields its version had, later ones more:
#
#     4.20 pressure, KReclaimable, Percpu   5.4 FileHugePages    5.8 pgscan_anon      5.9 workingset_refault_anon
#     5.13 "full" of the CPU's pressure     5.19 Zswap           6.1 SecPageTables    6.5 Unaccepted     6.18 a field nobody knows
#
# The processes:
#      1 init             2 kthreadd, without mappings        17 "a name"         18 "a) S 1 (b"       19 "new" newline "line"
#     20 is listed and gone when it is looked at              21 has files only root may read          22 a gigantic one
# 17 has maps, smaps, smaps_rollup, status, statm; 22 has figures that fill 64 bits.
set -e
[ $# -eq 2 ] || { echo "usage: hosttree.sh KERNEL FOLDER" >&2; exit 2; }
kernel=$1
major=${kernel%%.*}
minor=${kernel#*.}
proc=$2/proc
sys=$2/sys
mkdir -p "$proc" "$sys"

since() { # since MAJOR MINOR: does this kernel have what that one brought?
	[ "$major" -gt "$1" ] || { [ "$major" -eq "$1" ] && [ "$minor" -ge "$2" ]; }
}

kb() { printf '%-15s %8s kB\n' "$1:" "$2"; }

meminfo() {
	kb MemTotal 8000000; kb MemFree 1000000; kb MemAvailable 5000000; kb Buffers 100000; kb Cached 3500000; kb SwapCached 1000
	kb Active 2500000; kb Inactive 2600000; kb "Active(anon)" 1100000; kb "Inactive(anon)" 400000
	kb "Active(file)" 1400000; kb "Inactive(file)" 2200000; kb Unevictable 5000; kb Mlocked 4000
	kb SwapTotal 3000000; kb SwapFree 2400000
	! since 5 19 || { kb Zswap 7000; kb Zswapped 21000; }
	kb Dirty 300; kb Writeback 20; kb AnonPages 1450000; kb Mapped 350000; kb Shmem 60000
	! since 4 20 || kb KReclaimable 250000
	kb Slab 330000; kb SReclaimable 240000; kb SUnreclaim 90000; kb KernelStack 9000; kb PageTables 25000
	! since 6 1 || kb SecPageTables 600
	kb NFS_Unstable 0; kb Bounce 0; kb WritebackTmp 0; kb CommitLimit 7000000; kb Committed_AS 4200000
	kb VmallocTotal 34359738367; kb VmallocUsed 30000; kb VmallocChunk 0
	! since 4 20 || kb Percpu 2200
	kb HardwareCorrupted 0; kb AnonHugePages 614400; kb ShmemHugePages 4096; kb ShmemPmdMapped 2048
	! since 5 4 || { kb FileHugePages 8192; kb FilePmdMapped 6144; }
	kb CmaTotal 0; kb CmaFree 0
	! since 6 5 || kb Unaccepted 0
	printf 'HugePages_Total:      20\nHugePages_Free:       12\nHugePages_Rsvd:        3\nHugePages_Surp:        1\n'
	kb Hugepagesize 2048; kb Hugetlb 40960; kb DirectMap4k 200000; kb DirectMap2M 8000000
	! since 6 18 || { kb FutureField 4711; printf 'FutureHuge: 99999999999999999999999 kB\nFutureWord: a few words\n'; }
}

vmstat() {
	printf '%s\n' 'nr_free_pages 250000' 'nr_zone_inactive_anon 100000' 'nr_dirty 75' 'nr_writeback 5' 'nr_page_table_pages 6250'
	if since 5 9; then
		printf '%s\n' 'workingset_nodes 30000' 'workingset_refault_anon 1100' 'workingset_refault_file 2200' \
			'workingset_activate_anon 110' 'workingset_activate_file 220' 'workingset_restore_anon 11' \
			'workingset_restore_file 22'
	else
		printf '%s\n' 'workingset_nodes 30000' 'workingset_refault 3300' 'workingset_activate 330' 'workingset_restore 33'
	fi
	printf '%s\n' 'pgpgin 5000000' 'pgpgout 6000000' 'pswpin 7000' 'pswpout 8000' 'allocstall_normal 40' 'allocstall_movable 50' \
		'pgfault 90000000' 'pgmajfault 123456' 'pgsteal_kswapd 40000' 'pgsteal_direct 2000'
	! since 6 1 || printf 'pgsteal_khugepaged 7\n'
	! since 6 12 || printf 'pgsteal_proactive 0\n'
	printf '%s\n' 'pgscan_kswapd 50000' 'pgscan_direct 4000'
	! since 6 1 || printf 'pgscan_khugepaged 9\n'
	! since 6 12 || printf 'pgscan_proactive 0\n'
	printf '%s\n' 'pgscan_direct_throttle 0'
	! since 5 8 || printf '%s\n' 'pgscan_anon 14000' 'pgscan_file 46000' 'pgsteal_anon 9000' 'pgsteal_file 36000'
	printf '%s\n' 'oom_kill 2' 'compact_stall 61' 'compact_fail 31' 'compact_success 30' 'htlb_buddy_alloc_success 20' \
		'htlb_buddy_alloc_fail 4' 'thp_fault_alloc 900' 'thp_fault_fallback 100' 'thp_collapse_alloc 80' \
		'thp_collapse_alloc_failed 8' 'thp_split_page 6' 'thp_split_pmd 16' 'thp_swpout 3' 'thp_swpout_fallback 2' \
		'swap_ra 500' 'swap_ra_hit 400'
	! since 6 18 || printf '%s\n' 'future_counter 18446744073709551615' 'future_overflow 18446744073709551616'
}

pressure() {
	echo 'some avg10=1.50 avg60=0.70 avg300=0.10 total=9000000
full avg10=0.50 avg60=0.30 avg300=0.05 total=3000000' >"$proc/pressure/memory"
	echo 'some avg10=2.00 avg60=1.00 avg300=0.50 total=7000000
full avg10=1.00 avg60=0.60 avg300=0.20 total=6000000' >"$proc/pressure/io"
	echo 'some avg10=3.00 avg60=2.00 avg300=1.00 total=8000000' >"$proc/pressure/cpu"
	! since 5 13 || echo 'full avg10=0.00 avg60=0.00 avg300=0.00 total=0' >>"$proc/pressure/cpu"
}

pool() { # pool KIB TOTAL FREE RESERVED SURPLUS
	at=$sys/kernel/mm/hugepages/hugepages-$1kB
	echo "$2" >"$at/nr_hugepages"
	echo "$3" >"$at/free_hugepages"
	echo "$4" >"$at/resv_hugepages"
	echo "$5" >"$at/surplus_hugepages"
}

transparent() {
	at=$sys/kernel/mm/transparent_hugepage
	echo 'always [madvise] never' >"$at/enabled"
	echo 'always defer defer+madvise [madvise] never' >"$at/defrag"
	echo 2097152 >"$at/hpage_pmd_size"
	echo 511 >"$at/khugepaged/max_ptes_none"
}

process() { # process PID NAME STATE MINFLT MAJFLT VSIZE RSS
	echo "$1 ($2) $3 1 $1 $1 0 -1 4194304 $4 11 $5 12 130 40 5 6 20 0 3 0 1000$1 $6 $7 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 \
17 1 0 0 0 0 0 0 0 0 0 0 0 0 0" >"$proc/$1/stat"
	printf '%s' "$2" >"$proc/$1/comm"
	echo "$(($6 / 4096)) $7 200 10 0 300 0" >"$proc/$1/statm" 2>/dev/null || echo "4503599627370495 $7 200 10 0 300 0" >"$proc/$1/statm"
	: >"$proc/$1/cmdline"
	name=$2
	case $name in
	*"
"*) name=$(printf '%s' "$name" | sed -e ':a' -e '$!N' -e '$!ba' -e 's/\n/\\n/g') ;;
	esac
	printf 'Name:\t%s\nUmask:\t0022\nState:\t%s (sleeping)\nTgid:\t%s\nPid:\t%s\nPPid:\t1\nUid:\t1000\t1000\t1000\t1000\n' \
		"$name" "$3" "$1" "$1" >"$proc/$1/status"
}

status_memory() { # status_memory PID VM_KB RSS_KB SWAP_KB PTE_KB
	printf 'VmPeak:\t%8d kB\nVmSize:\t%8d kB\nVmLck:\t       0 kB\nVmHWM:\t%8d kB\nVmRSS:\t%8d kB\nRssAnon:\t%8d kB\n' \
		"$(($2 + 100))" "$2" "$(($3 + 50))" "$3" "$(($3 - 800))" >>"$proc/$1/status"
	printf 'RssFile:\t     700 kB\nRssShmem:\t     100 kB\nVmPTE:\t%8d kB\nVmSwap:\t%8d kB\nThreads:\t3\n' "$5" "$4" >>"$proc/$1/status"
	! since 6 18 || printf 'FutureStatus:\tsome words\n' >>"$proc/$1/status"
}

figures() { # figures SIZE RSS PSS SHARED_CLEAN PRIVATE_DIRTY ANON SWAP: the lines below a mapping, or of a rollup
	[ "$1" = - ] || { kb Size "$1"; kb KernelPageSize 4; kb MMUPageSize 4; }
	kb Rss "$2"; kb Pss "$3"
	! since 6 1 || kb Pss_Dirty "$5"
	! [ "$1" = - ] || ! since 5 5 || { kb Pss_Anon "$6"; kb Pss_File "$4"; kb Pss_Shmem 0; }
	kb Shared_Clean "$4"; kb Shared_Dirty 0; kb Private_Clean 0; kb Private_Dirty "$5"; kb Referenced "$2"; kb Anonymous "$6"
	! since 6 7 || kb KSM 0
	kb LazyFree 0; kb AnonHugePages 0; kb ShmemPmdMapped 0
	! since 5 4 || kb FilePmdMapped 0
	kb Shared_Hugetlb 0; kb Private_Hugetlb 0; kb Swap "$7"; kb SwapPss "$7"; kb Locked 0
	! since 6 18 || kb FutureFigure 42
}

mappings() { # mappings PID: a text of 64 KiB, a heap of 4 MiB and a stack
	at=$proc/$1
	text='5500000000-5500010000 r-xp 00001000 08:01 1234                     /usr/bin/a name'
	heap='5500020000-5500420000 rw-p 00000000 00:00 0                        [heap]'
	stack='7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                  [stack]'
	flags='VmFlags: rd wr mr mw me ac'
	printf '%s\n%s\n%s\n' "$text" "$heap" "$stack" >"$at/maps"
	{
		echo "$text"; figures 64 60 30 60 0 0 0; echo "$flags"
		echo "$heap"; figures 4096 4000 4000 0 4000 4000 80; echo "$flags"
		echo "$stack"; figures 132 20 20 0 20 20 0; echo "$flags"
	} >"$at/smaps"
	{
		echo '5500000000-7ffc00021000 ---p 00000000 00:00 0                    [rollup]'
		figures - 4080 4050 60 4020 4020 80
	} >"$at/smaps_rollup"
}

processes() {
	mkdir -p "$proc/1" "$proc/2" "$proc/17" "$proc/18" "$proc/19" "$proc/21" "$proc/22"
	process 1 init S 5000 50 170000000 3000
	process 2 kthreadd S 0 0 0 0
	process 17 'a name' S 4321 21 4395008 1020
	process 18 'a) S 1 (b' R 10 1 8192 2
	process 19 'new
line' S 20 2 16384 4
	ln -sfn nothing "$proc/20"
	process 21 hidden S 30 3 32768 8
	process 22 gigantic S 18446744073709551615 1 18446744073709547520 4503599627370495
	for pid in 2 18 19 21 22; do
		: >"$proc/$pid/maps"; : >"$proc/$pid/smaps"; : >"$proc/$pid/smaps_rollup"
	done
	for pid in 1 17; do
		mappings $pid
		status_memory $pid 4292 4080 80 64
	done
	chmod 000 "$proc/21/maps" "$proc/21/smaps" "$proc/21/smaps_rollup"
	ln -sfn 17 "$proc/self"
}

mkdir -p "$proc/sys/vm" "$proc/sys/kernel" "$sys/kernel/mm/transparent_hugepage/khugepaged" \
	"$sys/kernel/mm/hugepages/hugepages-2048kB" "$sys/kernel/mm/hugepages/hugepages-1048576kB"
! since 4 20 || mkdir -p "$proc/pressure"
meminfo >"$proc/meminfo"
vmstat >"$proc/vmstat"
! since 4 20 || pressure
pool 2048 20 12 3 1
pool 1048576 2 1 0 0
transparent
{
	printf 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'
	printf '%s\t\t\t\tpartition\t%s\t\t%s\t\t%s\n' /dev/sda2 2000000 500000 -2
	printf '%s\t\t\t\tfile\t%s\t\t%s\t\t%s\n' '/swap\040of\040mine' 1000000 100000 5
} >"$proc/swaps"
echo "Linux version $kernel.0-test (nobody@nowhere)" >"$proc/version"
echo '5000.25 9000.50' >"$proc/uptime"
echo "$kernel.0-test" >"$proc/sys/kernel/osrelease"
echo 0 >"$proc/sys/vm/overcommit_memory"
echo 60 >"$proc/sys/vm/swappiness"
processes
