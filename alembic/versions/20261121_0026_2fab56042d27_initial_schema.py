"""Initial schema

Revision ID: 2fab56042d27
Revises: nothing
Create Date: 2026-11-21 00:26:58.321803+00:00
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
        sa.Column("objectives", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("key_results", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column(
            "success_criteria", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("scope", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("stakeholders", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("team", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("milestones", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("risks", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("dependencies", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("metrics", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("tags", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("links", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("settings", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
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
    op.create_index("idx_projects_created_at", "projects", ["created_at"])
    op.create_index("idx_projects_owner", "projects", ["owner"])
    op.create_index("idx_projects_start_date", "projects", ["start_date"])
    op.create_index("idx_projects_status", "projects", ["status"])
    op.create_index("idx_projects_updated_at", "projects", ["updated_at"])
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
        sa.Column("objectives", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("key_results", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("team_capacity", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("ceremonies", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column(
            "definition_of_done", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("risks", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("impediments", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("burndown", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("review", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("retrospective", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("tags", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
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
    op.create_index("idx_sprints_created_at", "sprints", ["created_at"])
    op.create_index("idx_sprints_end_date", "sprints", ["end_date"])
    op.create_index("idx_sprints_owner", "sprints", ["owner"])
    op.create_index("idx_sprints_primary_project", "sprints", ["primary_project"])
    op.create_index("idx_sprints_project_status", "sprints", ["primary_project", "status"])
    op.create_index("idx_sprints_start_date", "sprints", ["start_date"])
    op.create_index("idx_sprints_status", "sprints", ["status"])
    op.create_index("idx_sprints_updated_at", "sprints", ["updated_at"])
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
        sa.Column("items", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("decisions", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("participants", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("links", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("tags", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
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
    op.create_index("idx_action_lists_created_at", "action_lists", ["created_at"])
    op.create_index("idx_action_lists_owner", "action_lists", ["owner"])
    op.create_index("idx_action_lists_project_id", "action_lists", ["project_id"])
    op.create_index("idx_action_lists_project_status", "action_lists", ["project_id", "status"])
    op.create_index("idx_action_lists_sprint_id", "action_lists", ["sprint_id"])
    op.create_index("idx_action_lists_updated_at", "action_lists", ["updated_at"])
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
        sa.Column(
            "acceptance_criteria", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column(
            "definition_of_done", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("checklist", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("subtasks", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("dependencies", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("key_results", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("risks", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("labels", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("components", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("collaborators", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("watchers", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("attachments", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("links", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("comments", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("work_log", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column(
            "status_history", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("test_cases", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("custom_fields", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('story', 'bug', 'chore', 'spike')", name=op.f("ck_tasks_kind")),
        sa.CheckConstraint(
            "priority IN ('low', 'medium', 'high', 'critical')", name=op.f("ck_tasks_priority")
        ),
        sa.CheckConstraint("risk_level IN ('low', 'medium', 'high')", name=op.f("ck_tasks_risk_level")),
        sa.CheckConstraint("severity IN ('low', 'medium', 'high')", name=op.f("ck_tasks_severity")),
        sa.CheckConstraint(
            ("status IN ('backlog', 'ready', 'in_progress', 'blocked', 'in_review', 'done', 'cancelled')"),
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
    op.create_index("idx_tasks_created_at", "tasks", ["created_at"])
    op.create_index("idx_tasks_owner", "tasks", ["owner"])
    op.create_index("idx_tasks_primary_project", "tasks", ["primary_project"])
    op.create_index("idx_tasks_primary_sprint", "tasks", ["primary_sprint"])
    op.create_index("idx_tasks_priority", "tasks", ["priority"])
    op.create_index("idx_tasks_project_status", "tasks", ["primary_project", "status"])
    op.create_index("idx_tasks_sprint_status", "tasks", ["primary_sprint", "status"])
    op.create_index("idx_tasks_status", "tasks", ["status"])
    op.create_index("idx_tasks_status_priority", "tasks", ["status", "priority"])
    op.create_index("idx_tasks_updated_at", "tasks", ["updated_at"])


def downgrade() -> None:
    """Undo this revision."""
    # destructive: drops table action_lists
    op.drop_table("action_lists")
    # destructive: drops table tasks
    op.drop_table("tasks")
    # destructive: drops table sprints
    op.drop_table("sprints")
    # destructive: drops table projects
    op.drop_table("projects")
