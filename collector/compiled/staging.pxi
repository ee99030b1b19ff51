# SPDX-License-Identifier: GPL-2.0-or-later
# What is merged as rows for COPY: the same as ``encode.RowEncoder``, value by value.

from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc

from collector.correlation.encode import MAX_SEEN_BYTES, clean_text

cdef enum:
    T_TEXT, T_INTEGER, T_SMALLINT, T_BIGINT, T_BOOLEAN, T_INET, T_JSONB, T_SEEN, T_TIMESTAMP
    FIRST_ROOM = 1024
    # Above it Python sorts.
    SORTED_HERE = 32
    SMALLINT_MAX = 0x7FFF

cdef dict TYPES = {
    "text": T_TEXT,
    "integer": T_INTEGER,
    "smallint": T_SMALLINT,
    "bigint": T_BIGINT,
    "boolean": T_BOOLEAN,
    "inet": T_INET,
    "jsonb": T_JSONB,
    "bytea": T_SEEN,
    "timestamp with time zone": T_TIMESTAMP,
}
cdef int MAX_SEEN = MAX_SEEN_BYTES // 4


cdef inline Text text_of(bytes value) noexcept:
    """The bytes of an object, which must stay; none of None."""
    cdef Text text
    if value is None:
        return literal(b"", 0)
    text.data = <Bytes>PyBytes_AS_STRING(value)
    text.size = PyBytes_GET_SIZE(value)
    return text


cdef int put_clean(Out *out, bytes value) except -1:
    """A text value that is not empty."""
    cdef Text text = text_of(value)
    if text.size > MAX_TEXT_BYTES or not is_ascii(&text):
        value = clean_text(value, MAX_TEXT_BYTES)
        text = text_of(value)
    put_number(out, text.size, 4)
    put(out, text.data, text.size)
    return 0


cdef int put_seen(Out *out, list values) except -1:
    """4 bytes for each message, in the order of their values."""
    cdef uint32_t[SORTED_HERE] kept
    cdef uint32_t value
    cdef Py_ssize_t count = len(values), at, place
    if count > SORTED_HERE:
        values = sorted(values)[:MAX_SEEN]
        put_number(out, 4 * len(values), 4)
        for value in values:
            put_number(out, value, 4)
        return 0
    for at in range(count):
        value = values[at]
        place = at
        while place > 0 and kept[place - 1] > value:
            kept[place] = kept[place - 1]
            place -= 1
        kept[place] = value
    put_number(out, 4 * count, 4)
    for at in range(count):
        put_number(out, kept[at], 4)
    return 0


cdef int put_column(Out *out, int type_, object value) except -1:
    """One value, or NULL for None and for a text or a list without anything in it."""
    cdef Text text
    if value is None:
        put_null(out)
    elif type_ == T_TIMESTAMP:
        put_value(out, <int64_t>value - EPOCH_US, 8)
    elif type_ == T_BIGINT:
        put_value(out, <int64_t>value, 8)
    elif type_ == T_INTEGER:
        put_value(out, <int32_t>value, 4)
    elif type_ == T_SMALLINT:
        put_value(out, <int16_t>min(<int64_t>value, SMALLINT_MAX), 2)
    elif type_ == T_BOOLEAN:
        put_value(out, 1 if value else 0, 1)
    elif not value:
        put_null(out)
    elif type_ == T_TEXT:
        put_clean(out, value)
    elif type_ == T_SEEN:
        put_seen(out, value)
    else:
        text = text_of(value)
        if type_ == T_INET:
            put_inet(out, &text)
        else:
            put_number(out, 1 + text.size, 4)
            put(out, b"\1", 1)
            put(out, text.data, text.size)
    return 0


cdef int put_group(Out *out, bytes types, object values) except -1:
    """The value of a single column, or the values of several."""
    cdef Text columns_of = text_of(types)
    cdef tuple several
    cdef Py_ssize_t at
    if columns_of.size == 1:
        put_column(out, byte_at(&columns_of, 0), values)
        return 0
    several = values
    if len(several) != columns_of.size:
        raise ValueError("a slot with another number of values than columns")
    for at in range(columns_of.size):
        put_column(out, byte_at(&columns_of, at), several[at])
    return 0


cdef int put_row(Out *out, bytes start, tuple filing, list slots, dict given, list groups) except -1:
    cdef Text text = text_of(start)
    cdef Py_ssize_t number, at
    cdef bytes types, ready
    put(out, text.data, text.size)
    for ready in filing:
        text = text_of(ready)
        put(out, text.data, text.size)
    for number in range(len(groups)):
        types = groups[number]
        value = slots[number]
        if value is None:
            for at in range(len(types)):
                put_null(out)
            continue
        ready = given.get(number) if given else None
        if ready is None:
            put_group(out, types, value)
        else:
            text = text_of(ready)
            put(out, text.data, text.size)
    return 0


cdef class RowEncoder:
    """See ``encode.RowEncoder``."""

    cdef bytes _start
    cdef list _groups
    cdef uint8_t *_room
    cdef Py_ssize_t _size

    def __cinit__(self, filing, groups):
        self._groups = [bytes(TYPES[column.type] for column in group.columns) for group in groups]
        self._start = (filing + sum(map(len, self._groups))).to_bytes(2)
        self._size = FIRST_ROOM
        self._room = <uint8_t *>PyMem_Malloc(self._size)
        if self._room is NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self._room)

    cdef Out _begin(self) noexcept:
        cdef Out out
        out.data = self._room
        out.size = self._size
        out.at = 0
        return out

    cdef bint _fits(self, Out *out) except -1:
        """Whether all was put there; if not, now there is room."""
        if out.at <= self._size:
            return True
        room = <uint8_t *>PyMem_Realloc(self._room, out.at)
        if room is NULL:
            raise MemoryError
        self._room = room
        self._size = out.at
        return False

    def row(self, tuple filing, list slots, dict given=None):
        """One COPY row: encoded filing columns, then the slots in the order of the groups."""
        cdef Out out
        while True:
            out = self._begin()
            put_row(&out, self._start, filing, slots, given, self._groups)
            if self._fits(&out):
                return PyBytes_FromStringAndSize(<const char *>out.data, out.at)

    def slot(self, Py_ssize_t number, value):
        """One slot, encoded."""
        cdef Out out
        while True:
            out = self._begin()
            put_group(&out, self._groups[number], value)
            if self._fits(&out):
                return PyBytes_FromStringAndSize(<const char *>out.data, out.at)
