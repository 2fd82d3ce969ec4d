"""Initial schema

Revision ID: 2fab56042d27
Revises: nothing
Create Date: 2026-11-21 00:26:58.321803+00:00

Projects, sprints, tasks and action lists, with the extension that the documents to come will need.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "2fab56042d27"
down_revision: str | tuple[str, ...] | None = None
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    _create_projects()
    _create_sprints()
    _create_tasks()
    _create_action_lists()


def downgrade() -> None:
    """Undo this revision."""
    op.drop_table("action_lists")
    op.drop_table("tasks")
    op.drop_table("sprints")
    op.drop_table("projects")
    # No CASCADE: where something else has come to use the extension, this stops instead of dropping it.
    op.execute("DROP EXTENSION IF EXISTS vector")


def _create_projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=20), server_default="proposed", nullable=False),
        sa.Column("priority", sa.String(length=20), server_default="medium", nullable=False),
        sa.Column("health", sa.String(length=20), server_default="on_track", nullable=False),
        sa.Column("methodology", sa.String(length=20), server_default="scrum", nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("sponsor", sa.String(length=120), nullable=True),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("target_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("budget", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("progress", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        _json("objectives", "[]"),
        _json("key_results", "[]"),
        _json("success_criteria", "[]"),
        _json("scope", "{}"),
        _json("stakeholders", "[]"),
        _json("team", "[]"),
        _json("milestones", "[]"),
        _json("risks", "[]"),
        _json("dependencies", "[]"),
        _json("metrics", "{}"),
        _json("tags", "[]"),
        _json("links", "[]"),
        _json("settings", "{}"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("health IN ('on_track', 'at_risk', 'off_track')", name=op.f("ck_projects_health")),
        sa.CheckConstraint(
            "methodology IN ('scrum', 'kanban', 'scrumban', 'xp')", name=op.f("ck_projects_methodology")
        ),
        sa.CheckConstraint(
            "priority IN ('low', 'medium', 'high', 'critical')", name=op.f("ck_projects_priority")
        ),
        sa.CheckConstraint(
            "status IN ('proposed', 'active', 'on_hold', 'completed', 'cancelled')",
            name=op.f("ck_projects_status"),
        ),
        sa.CheckConstraint(
            "(budget IS NULL) = (currency IS NULL)", name=op.f("ck_projects_budget_has_currency")
        ),
        sa.CheckConstraint("budget >= 0", name=op.f("ck_projects_budget_not_negative")),
        sa.CheckConstraint("end_date >= start_date", name=op.f("ck_projects_end_after_start")),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_projects_progress")),
        sa.CheckConstraint("target_date >= start_date", name=op.f("ck_projects_target_after_start")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.create_index("idx_projects_status", "projects", ["status"])
    op.create_index("idx_projects_owner", "projects", ["owner"])
    op.create_index("idx_projects_start_date", "projects", ["start_date"])
    op.create_index("idx_projects_created_at", "projects", ["created_at"])
    op.create_index("idx_projects_updated_at", "projects", ["updated_at"])


def _create_sprints() -> None:
    op.create_table(
        "sprints",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("goal", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=20), server_default="planned", nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("primary_project", sa.Uuid(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.Column("capacity_hours", sa.Numeric(precision=7, scale=2), nullable=True),
        sa.Column("committed_points", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("completed_points", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _json("objectives", "[]"),
        _json("key_results", "[]"),
        _json("team_capacity", "{}"),
        _json("ceremonies", "[]"),
        _json("definition_of_done", "[]"),
        _json("risks", "[]"),
        _json("impediments", "[]"),
        _json("burndown", "[]"),
        _json("review", "{}"),
        _json("retrospective", "{}"),
        _json("tags", "[]"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('planned', 'active', 'in_review', 'closed', 'cancelled')",
            name=op.f("ck_sprints_status"),
        ),
        sa.CheckConstraint("capacity_hours >= 0", name=op.f("ck_sprints_capacity_hours")),
        sa.CheckConstraint("committed_points >= 0", name=op.f("ck_sprints_committed_points")),
        sa.CheckConstraint("completed_points >= 0", name=op.f("ck_sprints_completed_points")),
        sa.CheckConstraint("end_date >= start_date", name=op.f("ck_sprints_end_after_start")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_sprints_number")),
        sa.ForeignKeyConstraint(
            ["primary_project"],
            ["projects.id"],
            name=op.f("fk_sprints_primary_project_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sprints")),
    )
    op.create_index("idx_sprints_status", "sprints", ["status"])
    op.create_index("idx_sprints_primary_project", "sprints", ["primary_project"])
    op.create_index("idx_sprints_owner", "sprints", ["owner"])
    op.create_index("idx_sprints_start_date", "sprints", ["start_date"])
    op.create_index("idx_sprints_end_date", "sprints", ["end_date"])
    op.create_index("idx_sprints_project_status", "sprints", ["primary_project", "status"])
    op.create_index("idx_sprints_created_at", "sprints", ["created_at"])
    op.create_index("idx_sprints_updated_at", "sprints", ["updated_at"])


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=20), server_default="story", nullable=False),
        sa.Column("status", sa.String(length=20), server_default="backlog", nullable=False),
        sa.Column("priority", sa.String(length=20), server_default="medium", nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=True),
        sa.Column("risk_level", sa.String(length=20), server_default="low", nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=True),
        sa.Column("reporter", sa.String(length=120), nullable=True),
        sa.Column("reviewer", sa.String(length=120), nullable=True),
        sa.Column("primary_project", sa.Uuid(), nullable=False),
        sa.Column("primary_sprint", sa.Uuid(), nullable=True),
        sa.Column("story_points", sa.SmallInteger(), nullable=True),
        sa.Column("estimate_hours", sa.Numeric(precision=7, scale=2), nullable=True),
        sa.Column(
            "spent_hours", sa.Numeric(precision=7, scale=2), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("remaining_hours", sa.Numeric(precision=7, scale=2), nullable=True),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("board_rank", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("progress", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("blocked_reason", sa.Text(), nullable=True),
        _json("acceptance_criteria", "[]"),
        _json("definition_of_done", "[]"),
        _json("checklist", "[]"),
        _json("subtasks", "[]"),
        _json("dependencies", "[]"),
        _json("key_results", "[]"),
        _json("risks", "[]"),
        _json("labels", "[]"),
        _json("components", "[]"),
        _json("collaborators", "[]"),
        _json("watchers", "[]"),
        _json("attachments", "[]"),
        _json("links", "[]"),
        _json("comments", "[]"),
        _json("work_log", "[]"),
        _json("status_history", "[]"),
        _json("test_cases", "[]"),
        _json("custom_fields", "{}"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('story', 'bug', 'chore', 'spike')", name=op.f("ck_tasks_kind")),
        sa.CheckConstraint(
            "priority IN ('low', 'medium', 'high', 'critical')", name=op.f("ck_tasks_priority")
        ),
        sa.CheckConstraint("risk_level IN ('low', 'medium', 'high')", name=op.f("ck_tasks_risk_level")),
        sa.CheckConstraint("severity IN ('low', 'medium', 'high')", name=op.f("ck_tasks_severity")),
        sa.CheckConstraint(
            "status IN ('backlog', 'ready', 'in_progress', 'blocked', 'in_review', 'done', 'cancelled')",
            name=op.f("ck_tasks_status"),
        ),
        sa.CheckConstraint("due_date >= start_date", name=op.f("ck_tasks_due_after_start")),
        sa.CheckConstraint("estimate_hours >= 0", name=op.f("ck_tasks_estimate_hours")),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_tasks_progress")),
        sa.CheckConstraint("remaining_hours >= 0", name=op.f("ck_tasks_remaining_hours")),
        sa.CheckConstraint("spent_hours >= 0", name=op.f("ck_tasks_spent_hours")),
        sa.CheckConstraint("story_points >= 0", name=op.f("ck_tasks_story_points")),
        sa.ForeignKeyConstraint(
            ["primary_project"],
            ["projects.id"],
            name=op.f("fk_tasks_primary_project_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["primary_sprint"],
            ["sprints.id"],
            name=op.f("fk_tasks_primary_sprint_sprints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index("idx_tasks_status", "tasks", ["status"])
    op.create_index("idx_tasks_priority", "tasks", ["priority"])
    op.create_index("idx_tasks_owner", "tasks", ["owner"])
    op.create_index("idx_tasks_primary_project", "tasks", ["primary_project"])
    op.create_index("idx_tasks_primary_sprint", "tasks", ["primary_sprint"])
    op.create_index("idx_tasks_status_priority", "tasks", ["status", "priority"])
    op.create_index("idx_tasks_project_status", "tasks", ["primary_project", "status"])
    op.create_index("idx_tasks_sprint_status", "tasks", ["primary_sprint", "status"])
    op.create_index("idx_tasks_created_at", "tasks", ["created_at"])
    op.create_index("idx_tasks_updated_at", "tasks", ["updated_at"])


def _create_action_lists() -> None:
    op.create_table(
        "action_lists",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=20), server_default="open", nullable=False),
        sa.Column("priority", sa.String(length=20), server_default="medium", nullable=False),
        sa.Column("source", sa.String(length=20), server_default="meeting", nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("sprint_id", sa.Uuid(), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progress", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        _json("items", "[]"),
        _json("decisions", "[]"),
        _json("participants", "[]"),
        _json("links", "[]"),
        _json("tags", "[]"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "priority IN ('low', 'medium', 'high', 'critical')", name=op.f("ck_action_lists_priority")
        ),
        sa.CheckConstraint(
            "source IN ('retrospective', 'review', 'planning', 'incident', 'meeting')",
            name=op.f("ck_action_lists_source"),
        ),
        sa.CheckConstraint(
            "status IN ('open', 'in_progress', 'done', 'dropped')", name=op.f("ck_action_lists_status")
        ),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_action_lists_progress")),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_action_lists_project_id_projects"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["sprint_id"], ["sprints.id"], name=op.f("fk_action_lists_sprint_id_sprints"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_lists")),
    )
    op.create_index("idx_action_lists_owner", "action_lists", ["owner"])
    op.create_index("idx_action_lists_sprint_id", "action_lists", ["sprint_id"])
    op.create_index("idx_action_lists_project_id", "action_lists", ["project_id"])
    op.create_index("idx_action_lists_project_status", "action_lists", ["project_id", "status"])
    op.create_index("idx_action_lists_created_at", "action_lists", ["created_at"])
    op.create_index("idx_action_lists_updated_at", "action_lists", ["updated_at"])


def _json(name: str, empty: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text(f"'{empty}'::jsonb"), nullable=False)
