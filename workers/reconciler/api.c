/* workers/reconciler/api.c - the methods of kukeonv1: the table, arguments in, replies out. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/fault.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

/* What was begun for a former supervisor. */
static struct api *finishing;

static void api_free(struct api *api)
{
	for (struct api **p = &finishing; *p; p = &(*p)->next) {
		if (*p == api) {
			*p = api->next;
			break;
		}
	}
	if (api->has_doc)
		kk_schema_release(kk_kind_schema((enum kk_kind)api->method->kind), &api->doc);
	json_decref(api->args);
	rc_plan_release(&api->plan);
	free(api->path);
	free(api);
}

/* The end of each call. Its notes are kept until the supervisor has the answer: should that be lost, the
 * call comes again. For an in-process command nobody is left to tell. */
void rc_api_end(struct api *api, char *text)
{
	struct kk_rep_api_request *rep = api->call ? api->call->rep : NULL;

	(void)kk_fault(KK_FAULT_reconciler_before_answer, NULL);
	if (!rep)
		rc_journal_reply_save(api->op, api->method->name, text);
	if (api->method->is_change && !rc.worker->config.is_embedded)
		rc_journal_request_drop(api->op);
	if (rep) {
		rep->result = (struct kk_bin){(uint8_t *)text, strlen(text)};
		rep->is_change = api->method->is_change;
		rep->is_noted = rc_journal_is_open(api->op) && !rc.worker->config.is_embedded;
		kk_call_end(api->call, NULL);
	} else {
		free(text);
	}
	if (api->method->is_change && rc.worker->config.is_embedded)
		rc_journal_forget(api->op);
	api_free(api);
}

void rc_api_reply(struct api *api, json_t *reply)
{
	kk_auto_json *owned = reply;

	rc_api_end(api, json_dumps(owned, JSON_COMPACT));
}

struct rc_cause rc_api_cause(const struct api *api)
{
	return (struct rc_cause){.op = api->op};
}

/* {"Result": …, "Err": null} */
void rc_api_result(struct api *api, json_t *result)
{
	rc_api_reply(api, json_pack("{s:o, s:n}", "Result", result, "Err"));
}

/* A document as nobody filled it. */
static json_t *doc_zero(enum kk_kind kind)
{
	const struct kk_schema *schema = kk_kind_schema(kind);
	kk_auto_free void *empty = kk_xalloc(schema->size);

	kk_schema_init(schema, empty);
	return kk_json_encode(schema, empty, KK_JSON_API);
}

static json_t *value_zero(char type, const char *key)
{
	switch (type) {
	case '*':
		return doc_zero((enum kk_kind)kk_kind_parse(key));
	case '?':
		return json_false();
	case '$':
		return json_string("");
	case '#':
		return json_integer(0);
	default:
		return json_null();
	}
}

/* The Result of a failed call: every key that the method has, each with nothing in it. */
static json_t *result_zero(const struct method *method)
{
	kk_auto_free char *words = kk_xstrdup(method->result);
	json_t *result = json_object();
	char *rest = words, *word;

	while ((word = strsep(&rest, " ")))
		json_object_set_new(result, word + 1, value_zero(word[0], word + 1));
	return result;
}

void rc_api_fail(struct api *api, const struct kk_err *err)
{
	json_t *failure, *reply = json_object();
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	kk_info("call failed method=%s code=%s: %s", api->method->name, kk_code_name(err->code),
		text);
	failure = json_pack("{s:s, s:o}", "Kind", kk_code_kind(err->code), "Message",
		kk_json_string(text));
	if (api->method->list)
		json_object_set_new(reply, api->method->list, json_null());
	else
		json_object_set_new(reply, "Result", result_zero(api->method));
	json_object_set_new(reply, "Err", failure);
	rc_api_reply(api, reply);
}

/* A call that could not be made at all. */
static void api_refuse(struct kk_rep_api_request *rep, const char *text)
{
	kk_str_set(&rep->error, text);
}

/* The document as it is stored; one that is not there is empty but for its kind. */
json_t *rc_api_stored(const struct kk_scope *scope, enum kk_kind kind)
{
	const char *text = rc_store_text(scope);
	json_t *json;

	if (text)
		return json_loads(text, 0, NULL);
	json = doc_zero(kind);
	json_object_set_new(json, "apiVersion", json_string(KK_API_VERSION));
	json_object_set_new(json, "kind", json_string(kk_kind_name(kind)));
	if (kind == KK_KIND_CELL) {
		json_object_set_new(json_object_get(json, "spec"), "containers", json_array());
		json_object_set_new(json_object_get(json, "status"), "containers", json_array());
	}
	return json;
}

const char *rc_api_string(const struct api *api, const char *key)
{
	return kk_str(json_string_value(kk_json_get(api->args, key)));
}

int64_t rc_api_integer(const struct api *api, const char *key)
{
	return json_integer_value(kk_json_get(api->args, key));
}

bool rc_api_bool(const struct api *api, const char *key)
{
	return json_is_true(kk_json_get(api->args, key));
}

/* Every part of the scope that the kind needs. */
static int scope_check(const struct api *api, struct kk_err *err)
{
	static const int codes[] = {KK_E_REALM_NAME_REQUIRED, KK_E_SPACE_NAME_REQUIRED,
		KK_E_STACK_NAME_REQUIRED, KK_E_CELL_NAME_REQUIRED};
	const char *const parts[] = {
		api->scope.realm, api->scope.space, api->scope.stack, api->scope.cell};
	int depth = api->method->kind == KK_KIND_CONTAINER ? KK_KIND_CELL : api->method->kind;

	for (int i = 0; i <= depth; i++) {
		if (kk_str_empty(parts[i]))
			return kk_fail(err, codes[i], "%s name is required",
				kk_kind_word((enum kk_kind)i));
		/* It becomes a path. */
		if (strchr(parts[i], '/') || parts[i][0] == '.')
			return kk_name_check((enum kk_kind)i, parts[i], err);
	}
	return 0;
}

bool rc_api_is_realm(const struct kk_scope *realm, struct kk_err *err)
{
	if (!*realm->realm)
		kk_fail(err, KK_E_REALM_NAME_REQUIRED, "realm name is required");
	else if (strchr(realm->realm, '/') || realm->realm[0] == '.')
		kk_name_check(KK_KIND_REALM, realm->realm, err);
	else if (!rc_store_exists(realm))
		kk_fail(err, KK_E_REALM_NOT_FOUND, "realm not found: %s", realm->realm);
	return err->code == 0;
}

/* --- the table --- */

#define WAS_METADATA "?MetadataExistsPre ?MetadataExistsPost "
#define WAS_CGROUP "?CgroupExistsPre ?CgroupExistsPost ?CgroupCreated "
#define WAS_NAMESPACE \
	"?ContainerdNamespaceExistsPre ?ContainerdNamespaceExistsPost ?ContainerdNamespaceCreated "
#define WAS_NETWORK "?CNINetworkExistsPre ?CNINetworkExistsPost ?CNINetworkCreated "
#define CELL_CREATED                                                                         \
	"*Cell " WAS_METADATA WAS_CGROUP "?RootContainerExistsPre ?RootContainerExistsPost " \
	"?RootContainerCreated ?StartedPre ?StartedPost ?Started ?Created @Containers"

static const struct method methods[] = {
	{"ApplyDocuments", -1, rc_api_documents, .result = "@Resources", .is_change = true},
	{"CloseExec", KK_KIND_CONTAINER, rc_api_exec, .result = "$ExecID"},
	{"CreateCell", KK_KIND_CELL, rc_api_create_cell, .result = CELL_CREATED, .is_change = true},
	{"CreateRealm", KK_KIND_REALM, rc_api_create_scope,
		.result = "*Realm " WAS_METADATA WAS_CGROUP WAS_NAMESPACE "?Created",
		.is_change = true},
	{"CreateSpace", KK_KIND_SPACE, rc_api_create_scope,
		.result = "*Space " WAS_METADATA WAS_CGROUP WAS_NETWORK "?Created",
		.is_change = true},
	{"CreateStack", KK_KIND_STACK, rc_api_create_scope,
		.result = "*Stack " WAS_METADATA WAS_CGROUP "?Created", .is_change = true},
	{"DeleteCell", KK_KIND_CELL, rc_api_delete_cell,
		.result = "*Cell ?ContainersDeleted ?CgroupDeleted ?MetadataDeleted",
		.is_change = true, .is_harmful = true},
	{"AttachContainer", KK_KIND_CONTAINER, rc_api_attach_container, .result = "$HostSocketPath",
		.is_reading = true},
	{"DeleteDocuments", -1, rc_api_documents, .result = "@Resources", .is_change = true},
	{"DeleteRealm", KK_KIND_REALM, rc_api_delete_scope,
		.result = "*Realm @Deleted ?MetadataDeleted ?CgroupDeleted "
			  "?ContainerdNamespaceDeleted",
		.is_change = true, .is_harmful = true},
	{"DeleteSpace", KK_KIND_SPACE, rc_api_delete_scope,
		.result = "*Space $SpaceName $RealmName ?MetadataDeleted ?CgroupDeleted "
			  "?CNINetworkDeleted @Deleted",
		.is_change = true, .is_harmful = true},
	{"DeleteStack", KK_KIND_STACK, rc_api_delete_scope,
		.result = "*Stack $StackName $RealmName $SpaceName ?MetadataDeleted ?CgroupDeleted "
			  "@Deleted",
		.is_change = true, .is_harmful = true},
	{"FixLeaks", -1, rc_api_leaks, .result = "@Leaks", .is_change = true},
	{"GetCell", KK_KIND_CELL, rc_api_get_cell,
		.result = "*Cell ?MetadataExists ?CgroupExists ?RootContainerExists "
			  "?RootContainerTaskRunning",
		.is_reading = true},
	{"GetContainer", KK_KIND_CONTAINER, rc_api_get_container,
		.result = "*Container ?CellMetadataExists ?ContainerExists", .is_reading = true},
	{"GetRealm", KK_KIND_REALM, rc_api_get_scope,
		.result = "*Realm ?MetadataExists ?CgroupExists ?ContainerdNamespaceExists"},
	{"GetSpace", KK_KIND_SPACE, rc_api_get_scope,
		.result = "*Space ?MetadataExists ?CgroupExists ?CNINetworkExists"},
	{"GetStack", KK_KIND_STACK, rc_api_get_scope,
		.result = "*Stack ?MetadataExists ?CgroupExists"},
	{"GetStorage", -1, rc_api_get_storage, .result = "@Storage"},
	{"HaltCells", -1, rc_api_halt_cells, .result = "#Halted", .is_local = true},
	{"KillCell", KK_KIND_CELL, rc_api_kill_cell, .result = "*Cell ?Killed", .is_change = true,
		.is_harmful = true},
	{"ListCells", -1, rc_api_list_scopes, .list = "Cells", .listed = KK_KIND_CELL,
		.is_reading = true},
	{"ListContainers", -1, rc_api_list_containers, .list = "Containers", .is_reading = true},
	{"ListEvents", -1, rc_api_list_events, .result = "@Events #Sequence #Missed",
		.is_reading = true},
	{"ListLeaks", -1, rc_api_leaks, .result = "@Leaks"},
	{"ListImages", -1, rc_api_image_call, .result = "@Images", .is_local = true},
	{"ListRealms", -1, rc_api_list_scopes, .list = "Realms", .listed = KK_KIND_REALM},
	{"ListSpaces", -1, rc_api_list_scopes, .list = "Spaces", .listed = KK_KIND_SPACE},
	{"ListStacks", -1, rc_api_list_scopes, .list = "Stacks", .listed = KK_KIND_STACK},
	{"ListUsage", -1, rc_api_list_usage, .result = "@Usage #Microseconds", .is_reading = true},
	{"LoadImage", -1, rc_api_image_call, .result = "@Images", .is_local = true},
	{"LocateContainer", KK_KIND_CONTAINER, rc_api_locate_container, .result = "#Pid",
		.is_reading = true},
	{"LogContainer", KK_KIND_CONTAINER, rc_api_log_container,
		.result = "$HostCapturePath $HostLogPath"},
	{"MaterializeCell", KK_KIND_CELL, rc_api_create_cell, .result = CELL_CREATED,
		.is_change = true},
	{"PlanDocuments", -1, rc_api_documents, .result = "@Resources"},
	{"PruneImages", -1, rc_api_image_call, .result = "@Images", .is_local = true},
	{"PurgeCell", KK_KIND_CELL, rc_api_purge,
		.result = "*Cell ?ContainersDeleted ?CgroupDeleted ?MetadataDeleted "
			  "?PurgeSucceeded ?Force ?Cascade @Deleted @Purged",
		.is_change = true, .is_harmful = true},
	{"PurgeRealm", KK_KIND_REALM, rc_api_purge,
		.result = "*Realm ?RealmDeleted ?PurgeSucceeded ?Force ?Cascade @Deleted @Purged",
		.is_change = true, .is_harmful = true},
	{"PurgeSpace", KK_KIND_SPACE, rc_api_purge,
		.result = "*Space ?MetadataDeleted ?CgroupDeleted ?CNINetworkDeleted "
			  "?PurgeSucceeded ?Force ?Cascade @Deleted @Purged",
		.is_change = true, .is_harmful = true},
	{"PurgeStack", KK_KIND_STACK, rc_api_purge, .result = "*Stack @Deleted @Purged",
		.is_change = true, .is_harmful = true},
	{"RefreshAll", -1, rc_api_refresh,
		.result = "@RealmsFound @SpacesFound @StacksFound @CellsFound @ContainersFound "
			  "@RealmsUpdated @SpacesUpdated @StacksUpdated @CellsUpdated "
			  "@ContainersUpdated @Errors"},
	{"RemoveExec", KK_KIND_CONTAINER, rc_api_exec, .result = "$ExecID"},
	{"RemoveImage", -1, rc_api_image_call, .result = "$Name", .is_local = true},
	{"ResizeExec", KK_KIND_CONTAINER, rc_api_exec, .result = "$ExecID"},
	{"RestartCell", KK_KIND_CELL, rc_api_restart_cell, .result = "*Cell ?Restarted ?Started",
		.is_change = true, .is_harmful = true},
	{"SignalExec", KK_KIND_CONTAINER, rc_api_exec, .result = "$ExecID"},
	{"StartCell", KK_KIND_CELL, rc_api_start_cell, .result = "*Cell ?Started",
		.is_change = true},
	{"StartExec", KK_KIND_CONTAINER, rc_api_exec, .result = "$ExecID"},
	{"StopCell", KK_KIND_CELL, rc_api_stop_cell, .result = "*Cell ?Stopped", .is_change = true,
		.is_harmful = true},
	{"WaitExec", KK_KIND_CONTAINER, rc_api_exec, .result = "?Ended ?Gone #ExitCode"},
};

/* The method of "KukeonV1.<name>", or the text that Go's net/rpc has for one that is not there. */
static const struct method *method_find(const char *full, bool is_local, char **ret_refusal)
{
	const char *dot = strrchr(full, '.');

	if (!dot) {
		*ret_refusal = kk_xprintf("rpc: service/method request ill-formed: %s", full);
		return NULL;
	}
	if (strncmp(full, "KukeonV1.", (size_t)(dot - full) + 1) != 0 || dot - full != 8) {
		*ret_refusal = kk_xprintf("rpc: can't find service %s", full);
		return NULL;
	}
	for (size_t i = 0; i < KK_COUNT(methods); i++) {
		if (strcmp(methods[i].name, dot + 1) == 0 && (is_local || !methods[i].is_local))
			return &methods[i];
	}
	*ret_refusal = kk_xprintf("rpc: can't find method %s", full);
	return NULL;
}

static const struct {
	const char *name;
	const char *type; /* as Go has it */
} scalar_args[] = {
	{"RealmName", "string"},
	{"SpaceName", "string"},
	{"StackName", "string"},
	{"CellName", "string"},
	{"Path", "string"},
	{"Ref", "string"},
	{"RawYAML", "string"},
	{"ExecID", "string"},
	{"User", "string"},
	{"Cwd", "string"},
	{"Stdin", "string"},
	{"Stdout", "string"},
	{"Stderr", "string"},
	{"Tty", "bool"},
	{"Signal", "int64"},
	{"Width", "int64"},
	{"Height", "int64"},
	{"Cascade", "bool"},
	{"Force", "bool"},
	{"Since", "int64"},
	{"Limit", "int64"},
	{"WaitMilliseconds", "int64"},
	{"GraceMilliseconds", "int64"},
};

static bool is_of_type(const json_t *arg, const char *type)
{
	return strcmp(type, "bool") == 0   ? json_is_boolean(arg) :
		strcmp(type, "int64") == 0 ? json_is_integer(arg) :
					     json_is_string(arg);
}

/* What is wrong with the arguments that are no documents; NULL: nothing. Taken for absent, a filter would
 * select everything, and cut at a zero byte, something else. */
static char *scalars_check(const json_t *args)
{
	for (size_t i = 0; i < KK_COUNT(scalar_args); i++) {
		const char *name = scalar_args[i].name;
		const json_t *arg = kk_json_get(args, name);

		if (!arg)
			continue;
		if (!is_of_type(arg, scalar_args[i].type))
			return kk_xprintf("json: cannot unmarshal field %s: not a %s", name,
				scalar_args[i].type);
		if (json_is_string(arg) &&
			strlen(json_string_value(arg)) != json_string_length(arg))
			return kk_xprintf("field %s has a zero byte", name);
	}
	return NULL;
}

/* What the store remembers beside a document, such as whether the object was complete once, is not for a
 * client to say. */
static void internal_drop(const struct kk_schema *schema, void *doc)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		if (field->flags & KK_INTERNAL)
			kk_schema_release(field->sub(), kk_field_at(field, doc));
	}
}

/* Read the arguments; a wrong type is a refusal with the reason. */
static char *args_read(struct api *api)
{
	const json_t *doc = kk_json_get(api->args, "Doc");
	const json_t *yaml = kk_json_get(api->args, "RawYAML");
	enum kk_kind kind = (enum kk_kind)api->method->kind;
	struct kk_err err = {0};
	kk_auto_buf decoded = {0};
	char text[KK_ERR_TEXT];
	char *refusal;

	if (!json_is_object(api->args))
		return kk_xstrdup("json: cannot unmarshal the arguments: not an object");
	refusal = scalars_check(api->args);
	if (refusal)
		return refusal;
	if (json_is_string(yaml) && rc_api_base64(json_string_value(yaml), &decoded) < 0)
		return kk_xstrdup("illegal base64 data at input byte 0");
	if (api->method->kind < 0)
		return NULL;
	if (doc && !json_is_object(doc))
		return kk_xstrdup("json: cannot unmarshal field Doc: not an object");
	kk_schema_init(kk_kind_schema(kind), &api->doc);
	api->has_doc = true;
	if (doc && kk_json_decode(kk_kind_schema(kind), doc, &api->doc, &err) < 0) {
		kk_err_format(&err, text, sizeof text);
		return kk_xstrdup(text);
	}
	internal_drop(kk_kind_schema(kind), &api->doc);
	kk_doc_trim(kind, &api->doc);
	api->scope = kk_doc_scope(kind, &api->doc);
	return NULL;
}

static void api_run(const struct kk_err *ignored, void *arg)
{
	struct api *api = arg;
	const struct kk_realm *any = (const void *)&api->doc;
	struct kk_err err = {0};

	(void)ignored;
	if (api->has_doc && !kk_str_empty(any->api_version) &&
		strcmp(any->api_version, KK_API_VERSION) != 0)
		kk_fail(&err, KK_E_CONVERSION,
			"conversion failed: unsupported apiVersion: %s (expected " KK_API_VERSION
			")",
			any->api_version);
	else if (api->has_doc)
		scope_check(api, &err);
	if (!err.code && api->method->is_harmful && !rc_api_bool(api, "Force"))
		(void)rc_system_check(&api->scope, &err);
	if (err.code)
		rc_api_fail(api, &err);
	else
		api->method->run(api);
}

/* Whoever asks for an operation that a former supervisor began gets its answer, and does nothing again: the
 * world may have moved on since. False: it has to be done. */
static bool finished_answer(struct kk_call *call, const struct method *method,
	struct kk_rep_api_request *rep, int *ret)
{
	char *text;

	for (struct api *api = finishing; api; api = api->next) {
		if (api->op == call->op && api->method == method && !api->call) {
			api->call = call;
			*ret = KK_LATER;
			return true;
		}
	}
	text = rc_journal_reply_read(call->op, method->name);
	if (text) {
		rep->result = (struct kk_bin){(uint8_t *)text, strlen(text)};
		rep->is_change = true;
		rep->is_noted = true;
		*ret = 0;
	}
	return text != NULL;
}

int rc_api_handle(struct kk_call *call, const struct kk_req_api_request *req,
	struct kk_rep_api_request *rep, struct kk_err *err)
{
	kk_auto_free char *refusal = NULL;
	const struct method *method = method_find(kk_str(req->method), req->is_local, &refusal);
	struct api *api;
	int r;

	(void)err;
	kk_info("call method=%s peer_pid=%lld peer_uid=%lld", kk_str(req->method),
		(long long)req->peer_pid, (long long)req->peer_uid);
	if (!method) {
		api_refuse(rep, refusal);
		return 0;
	}
	if (method->is_change && !rc.worker->config.is_embedded &&
		finished_answer(call, method, rep, &r))
		return r;
	api = kk_xalloc(sizeof *api);
	*api = (struct api){.call = call, .op = call->op, .method = method};
	api->args = json_loadb((char *)req->params.data, req->params.len, JSON_ALLOW_NUL, NULL);
	refusal = args_read(api);
	if (refusal) {
		api_refuse(rep, refusal);
		api_free(api);
		return 0;
	}
	/* Nobody but whoever typed it finishes an in-process command. */
	if (method->is_change && !rc.worker->config.is_embedded)
		rc_journal_request_save(call->op, req->method, &req->params);
	/* Nobody followed the events for an in-process command: it looks for itself. */
	if (method->is_reading && rc.worker->config.is_embedded)
		rc_observe_all(call->op, NULL, api_run, api);
	else
		api_run(NULL, api);
	return KK_LATER;
}

bool rc_api_is_under_way(uint64_t op)
{
	for (const struct kk_call *call = rc.worker->dispatch.calls; call; call = call->next) {
		if (call->op == op)
			return true;
	}
	return false;
}

void rc_api_finish(uint64_t op, const char *name, const struct kk_bin *params)
{
	kk_auto_free char *refusal = NULL;
	struct api *api;

	api = kk_xalloc(sizeof *api);
	*api = (struct api){.op = op, .method = method_find(name, true, &refusal)};
	if (!api->method) {
		kk_warning("an operation can't be finished: %s", kk_str(refusal));
		rc_journal_request_drop(op);
		free(api);
		return;
	}
	api->args = json_loadb((char *)params->data, params->len, JSON_ALLOW_NUL, NULL);
	refusal = args_read(api);
	kk_log_set_op(op);
	if (refusal) {
		kk_warning("an operation can't be finished: %s", refusal);
		rc_journal_request_drop(op);
		api_free(api);
	} else {
		kk_info("finishing what was begun method=%s", name);
		api->next = finishing;
		finishing = api;
		api_run(NULL, api);
	}
	kk_log_set_op(0);
}
