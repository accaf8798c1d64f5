/* sock_path.h: UNIX sockets that only their owner may use: mode 0600, in a folder that belongs to
 * the user and that no one else may write to. */
#pragma once
#include "model/param.h"

/* A listening stream socket at path, close-on-exec and non-blocking. A socket file that nobody
 * serves any more is replaced. -1: err says why. */
int sock_listen(const char *path, struct hca_error *err);

/* The folder's part of that, for sockets of other kinds. */
bool sock_folder_ok(const char *path, struct hca_error *err);
