/* supervisor/handover.c */
#include "handover.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/fd.h>
#include <kukeon/json.h>

void sv_handover_init(struct sv_handover *handover)
{
	*handover = (struct sv_handover){0};
	kk_schema_init(kk_schema_of_handover(), &handover->doc);
}

void sv_handover_release(struct sv_handover *handover)
{
	kk_handover_release(&handover->doc);
	kk_buf_release(&handover->bytes);
}

int sv_handover_put(struct sv_handover *handover, const void *data, size_t len)
{
	return kk_buf_append(&handover->bytes, data, len);
}

const void *sv_handover_take(struct sv_handover *handover, int64_t len)
{
	size_t at = handover->n_taken;

	if (len < 0 || (uint64_t)len > handover->bytes.len - at)
		return NULL;
	handover->n_taken += (size_t)len;
	return len ? handover->bytes.data + at : (const uint8_t *)"";
}

int sv_handover_write(struct sv_handover *handover, struct kk_err *err)
{
	kk_auto_json *json = kk_json_encode(kk_schema_of_handover(), &handover->doc, KK_JSON_DISK);
	kk_auto_free char *text = json_dumps(json, JSON_COMPACT);
	kk_auto_fd int fd = memfd_create("handover", MFD_CLOEXEC);

	if (!text)
		return kk_fail(err, KK_E_NOMEM, "no memory for the handover");
	if (fd < 0 || kk_fd_write_all(fd, text, strlen(text)) < 0 ||
		kk_fd_write_all(fd, "\n", 1) < 0 ||
		kk_fd_write_all(fd, handover->bytes.data, handover->bytes.len) < 0)
		return kk_fail_errno(err, KK_E_IO, "write the handover");
	return kk_steal_fd(&fd);
}

static int content_read(int fd, struct kk_buf *buf, struct kk_err *err)
{
	struct stat st;
	uint8_t *room;

	if (fstat(fd, &st) < 0)
		return kk_fail_errno(err, KK_E_IO, "read the handover");
	room = kk_buf_reserve(buf, (size_t)st.st_size + 1);
	if (!room)
		return kk_fail(err, KK_E_NOMEM, "no memory for the handover");
	if (pread(fd, room, (size_t)st.st_size, 0) != st.st_size)
		return kk_fail_errno(err, KK_E_IO, "read the handover");
	kk_buf_added(buf, (size_t)st.st_size);
	return 0;
}

int sv_handover_read(int fd, struct sv_handover *ret_handover, struct kk_err *err)
{
	struct sv_handover handover = {0};
	kk_auto_json *json = NULL;
	const uint8_t *newline;

	if (content_read(fd, &handover.bytes, err) < 0)
		goto failed;
	newline = memchr(handover.bytes.data, '\n', handover.bytes.len);
	if (newline)
		json = json_loadb((const char *)handover.bytes.data,
			(size_t)(newline - handover.bytes.data), 0, NULL);
	if (!json) {
		kk_fail(err, KK_E_PROTOCOL, "the handover is no JSON");
		goto failed;
	}
	if (kk_json_decode(kk_schema_of_handover(), json, &handover.doc, err) < 0) {
		kk_wrap(err, "read the handover");
		goto failed;
	}
	kk_buf_consume(&handover.bytes, (size_t)(newline - handover.bytes.data) + 1);
	*ret_handover = handover;
	return 0;
failed:
	kk_buf_release(&handover.bytes);
	return kk_failed(err);
}

void sv_handover_keep_fd(int64_t fd, int is_kept)
{
	if (fd > STDERR_FILENO)
		(void)fcntl((int)fd, F_SETFD, is_kept ? 0 : FD_CLOEXEC);
}

void sv_handover_keep_fds(const struct sv_handover *handover, int is_kept)
{
	const struct kk_handover *doc = &handover->doc;

	sv_handover_keep_fd(doc->lock_fd, is_kept);
	sv_handover_keep_fd(doc->listen_fd, is_kept);
	if (doc->has_host_root)
		sv_handover_keep_fd(doc->host_fd, is_kept);
	for (size_t i = 0; i < doc->workers.n; i++) {
		sv_handover_keep_fd(doc->workers.items[i].line_fd, is_kept);
		sv_handover_keep_fd(doc->workers.items[i].log_fd, is_kept);
	}
	for (size_t i = 0; i < doc->clients.n; i++)
		sv_handover_keep_fd(doc->clients.items[i].fd, is_kept);
}
