"""The schema reference is what the models say, and MIGRATIONS.md holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskman.models import Base
from taskman.schema_reference import BEGIN, END, MarkersError, insert, main, render

MIGRATIONS_MD = Path(__file__).parents[2] / "MIGRATIONS.md"


def test_migrations_md_holds_the_reference_as_the_models_give_it() -> None:
    document = MIGRATIONS_MD.read_text(encoding="utf-8")
    assert document == insert(document), "run: python -m taskman.schema_reference --write MIGRATIONS.md"


def test_every_table_and_every_column_has_a_meaning() -> None:
    silent = [
        str(column) for table in Base.metadata.sorted_tables for column in table.columns if not column.doc
    ]
    assert silent == []
    assert [f"### `{table.name}`" for table in Base.metadata.sorted_tables] == [
        line for line in render().splitlines() if line.startswith("#")
    ]


@pytest.mark.parametrize(
    "line",
    [
        "23 columns besides `created_at` and `updated_at`, 11 of them JSONB; 8 indexes and the primary key.",
        "| `status` | `varchar(20)` | no | `'proposed'` | Where it stands. |",
        "| `embedding` | `vector(384)` | no |  | Where the text lies in the space of meanings. |",
        "| `created_at` | `timestamptz` | no | `now()` | When the row was created. |",
        "- `idx_tasks_status_priority`: `btree (status, priority)`",
        "- `idx_documents_embedding`: `hnsw (embedding vector_cosine_ops)`",
        "- `sprint_id` → `sprints.id`, ON DELETE SET NULL (`fk_action_lists_sprint_id_sprints`)",
        "- `ck_sprints_number`: `number >= 1`",
    ],
)
def test_the_reference_tells_columns_indexes_foreign_keys_and_checks(line: str) -> None:
    assert line in render().splitlines()


def test_writing_it_replaces_what_stood_between_the_markers_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"above\n{BEGIN}\nstale\n{END}\nbelow\n", encoding="utf-8")
    assert main(["--write", str(document)]) == 0
    written = document.read_text(encoding="utf-8")
    assert written == f"above\n{BEGIN}\n\n{render()}\n{END}\nbelow\n"
    assert insert(written) == written


@pytest.mark.parametrize("document", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_without_a_place_for_it_is_left_alone(
    document: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MarkersError):
        insert(document)
    page = tmp_path / "page.md"
    page.write_text(document, encoding="utf-8")
    assert main(["--write", str(page)]) == 2
    assert page.read_text(encoding="utf-8") == document
    assert BEGIN in capsys.readouterr().err
