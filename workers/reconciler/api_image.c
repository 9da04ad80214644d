/* workers/reconciler/api_image.c - images of a realm: for the embedding process, as `kuke image` is always
 * in-process. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

static void image_done(const struct kk_err *err, void *arg)
{
	struct api *api = arg;
	const struct kk_rep_image_load *load = rc_plan_reply(&api->plan, KK_MSG_image_load, 0);
	const struct kk_rep_image_list *list = rc_plan_reply(&api->plan, KK_MSG_image_list, 0);
	const struct kk_rep_image_remove *removed =
		rc_plan_reply(&api->plan, KK_MSG_image_remove, 0);
	const struct kk_rep_image_prune *prune = rc_plan_reply(&api->plan, KK_MSG_image_prune, 0);
	const char *realm = rc_api_string(api, "RealmName");
	struct kk_err failure = {0};
	kk_auto_free char *namespace = rc_store_namespace(realm, &failure);
	json_t *result;

	if (err || !namespace) {
		rc_api_fail(api, err ? err : &failure);
		return;
	}
	result = json_pack("{s:s, s:s}", "Realm", realm, "Namespace", namespace);
	if (load) {
		json_t *names = json_array();

		for (size_t i = 0; i < load->images.n; i++)
			json_array_append_new(names, json_string(load->images.items[i]));
		json_object_set_new(result, "Images", names);
	}
	if (list)
		json_object_set_new(result, "Images",
			kk_json_encode_list(kk_schema_of_image_info(),
				(const struct kk_list *)(const void *)&list->images, KK_JSON_API));
	if (prune)
		json_object_update_new(result,
			json_pack("{s:I, s:I}", "Released", (json_int_t)prune->released, "Retained",
				(json_int_t)prune->retained));
	if (removed)
		json_object_set_new(result, "Name", json_string(kk_str(removed->name)));
	rc_api_result(api, result);
}

void rc_api_image_call(struct api *api)
{
	const char *method = api->method->name;
	kk_auto_free char *namespace = NULL;
	struct kk_err err = {0};

	if (!rc_api_is_realm(&(struct kk_scope){.realm = rc_api_string(api, "RealmName")}, &err)) {
		rc_api_fail(api, &err);
		return;
	}
	namespace = rc_store_namespace(rc_api_string(api, "RealmName"), &err);
	if (!namespace) {
		rc_api_fail(api, &err);
		return;
	}
	if (strcmp(method, "LoadImage") == 0) {
		struct kk_req_image_load *req = rc_plan_add(&api->plan, 0, KK_MSG_image_load);

		req->namespace = kk_steal(&namespace);
		req->path = kk_xstrdup(rc_api_string(api, "Path"));
	} else if (strcmp(method, "ListImages") == 0) {
		struct kk_req_image_list *req = rc_plan_add(&api->plan, 0, KK_MSG_image_list);

		req->namespace = kk_steal(&namespace);
	} else if (strcmp(method, "PruneImages") == 0) {
		struct kk_req_image_prune *req = rc_plan_add(&api->plan, 0, KK_MSG_image_prune);

		req->namespace = kk_steal(&namespace);
	} else {
		struct kk_req_image_remove *req = rc_plan_add(&api->plan, 0, KK_MSG_image_remove);

		req->namespace = kk_steal(&namespace);
		req->ref = kk_xstrdup(rc_api_string(api, "Ref"));
	}
	rc_plan_run(&api->plan, api->op, image_done, api);
}
