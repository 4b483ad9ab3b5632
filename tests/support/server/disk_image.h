/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a disk holds for sure, and what it may have lost when the power goes: of each file the bytes
 * of its last sync and the changes since. For fault_vfs, whose lock callers hold.
 *
 * A name lives in its folder: one that was made or removed is sure once the folder was synced.
 */
#ifndef DISK_IMAGE_H
#define DISK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_file;

/*
 * The file of this path, followed from now on; what it holds now is taken as synced.
 * with_folder: its first sync is one of the folder too. Valid until disk_forget.
 */
struct disk_file *disk_follow(const char *path, bool exists, bool with_folder);
void disk_note_write(struct disk_file *file, int64_t at, const void *bytes, size_t n);
void disk_note_truncate(struct disk_file *file, int64_t size);
void disk_note_sync(struct disk_file *file);
/* Nothing when the path is not followed. */
void disk_note_remove(const char *path, bool with_folder);

/* Writes each file as the seed has it into a folder; 0: no change since a sync has arrived. */
void disk_write_image(const char *folder, uint64_t seed);

void disk_forget(void);

#endif
