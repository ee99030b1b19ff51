# The part of google-re2 that is used; the package has no types of its own.
from typing import AnyStr, Generic

class error(Exception): ...

class Options:
    class Encoding:
        UTF8: Options.Encoding
        LATIN1: Options.Encoding

    encoding: Options.Encoding
    log_errors: bool

class Match(Generic[AnyStr]):
    def __getitem__(self, group: int) -> AnyStr: ...

class Pattern(Generic[AnyStr]):
    groups: int
    def search(self, text: AnyStr) -> Match[AnyStr] | None: ...

def compile(pattern: AnyStr, options: Options | None = None) -> Pattern[AnyStr]: ...
