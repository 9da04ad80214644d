/* include/kukeon/entry.h - the programs inside the one binary. */
#ifndef KK_ENTRY_H
#define KK_ENTRY_H

#ifndef KK_VERSION
#define KK_VERSION "0.1.0"
#endif

int kuke_main(int argc, char **argv);
int kukeond_main(int argc, char **argv);

int kk_reconciler_main(void);
int kk_containerd_main(void);
int kk_network_main(void);
int kk_cgroup_main(void);

#endif
