"""Commands about proof: `history`, `migrate`, `report`, `verify`, `verify-record`, `compact`, `scan`."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ifru_jax.command.line import Exit, print_json
from ifru_jax.command.of_store import OfStore
from ifru_jax.command.show import budget, history, say, table, verdict
from ifru_jax.progress import working
from ifru_jax.store import Asked, scan, verify_record
from ifru_jax.store.database import FORMAT


@dataclass(frozen=True)
class History(OfStore):
    """What was asked and when, line by line; it names nobody.

    For instance:

        ifru history shop
        ifru history shop --json
    """

    def run(self) -> int:
        """Beside whoever writes."""
        with self.opened(read_only=True) as store:
            lines, spent = store.history(), store.spent
        if self.json:
            print_json(lines)
        else:
            history(lines)
            budget(spent)
        return Exit.DONE


@dataclass(frozen=True)
class Migrate(OfStore):
    """Brings a store that an older version wrote to the format of this one. Any command that writes does so, too.

    For instance:

        ifru migrate shop --key shop.key
    """

    def run(self) -> int:
        """Opens it for writing, which does it."""
        with working("migrating"), self.opened() as store:
            last = store.history()[-1]
        if self.json:
            print_json(last)
        else:
            say(f"{self.store} is of format {FORMAT}, which this version reads and writes.")
        return Exit.DONE


@dataclass(frozen=True)
class Report(OfStore):
    """Writes a page of what was asked, when, and what came of it: one HTML file that names nobody and needs no network.

    For instance:

        ifru report shop --to report.html

    Attributes:
      to: the file.
    """

    to: Path = Path("report.html")

    def run(self) -> int:
        """Beside whoever writes."""
        with self.opened(read_only=True) as store, working("writing"):
            file = store.report(self.to)
        print_json({"file": str(file)}) if self.json else say(f"{file} is the page.")
        return Exit.DONE


@dataclass(frozen=True)
class Verify(OfStore):
    """Compares the last request with retraining, within its grace period. Takes as long as --seeds trainings.

    For instance:

        ifru verify shop --seeds 5

    A request for one person is seldom told from half of one: verify a batch, or a sample of requests.
    Exit status: 0 passed, 1 failed, 3 it can't be told.

    Attributes:
      seeds: models that are retrained, at least two.
    """

    seeds: int = 3

    def run(self) -> int:
        """Retrains and measures."""
        with self.opened() as store, working("verifying"):
            found = store.verify(seeds=self.seeds)
        if self.json:
            print_json(found.as_dict())
        else:
            say(f"{found.verdict}: {found.why}.")
            table(("fact", "holds", ""), [(name, "yes" if f.holds else "NO", f.detail) for name, f in found.facts.items()])
            rows = [
                (name, _number(m.original), _number(m.value), _number(m.retrained), m.verdict, "yes" if m.informative else "")
                for name, m in found.measures.items()
            ]
            table(("measure", "before", "after", "retrained", "verdict", "informative"), rows)
        return {"passed": Exit.DONE, "failed": Exit.NO}.get(found.verdict, Exit.PARTLY)


@dataclass(frozen=True)
class VerifyRecord(OfStore):
    """Is the record as it was written? Checks its chain, its seals and the files that it describes.

    For instance:

        ifru verify-record shop --key shop.key --head 5d41402abc4b2a76…

    Exit status: 0 yes, 1 no; the first line that was changed is told.

    Attributes:
      head: digest of the last line as it was noted earlier; it shows whether lines were cut off since.
    """

    head: str | None = None

    def run(self) -> int:
        """Changes nothing."""
        with working("checking"):
            found = verify_record(self.store, key=self.key_file, head=self.head)
        print_json(found.as_dict()) if self.json else verdict(found)
        return Exit.DONE if found.holds else Exit.NO


@dataclass(frozen=True)
class Compact(OfStore):
    """Takes the rows of the erased out of the model, so that not even their number is in it.

    For instance:

        ifru compact shop

    The next request is compiled anew, which takes some seconds.
    """

    def run(self) -> int:
        """A step of its own."""
        with self.opened() as store, working("compacting"):
            found = store.compact()
            sizes = store.history()[-1]["counts"]
        if self.json:
            print_json({"number": found.number, "counts": sizes})
        else:
            say(f"The model has {sizes['users']} users, {sizes['items']} items and {sizes['interactions']} interactions left.")
        return Exit.DONE


@dataclass(frozen=True)
class Scan:
    """Searches files and folders for people: their ids, and the vectors of their rows.

    For instance, is user 42 anywhere in the store, in exports or in logs?

        ifru scan shop served.npz logs --user 42
        ifru scan backup --ids erased.csv --vectors old-model.npz

    Looks into model files, npz, safetensors, Parquet, CSV, JSON lines, SQLite, text and logs, also packed (.gz, .bz2, .xz, .zip).
    Exit status: 0 nothing was found, 1 something was.

    Attributes:
      paths: files and folders.
      user: ids of users.
      item: ids of items.
      ids: file with a column user, or item, or both.
      vectors: a saved model from before, whose rows of these users and items are searched for.
      text: False leaves out words of texts, where short numbers are found by chance.
      json: prints JSON instead of tables.
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    user: tuple[str, ...] = ()
    item: tuple[str, ...] = ()
    ids: Path | None = None
    vectors: Path | None = None
    text: bool = True
    json: tyro.conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Reads everything, changes nothing."""
        asked = Asked.of(users=self.user, items=self.item)
        asked = asked if self.ids is None else asked | Asked.read(self.ids)
        with working("scanning"):
            found = scan(self.paths, asked, model=self.vectors, text=self.text)
        if self.json:
            print_json(found.as_dict())
        else:
            table(("file", "where", "what"), [(one.file, one.where, one.what) for one in found.findings])
            for path, why in found.unread.items():
                say(f"{path} could not be read: {why}")
            say(f"{len(found.findings)} places in {found.files} files.")
        return Exit.NO if found.findings else Exit.PARTLY if found.unread else Exit.DONE


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
