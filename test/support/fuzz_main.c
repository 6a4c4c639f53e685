/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files and folders that are named, without a fuzzing engine: every
 * input that once broke something is a test ever after.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inputs_run;

static int
run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(1 << 20);
    size_t size;

    if (file == NULL || data == NULL) {
        perror(path);
        free(data);
        if (file != NULL)
            (void)fclose(file);
        return 1;
    }
    size = fread(data, 1, 1 << 20, file);
    (void)fclose(file);

    /* An exact allocation, so that a read past the end shows under the address sanitizer. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact != NULL) {
        if (size > 0)
            memcpy(exact, data, size);
        (void)LLVMFuzzerTestOneInput(exact, size);
        inputs_run++;
    }
    free(exact);
    free(data);
    return 0;
}

static int
run_path(const char *path)
{
    struct stat status;
    char child[4096];
    int failed = 0;

    if (stat(path, &status) != 0) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(status.st_mode))
        return run_file(path);

    DIR *dir = opendir(path);
    if (dir == NULL) {
        perror(path);
        return 1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) < (int)sizeof(child))
            failed |= run_path(child);
    }
    (void)closedir(dir);
    return failed;
}

int
main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= run_path(argv[i]);
    if (inputs_run == 0) {
        (void)fprintf(stderr, "no input was run\n");
        return 1;
    }
    (void)printf("%zu inputs\n", inputs_run);
    return failed;
}
