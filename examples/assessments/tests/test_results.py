"""What the schema holds its rows to, each test on a database of its own at head."""

import pytest
from models import Assessment, AssessmentResult, Organization, User
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from headway import Migrator


async def result(session: AsyncSession, score: int) -> AssessmentResult:
    """A result of somebody new, in an assessment of an organization that is new too."""
    organization = Organization(name="Acme", slug="acme")
    user = User(email="ada@example.com", full_name="Ada")
    session.add_all([organization, user])
    await session.flush()
    assessment = Assessment(organization_id=organization.id, title="Logic")
    session.add(assessment)
    await session.flush()
    return AssessmentResult(assessment_id=assessment.id, user_id=user.id, score=score)


async def test_an_assessment_may_be_taken_twice(headway_session: AsyncSession) -> None:
    first = await result(headway_session, 40)
    second = AssessmentResult(assessment_id=first.assessment_id, user_id=first.user_id, score=90, attempt=2)
    headway_session.add_all([first, second])
    await headway_session.commit()
    attempts = await headway_session.scalars(
        select(AssessmentResult.attempt).order_by(AssessmentResult.attempt)
    )
    assert attempts.all() == [1, 2]


async def test_a_score_is_at_most_a_hundred(headway_session: AsyncSession) -> None:
    headway_session.add(await result(headway_session, 101))
    with pytest.raises(IntegrityError, match="ck_assessment_results_score"):
        await headway_session.commit()


@pytest.mark.headway(revision="v001")
async def test_results_of_before_count_as_a_first_attempt(
    headway_migrator: Migrator, headway_engine: AsyncEngine
) -> None:
    async with headway_engine.begin() as connection:
        await connection.execute(text(OLD_RESULT))
    await headway_migrator.upgrade("v002")
    async with headway_engine.connect() as connection:
        assert await connection.scalar(text("SELECT attempt FROM assessment_results")) == 1


OLD_RESULT = """
WITH o AS (INSERT INTO organizations (name, slug) VALUES ('Acme', 'acme') RETURNING id),
     u AS (INSERT INTO users (email, full_name) VALUES ('ada@example.com', 'Ada') RETURNING id),
     a AS (INSERT INTO assessments (organization_id, title) SELECT id, 'Logic' FROM o RETURNING id)
INSERT INTO assessment_results (assessment_id, user_id, score) SELECT a.id, u.id, 40 FROM a, u
"""
