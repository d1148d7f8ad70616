// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settings of a task that are one number each. Arguments: the names of those
 * to set (see the table), or "all".
 */
#include "test.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void write_text(const char *path, const char *text)
{
	int fd = TRY(open(path, O_WRONLY));

	SAME(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void set_no_new_privs(void) { TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }
static long get_no_new_privs(void) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }
static void set_dumpable(void) { TRY(prctl(PR_SET_DUMPABLE, 0)); }
static long get_dumpable(void) { return prctl(PR_GET_DUMPABLE); }
static void set_pdeathsig(void) { TRY(prctl(PR_SET_PDEATHSIG, SIGWINCH)); }
static long get_pdeathsig(void) { int signo = -1; prctl(PR_GET_PDEATHSIG, &signo); return signo; }
static void set_subreaper(void) { TRY(prctl(PR_SET_CHILD_SUBREAPER, 1)); }
static long get_subreaper(void) { int on = -1; prctl(PR_GET_CHILD_SUBREAPER, &on); return on; }
static void set_timerslack(void) { TRY(prctl(PR_SET_TIMERSLACK, 1234567)); }
static long get_timerslack(void) { return prctl(PR_GET_TIMERSLACK); }
static void set_thp(void) { TRY(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)); }
static long get_thp(void) { return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0); }
static void set_umask(void) { umask(0137); }
static long get_umask(void) { return strtol(proc_field("/proc/self/status", "Umask"), NULL, 8); }
static void set_nice(void) { TRY(setpriority(PRIO_PROCESS, 0, -7)); }
static long get_nice(void) { return getpriority(PRIO_PROCESS, 0); }
static void set_oom(void) { write_text("/proc/self/oom_score_adj", "345"); }
static long get_oom(void) { return atoi(proc_read(0, "/proc/self/oom_score_adj")); }
static void set_filter(void) { write_text("/proc/self/coredump_filter", "0x1f"); }
static long get_filter(void) { return strtol(proc_read(0, "/proc/self/coredump_filter"), NULL, 16); }
static void set_personality(void) { TRY(personality(ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS)); }
static long get_personality(void) { return personality(0xffffffff); }
static void set_ioprio(void) { TRY(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6))); }
static long get_ioprio(void) { return syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0); }

static void set_affinity(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(1, &set);
	TRY(sched_setaffinity(0, sizeof(set), &set));
}

static long get_affinity(void)
{
	cpu_set_t set;

	TRY(sched_getaffinity(0, sizeof(set), &set));
	return CPU_ISSET(0, &set) | CPU_ISSET(1, &set) << 1;
}

static void set_fifo(void)
{
	struct sched_param param = { .sched_priority = 17 };

	TRY(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param));
}

static long get_policy(void)
{
	struct sched_param param;

	TRY(sched_getparam(0, &param));
	return sched_getscheduler(0) << 8 | param.sched_priority;
}

static void set_batch(void)
{
	struct sched_param param = { 0 };

	TRY(sched_setscheduler(0, SCHED_BATCH, &param));
}

static void set_rlimits(void)
{
	static const int which[] = { RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_STACK };

	for (size_t i = 0; i < COUNT(which); i++) {
		struct rlimit limit = { 100000000 + i, 200000000 + 7 * i };

		if (which[i] == RLIMIT_NOFILE)
			limit = (struct rlimit){ 123, 456 };
		TRY(setrlimit(which[i], &limit));
	}
}

static long get_rlimits(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;
		TRY(getrlimit(i, &limit));
		sum = sum * 31 + limit.rlim_cur * 7 + limit.rlim_max;
	}
	return sum >> 1;
}

static void set_tsc(void) { TRY(prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0)); }

static long get_tsc(void)
{
	int mode;

	TRY(prctl(PR_GET_TSC, &mode, 0, 0, 0));
	return mode;
}

static void set_mce_kill(void) { TRY(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0)); }
static long get_mce_kill(void) { return prctl(PR_MCE_KILL_GET, 0, 0, 0, 0); }
static void set_io_flusher(void) { TRY(prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0)); }
static long get_io_flusher(void) { return prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0); }

/* A processor that needs no such mitigation has none to set. */
static bool set_speculation(int which, unsigned long how)
{
	long is = TRY(prctl(PR_GET_SPECULATION_CTRL, which, 0, 0, 0));

	if ((is & PR_SPEC_PRCTL) == 0)
		return false;
	TRY(prctl(PR_SET_SPECULATION_CTRL, which, how, 0, 0));
	return true;
}

static bool fixed;

static void set_store_bypass(void) { fixed = !set_speculation(PR_SPEC_STORE_BYPASS, PR_SPEC_FORCE_DISABLE); }

static long get_store_bypass(void) { return prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0); }

static void set_indirect_branch(void) { fixed = !set_speculation(PR_SPEC_INDIRECT_BRANCH, PR_SPEC_DISABLE); }
static long get_indirect_branch(void) { return prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, 0, 0, 0); }

static const struct {
	const char *name;
	void (*set)(void);
	long (*get)(void);
} settings[] = {
	{ "no_new_privs", set_no_new_privs, get_no_new_privs },
	{ "tsc", set_tsc, get_tsc },
	{ "mce_kill", set_mce_kill, get_mce_kill },
	{ "io_flusher", set_io_flusher, get_io_flusher },
	{ "store_bypass", set_store_bypass, get_store_bypass },
	{ "indirect_branch", set_indirect_branch, get_indirect_branch },
	{ "dumpable", set_dumpable, get_dumpable },
	{ "pdeathsig", set_pdeathsig, get_pdeathsig },
	{ "child_subreaper", set_subreaper, get_subreaper },
	{ "timer_slack", set_timerslack, get_timerslack },
	{ "thp_disable", set_thp, get_thp },
	{ "umask", set_umask, get_umask },
	{ "nice", set_nice, get_nice },
	{ "oom_score_adj", set_oom, get_oom },
	{ "coredump_filter", set_filter, get_filter },
	{ "personality", set_personality, get_personality },
	{ "ioprio", set_ioprio, get_ioprio },
	{ "affinity", set_affinity, get_affinity },
	{ "fifo", set_fifo, get_policy },
	{ "batch", set_batch, get_policy },
	{ "rlimits", set_rlimits, get_rlimits },
};

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);
	long before[COUNT(settings)];

	for (int arg = own; arg < argc; arg++) {
		bool known = false;

		for (size_t i = 0; i < COUNT(settings); i++) {
			if (strcmp(argv[arg], settings[i].name) != 0 && strcmp(argv[arg], "all") != 0)
				continue;
			long was = settings[i].get();
			fixed = false;
			settings[i].set();
			CHECK(fixed || settings[i].get() != was, "%s was not changed from %ld", settings[i].name, was);
			known = true;
		}
		CHECK(known, "unknown setting %s", argv[arg]);
	}
	do {
		/* All are looked at, so that one set does not change another. */
		for (size_t i = 0; i < COUNT(settings); i++)
			before[i] = settings[i].get();
		test_ready();
		test_wait();
		for (size_t i = 0; i < COUNT(settings); i++) {
			long now = settings[i].get();
			CHECK(now == before[i], "%s is %#lx, was %#lx", settings[i].name, now, before[i]);
		}
	} while (test_pass());
	return 0;
}
