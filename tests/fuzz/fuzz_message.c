/* tests/fuzz/fuzz_message.c - bodies of messages: the first byte chooses the row, the second
 * request or reply. */
#include "fuzz.h"

#include <kukeon/msg.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kk_msg_row *row = size < 2 ? NULL : kk_msg_row_at(data[0]);
	const struct kk_schema *schema;
	void *object;

	if (!row || (data[1] & 1 && !row->rep))
		return 0;
	fuzz_require(kk_msg_row(row->id) == row);
	schema = data[1] & 1 ? row->rep() : row->req();
	object = fuzz_wire(schema, data + 2, size - 2);
	if (object)
		fuzz_object_free(schema, object);
	return 0;
}
