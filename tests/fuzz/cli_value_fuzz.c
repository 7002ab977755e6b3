/* Any bytes as a reply: read or refused, and what was read is printed in every form. */
#include "tests/cli/support/text_source.h"

#include "base/alloc.h"
#include "base/check.h"

#include "cli/docs.h"
#include "cli/print.h"
#include "cli/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text_source source;
    struct arena arena;
    struct buf out;
    struct cli_docs docs;
    struct cli_value v;

    arena_init(&arena, alloc_heap(), 1 << 12, 1 << 26);
    buf_init(&out, alloc_heap(), 1 << 28);
    cli_docs_init(&docs, alloc_heap());
    text_source_init(&source, bytes_of(data, size));
    if (succeeded(cli_value_read(&source.source, &arena, &v))) {
        for (int format = CLI_PEOPLE; format <= CLI_JSON; format++)
            cli_print((enum cli_format)format, &v, &out);
        if (succeeded(cli_docs_load(&docs, &v)))
            docs.helper.hint(&docs.helper, bytes_of(data, size), &out);
    }
    cli_table_info(bytes_of(data, size), &out);
    CHECK(!out.is_failed);
    cli_docs_deinit(&docs);
    buf_deinit(&out);
    arena_deinit(&arena);
    return 0;
}
