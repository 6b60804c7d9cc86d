"""A month as a Parquet file: written and proven before the month may be dropped, brought back exactly.

The proof is a rehearsal: the finished file is read from the disk and copied into a temporary table, whose digest,
made by the server, must be that of the month. Nothing is recorded before, and without the record nothing is dropped.
Rows lie in the order of the primary key, so that who asks for some series reads only a part of the file.
"""

from mlops.db.archive.files import Month
from mlops.db.archive.restoration import Restored, restore
from mlops.db.archive.write import Archive, archive

__all__ = ["Archive", "Month", "Restored", "archive", "restore"]
