"""Errors that a caller handles. The text of each is one sentence that a person can act on."""


class GanstError(Exception):
    """Base of everything GANST raises on purpose."""


class UndecodableImageError(GanstError):
    """The bytes are no image that can be decoded: a row `rejected`, never a crash."""


class UnstylizableImageError(GanstError):
    """A decoded image that cannot be stylized or written: a row `rejected`, never a crash."""


class StaleSourceError(GanstError):
    """A source is not what the catalog says: a row `rejected` until it is ingested again."""


class EmptyFolderError(GanstError):
    """The photo folder does not exist or holds no file."""


class RunConflictError(GanstError):
    """A RUN folder belongs to another configuration, or was used in a way that cannot work."""


class UnknownRunError(GanstError):
    """The folder is not a RUN folder, or not that of a dataset."""


class GroupsFileError(GanstError):
    """The file that sets the groups of photos cannot be used."""


class PathLeavesRootError(GanstError):
    """A relative path points outside of the folder that it is relative to."""


class SchemaMismatchError(GanstError):
    """A Parquet file does not have the columns that its place promises."""


class ClusterError(GanstError):
    """The Dask cluster cannot be reached, went away, or does not run the same code."""
