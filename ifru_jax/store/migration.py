"""From a store of an older version to one of this, in one transaction.

2   the budget of errors; stores of format 1 get the default
"""

from pathlib import Path

from ifru_jax.store import commit, database, journal
from ifru_jax.store.budget import ErrorBudget
from ifru_jax.store.key import Key


def migrate(folder: Path, key: Key | None) -> None:
    """Brings the store to this format, with a line that says so; nothing if it has it. Only for the one who writes."""
    with database.writing(folder, older=True) as connection:
        written = database.format_of(connection)
        if written == database.FORMAT:
            return
        connection.execute("INSERT INTO facts VALUES ('budget', ?)", (ErrorBudget().as_text(),))
        digest = commit.current(connection).digest
        content = {"from": written, "to": database.FORMAT, "before": digest, "after": digest}
        journal.append(connection, "migrate", content, key)
        connection.execute(f"PRAGMA user_version = {database.FORMAT}")
