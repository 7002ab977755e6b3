#include "base/status.h"

#include <errno.h>
#include <string.h>

const char *status_name(enum status_code code)
{
    switch (code) {
    case ST_OK:
        return "ok";
    case ST_NOT_FOUND:
        return "not found";
    case ST_AGAIN:
        return "try again";
    case ST_CORRUPT:
        return "corrupt";
    case ST_IO:
        return "input/output error";
    case ST_NO_SPACE:
        return "no space";
    case ST_NO_MEMORY:
        return "no memory";
    case ST_INVALID:
        return "invalid";
    case ST_BUSY:
        return "busy";
    case ST_CONFLICT:
        return "conflict";
    case ST_NOT_LEADER:
        return "not leader";
    case ST_LIMIT:
        return "limit exceeded";
    case ST_CANCELLED:
        return "cancelled";
    case ST_UNSUPPORTED:
        return "unsupported";
    case ST_FAILED:
        return "failed earlier";
    }
    return "unknown status";
}

const char *status_text(struct status s)
{
    const char *words = s.error != 0 ? strerrordesc_np(s.error) : NULL;
    return words != NULL ? words : status_name(s.code);
}

enum status_code status_code_of_errno(int err)
{
    switch (err) {
    case 0:
        return ST_OK;
    case ENOENT:
        return ST_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ST_NO_SPACE;
    case ENOMEM:
        return ST_NO_MEMORY;
    case EINVAL:
    case ENOTDIR:
    case EISDIR:
        return ST_INVALID;
    case EBUSY:
    case EEXIST:
        return ST_BUSY;
    case ECANCELED:
        return ST_CANCELLED;
    case EOPNOTSUPP:
    case ENOSYS:
        return ST_UNSUPPORTED;
    default:
        return ST_IO;
    }
}
