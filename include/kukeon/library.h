/* include/kukeon/library.h - libraries that are loaded by those who need them, for all that know the binary's. */
#ifndef KK_LIBRARY_H
#define KK_LIBRARY_H

#define KK_LIBRARY_NFTABLES "libnftables.so.1"

#endif
