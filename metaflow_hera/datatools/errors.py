"""What can go wrong with the user's own data in S3, by the peer's names."""

from __future__ import annotations

from typing import ClassVar

from metaflow_hera.errors import MetaflowHeraError


class MetaflowS3Exception(MetaflowHeraError):  # noqa: N818  (the peer's name, which flows know)
    """S3 cannot do what was asked; the root of the others."""

    known_as: ClassVar = "metaflow.plugins.datatools.s3.s3.MetaflowS3Exception"


class MetaflowS3URLException(MetaflowS3Exception):
    """An address that cannot be, or one where a key is expected."""

    known_as: ClassVar = "metaflow.plugins.datatools.s3.s3.MetaflowS3URLException"


class MetaflowS3NotFound(MetaflowS3Exception):
    """No such object, or no such bucket."""

    known_as: ClassVar = "metaflow.plugins.datatools.s3.s3.MetaflowS3NotFound"


class MetaflowS3AccessDenied(MetaflowS3Exception):
    """S3 does not allow it."""

    known_as: ClassVar = "metaflow.plugins.datatools.s3.s3.MetaflowS3AccessDenied"


class MetaflowS3InvalidObject(MetaflowS3Exception):
    """Something that cannot become an object of S3."""

    known_as: ClassVar = "metaflow.plugins.datatools.s3.s3.MetaflowS3InvalidObject"


class MetaflowS3InvalidRange(MetaflowS3Exception):
    """A part of an object that it does not have."""

    known_as: ClassVar = "metaflow.plugins.datatools.s3.s3.MetaflowS3InvalidRange"


class MetaflowS3InsufficientDiskSpace(MetaflowS3Exception):
    """No room on the disk for what was asked."""

    known_as: ClassVar = "metaflow.plugins.datatools.s3.s3.MetaflowS3InsufficientDiskSpace"
