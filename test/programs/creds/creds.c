// SPDX-License-Identifier: GPL-2.0-only
/*
 * Credentials: real, effective, saved and file system ids, groups, the five
 * capability sets and securebits. Argument: which set-up.
 *	mixed		four different user and group ids, some capabilities
 *	nobody		an ordinary user without any
 *	ambient		an ordinary user with an ambient capability
 *	weak-root	user 0 without capabilities, which exec must not give back
 *	bounded		root with a smaller bounding set and locked securebits
 */
#include "test.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct caps {
	uint64_t effective, permitted, inheritable;
};

static void set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = effective >> 32 * i;
		data[i].permitted = permitted >> 32 * i;
		data[i].inheritable = inheritable >> 32 * i;
	}
	TRY(syscall(SYS_capset, &header, data));
}

#define BIT(cap) (1ull << (cap))

static void mixed(void)
{
	static const gid_t groups[] = { 5, 1234, 70000, 4 };

	TRY(setgroups(COUNT(groups), groups));
	TRY(prctl(PR_SET_KEEPCAPS, 1));
	TRY(setresgid(1001, 1002, 1003));
	setfsgid(1004);
	TRY(setresuid(2001, 2002, 2003));
	set_caps(BIT(CAP_NET_ADMIN) | BIT(CAP_SETUID), BIT(CAP_NET_ADMIN) | BIT(CAP_SETUID) | BIT(CAP_CHOWN),
		 BIT(CAP_KILL));
	setfsuid(2004);
}

static void nobody(void)
{
	TRY(setgroups(0, NULL));
	TRY(setresgid(65534, 65534, 65534));
	TRY(setresuid(65534, 65534, 65534));
}

static void ambient(void)
{
	TRY(prctl(PR_SET_KEEPCAPS, 1));
	TRY(setresuid(3000, 3000, 3000));
	set_caps(BIT(CAP_NET_RAW), BIT(CAP_NET_RAW) | BIT(CAP_SYS_NICE), BIT(CAP_NET_RAW) | BIT(CAP_SYS_NICE));
	TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
}

static void weak_root(void)
{
	set_caps(0, BIT(CAP_CHOWN), 0);
}

static void bounded(void)
{
	TRY(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
	TRY(prctl(PR_CAPBSET_DROP, CAP_SYS_RAWIO));
	TRY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE));
}

static const struct {
	const char *name;
	void (*set_up)(void);
} set_ups[] = {
	{ "mixed", mixed }, { "nobody", nobody }, { "ambient", ambient }, { "weak-root", weak_root }, { "bounded", bounded },
};

static const char *const lines[] = {
	"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
};

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);
	static char before[COUNT(lines)][256];
	void (*set_up)(void) = NULL;

	for (size_t i = 0; own < argc && i < COUNT(set_ups); i++)
		if (strcmp(argv[own], set_ups[i].name) == 0)
			set_up = set_ups[i].set_up;
	CHECK(set_up, "which set-up?");
	/* It could never go back, so only the first round sets up. */
	set_up();
	/* As setuid() leaves it, which exec and PR_SET_DUMPABLE do not. */
	int dumpable = TRY(prctl(PR_GET_DUMPABLE));
	do {
		for (size_t i = 0; i < COUNT(lines); i++)
			snprintf(before[i], sizeof(before[i]), "%s", proc_field("/proc/self/status", lines[i]));
		int securebits = TRY(prctl(PR_GET_SECUREBITS));
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(lines); i++) {
			const char *now = proc_field("/proc/self/status", lines[i]);
			CHECK(strcmp(now, before[i]) == 0, "%s: %s, was %s", lines[i], now, before[i]);
		}
		SAME(prctl(PR_GET_SECUREBITS), securebits);
		SAME(prctl(PR_GET_DUMPABLE), dumpable);
	} while (test_pass());
	return 0;
}
