/* client/setup/group.c - the group that may use kukeond's socket, and the user that goes with it. */
#include "setup.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>

gid_t setup_group_find(void)
{
	const struct group *group = getgrnam(SETUP_GROUP);

	return group ? group->gr_gid : 0;
}

static int add(const char *const *argv, const char *what, struct kk_err *err)
{
	kk_auto_buf output = {.max = 4096};
	int status = setup_command(argv, &output);

	if (status == 0)
		return 0;
	return kk_fail(err, KK_E_IO, "add the system %s \"" SETUP_GROUP "\": %s: %s", what, argv[0],
		status < 0 ? "there is no such program on this host" : kk_str((char *)output.data));
}

int setup_account_ensure(struct setup_account *ret_account, struct kk_err *err)
{
	static const char *const groupadd[] = {"groupadd", "--system", SETUP_GROUP, NULL};
	static const char *const useradd[] = {"useradd", "--system", "--gid", SETUP_GROUP,
		"--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin",
		SETUP_GROUP, NULL};
	struct setup_account account = {.is_group_new = !setup_group_find()};
	const struct passwd *user;

	if (account.is_group_new && add(groupadd, "group", err) < 0)
		return kk_failed(err);
	account.is_user_new = !getpwnam(SETUP_GROUP);
	if (account.is_user_new && add(useradd, "user", err) < 0)
		return kk_failed(err);
	user = getpwnam(SETUP_GROUP);
	account.gid = setup_group_find();
	account.uid = user ? user->pw_uid : 0;
	if (!account.gid || !user)
		return kk_fail(err, KK_E_IO,
			"user and group \"" SETUP_GROUP
			"\" were added, but the host does not know them: see /etc/nsswitch.conf");
	*ret_account = account;
	return 0;
}

const char *setup_user_remove(void)
{
	static const char *const userdel[] = {"userdel", SETUP_GROUP, NULL};

	if (!getpwnam(SETUP_GROUP))
		return "absent";
	return setup_command(userdel, NULL) == 0 ? "removed" : SETUP_REMOVE_FAILED;
}

/* userdel takes the group of the same name along, where nobody else is in it. */
const char *setup_group_remove(void)
{
	static const char *const groupdel[] = {"groupdel", SETUP_GROUP, NULL};

	if (!getgrnam(SETUP_GROUP))
		return "absent";
	return setup_command(groupdel, NULL) == 0 ? "removed" : SETUP_REMOVE_FAILED;
}
