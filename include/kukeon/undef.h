/* include/kukeon/undef.h - forget the row macros, so that the next reading of a table brings its own.
 *
 * No guard: it is included behind each table. */
/* clang-format off */
#undef KK_DOC
#undef KK_DOC_BOOL
#undef KK_DOC_I64
#undef KK_DOC_TIME
#undef KK_DOC_OPT_I64
#undef KK_DOC_OPT_BOOL
#undef KK_DOC_STR
#undef KK_DOC_STRS
#undef KK_DOC_INTS
#undef KK_DOC_MAP
#undef KK_DOC_ENUM
#undef KK_DOC_OBJ
#undef KK_DOC_LIST
#undef KK_MSG
#undef KK_EVENT
#undef KK_MSG_RETIRED
#undef KK_REQ
#undef KK_REP
#undef KK_BOOL
#undef KK_I64
#undef KK_U64
#undef KK_TIME
#undef KK_STR
#undef KK_BIN
#undef KK_STRS
#undef KK_MAP
#undef KK_OPT_I64
#undef KK_OBJ
#undef KK_LIST_DOC
