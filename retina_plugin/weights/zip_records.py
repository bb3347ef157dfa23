"""The records of a zip archive whose content is stored as it is, so that reading needs no more memory than the file."""

import struct
import zipfile
import zlib
from typing import BinaryIO

from ..printable import shown

_LARGEST_DIRECTORY = 8 * 2**20  # bytes, for some 100,000 records
_HEADER = struct.Struct("<4s22xHH")  # signature, length of the name, length of the extra field


class ZipRecords:
    """Reads records by name; names leave out the folder that contains all records."""

    def __init__(self, file: BinaryIO) -> None:
        """`file` must stay open."""
        self._file = file
        with zipfile.ZipFile(_DirectoryFile(file)) as archive:
            records = sorted(archive.infolist(), key=lambda record: record.header_offset)
            ends = [record.header_offset for record in records[1:]] + [archive.start_dir]
        self._records = {
            record.filename.partition("/")[2]: (record, end) for record, end in zip(records, ends, strict=True)
        }
        self._count = len(records)

    def check(self) -> None:
        """Raise zipfile.BadZipFile if a record is compressed, encrypted, too large, or has the name of another."""
        if len(self._records) < self._count:
            raise zipfile.BadZipFile("several records have one name")
        for record, end in self._records.values():
            if record.external_attr & 16 or record.flag_bits & 1 or record.compress_type != zipfile.ZIP_STORED:
                raise zipfile.BadZipFile(f"record {shown(record.filename)} is damaged, compressed or encrypted")
            if record.compress_size != record.file_size or record.header_offset + record.file_size > end:
                raise zipfile.BadZipFile(f"record {shown(record.filename)} is damaged: its size is wrong")

    def __contains__(self, name: str) -> bool:
        return name in self._records

    def size(self, name: str) -> int:
        """The bytes of a record; raises ValueError if there is none of that name."""
        if name not in self._records:
            raise ValueError(f"it has no record {shown(name)}")
        return self._records[name][0].file_size

    def read(self, name: str) -> bytearray:
        """The content of a record."""
        data = bytearray(self.size(name))
        self.read_into(name, memoryview(data))
        return data

    def read_into(self, name: str, target: memoryview) -> None:
        """Read a record into memory of its size; zipfile.BadZipFile if it is damaged or its checksum is wrong."""
        record, end = self._records[name]
        self._file.seek(record.header_offset)
        signature, *lengths = _HEADER.unpack(self._file.read(_HEADER.size))
        start = record.header_offset + _HEADER.size + sum(lengths)
        if signature != b"PK\x03\x04" or start + record.file_size > end:
            raise zipfile.BadZipFile(f"record {shown(record.filename)} is damaged: it overlaps the next one")
        self._file.seek(start)
        if self._file.readinto(target) != len(target) or zlib.crc32(target) != record.CRC:
            raise zipfile.BadZipFile(f"record {shown(record.filename)} is damaged: its checksum does not match")


class _DirectoryFile:
    """The file for zipfile to read the list of records; refuses a large list, as each entry takes 500 bytes here."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, size: int = -1) -> bytes:
        if size > _LARGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory of records has {size} bytes")
        return self._read(size)
