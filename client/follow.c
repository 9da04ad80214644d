/* client/follow.c - events as they come. */
#include "cli.h"

#include <stdio.h>

#include <kukeon/mem.h>

enum { CRASHES_MAX = 8, LOCAL_MS = 500, DAEMON_MS = 5000 };

/* In-process nobody is there to see what ends: it is looked at again. */
static int call(struct cli *cli, const struct cli_follow *follow, int64_t wait_ms,
	json_t **ret_reply, struct kk_err *err)
{
	int64_t longest_ms = cli_is_local(cli) ? LOCAL_MS : DAEMON_MS;
	json_t *args = cli_scope_args(&follow->scope);

	json_object_set_new(args, "Since", json_integer(follow->since));
	json_object_set_new(args, "Limit", json_integer(follow->limit));
	json_object_set_new(args, "WaitMilliseconds",
		json_integer(wait_ms < longest_ms ? wait_ms : longest_ms));
	return cli_call(cli, "ListEvents", args, ret_reply, err);
}

int cli_follow_start(struct cli *cli, struct cli_follow *follow, struct kk_err *err)
{
	kk_auto_json *reply = NULL;

	follow->since = -1;
	follow->limit = 1;
	if (call(cli, follow, 0, &reply, err) < 0)
		return kk_failed(err);
	follow->since =
		json_integer_value(json_object_get(json_object_get(reply, "Result"), "Sequence"));
	follow->limit = 0;
	return 0;
}

static void missed_tell(int64_t missed)
{
	if (missed > 0)
		fprintf(stderr, "Warning: %lld events are not kept any more\n", (long long)missed);
	else if (missed < 0)
		fprintf(stderr, "Warning: the log of events began anew\n");
}

int cli_follow_next(struct cli *cli, struct cli_follow *follow, int64_t wait_ms,
	json_t **ret_events, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	const json_t *result;
	int r = call(cli, follow, wait_ms, &reply, err);

	/* It was under way at several deaths of a worker, without being to blame. */
	for (int i = 0; i < CRASHES_MAX && r == KK_E_WORKER_CRASHED; i++) {
		kk_err_clear(err);
		r = call(cli, follow, wait_ms, &reply, err);
	}
	if (r < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	missed_tell(json_integer_value(json_object_get(result, "Missed")));
	follow->since = json_integer_value(json_object_get(result, "Sequence"));
	follow->limit = 0;
	*ret_events = json_incref(json_object_get(result, "Events"));
	return 0;
}
