"""What lies where in a RUN folder."""

from dataclasses import dataclass

from upath import UPath

from pipelines.storage import open_root, resolve_inside


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The names of everything in a RUN folder."""

    root: UPath

    @property
    def run_json(self) -> UPath:
        """Configuration and circumstances: enough to repeat the run."""
        return self.root / "run.json"

    @property
    def catalog(self) -> UPath:
        """One row per file seen."""
        return self.root / "catalog.parquet"

    @property
    def report(self) -> UPath:
        """One row per source: the final word."""
        return self.root / "report.parquet"

    @property
    def shots(self) -> UPath:
        """One row per shot of the clips; not there where a run has none."""
        return self.root / "shots.parquet"

    @property
    def report_html(self) -> UPath:
        """The page."""
        return self.root / "report.html"

    @property
    def summary(self) -> UPath:
        """Counts, rates, times."""
        return self.root / "summary.json"

    @property
    def sheets(self) -> UPath:
        """Folder of contact sheets."""
        return self.root / "sheets"

    @property
    def attempts(self) -> UPath:
        """Folder of committed parts: one row per image ever made."""
        return self.root / "attempts"

    def stage(self, name: str) -> UPath:
        """Folder of a stage's committed parts."""
        return self.root / "shards" / name

    def clip(self, attempt_id: str) -> UPath:
        """Folder of a clip at work: its plan, and its segments."""
        return self.root / "clips" / attempt_id

    def images(self, output: str) -> UPath:
        """Where the delivered image of that relative path lies."""
        return resolve_inside(self.root / "images", output)

    def quarantine(self, output: str) -> UPath:
        """Where an output that stayed bad lies."""
        return resolve_inside(self.root / "quarantine", output)

    @property
    def reviews(self) -> UPath:
        """Folder of committed parts: what people said of outputs."""
        return self.root / "reviews"

    def refused(self, attempt_id: str, output: str) -> UPath:
        """Where a correction lies that was refused and is kept: by a person, or as a suggestion."""
        return resolve_inside(self.root / "refused" / attempt_id, output)

    def superseded(self, output: str) -> UPath:
        """Where the first output of a corrected image lies."""
        return resolve_inside(self.root / "superseded", output)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJob:
    """What all that travels to workers says of a run: where its photos lie, and its RUN folder."""

    photos: str
    run: str

    @property
    def folder(self) -> RunFolder:
        """The RUN folder."""
        return RunFolder(open_root(self.run))
