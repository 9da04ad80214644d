/* workers/reconciler/api.h - one call of kukeonv1: what its method knows of it, and how it ends. */
#ifndef KK_RECONCILER_API_H
#define KK_RECONCILER_API_H

#include "rc.h"

struct method;

/* One call under way. */
struct api {
	struct api *next;     /* of those that are finished for nobody */
	struct kk_call *call; /* NULL: nobody waits for the answer */
	uint64_t op;
	const struct method *method;
	json_t *args;
	union {
		struct kk_realm realm;
		struct kk_space space;
		struct kk_stack stack;
		struct kk_cell cell;
		struct kk_container container;
		char any[1];
	} doc;
	struct kk_scope scope; /* of doc, once it was read */
	bool has_doc;
	struct rc_plan plan;
	char *path; /* of an archive */
};

struct method {
	const char *name;
	int kind; /* of the argument Doc; -1: there is none */
	void (*run)(struct api *api);
	const char *list; /* key of the list that is the whole reply; NULL: there is a Result */
	int listed;       /* kind of what it lists */
	const char *
		result; /* keys of the Result: *document ?bool $string #number @list, see result_zero */
	bool is_local;   /* served to the embedding process alone */
	bool is_reading; /* in-process, what is shown is looked at first */
	bool is_change;  /* its answer is kept for who lost it */
	bool is_harmful; /* not done to the realm of kukeond itself unless forced */
};

/* --- api.c --- */

/* The end of each call: once. @text, a whole reply, is taken over. */
void rc_api_end(struct api *api, char *text);
void rc_api_reply(struct api *api, json_t *reply);   /* taken over */
void rc_api_result(struct api *api, json_t *result); /* {"Result": …, "Err": null}; taken over */
void rc_api_fail(struct api *api, const struct kk_err *err);

bool rc_api_is_realm(const struct kk_scope *realm,
	struct kk_err *err); /* false: @err tells why not */
struct rc_cause rc_api_cause(const struct api *api);

/* The document as it is stored; one that is not there is empty but for its kind. */
json_t *rc_api_stored(const struct kk_scope *scope, enum kk_kind kind);

/* An argument: "", 0 and false where it is missing. */
const char *rc_api_string(const struct api *api, const char *key);
int64_t rc_api_integer(const struct api *api, const char *key);
bool rc_api_bool(const struct api *api, const char *key);

/* --- api_read.c --- */
void rc_api_get_scope(struct api *api);
void rc_api_get_cell(struct api *api);
void rc_api_get_container(struct api *api);
void rc_api_log_container(struct api *api);
void rc_api_attach_container(struct api *api);
void rc_api_locate_container(struct api *api);
void rc_api_list_scopes(struct api *api);
void rc_api_list_containers(struct api *api);
void rc_api_list_events(struct api *api);
void rc_api_list_usage(struct api *api);
void rc_api_leaks(struct api *api);
void rc_api_get_storage(struct api *api);

/* The container that is asked for, in @ret_cell. NULL: there is none, and the call has failed. */
const struct kk_container_spec *rc_api_container_find(struct api *api, struct kk_cell *ret_cell);

/* --- api_exec.c --- */
void rc_api_exec(struct api *api);

/* --- api_write.c --- */
void rc_api_create_scope(struct api *api);
void rc_api_create_cell(struct api *api);
void rc_api_start_cell(struct api *api);
void rc_api_restart_cell(struct api *api);
void rc_api_stop_cell(struct api *api);
void rc_api_kill_cell(struct api *api);
void rc_api_halt_cells(struct api *api);
void rc_api_delete_scope(struct api *api);
void rc_api_delete_cell(struct api *api);
void rc_api_purge(struct api *api);
void rc_api_refresh(struct api *api);
void rc_api_documents(struct api *api);
/* Standard base64 with padding, as Go's encoding/json writes []byte. 0, or -1: it is none. */
int rc_api_base64(const char *text, struct kk_buf *out);

/* --- api_image.c: for the embedding process, as `kuke image` is always in-process --- */
void rc_api_image_call(struct api *api);

#endif
