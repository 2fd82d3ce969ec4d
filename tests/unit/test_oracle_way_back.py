"""What is left of a revision after upgrade and downgrade."""

from __future__ import annotations

from headway.catalogue import Catalogue, Extension
from headway.oracle.wayback import differences

VECTOR = Catalogue(extensions={"vector": Extension("vector", "public", "0.8.1")})


def test_an_extension_may_stay_but_must_not_go() -> None:
    assert list(differences(Catalogue(), VECTOR)) == []
    assert list(differences(VECTOR, Catalogue())) == ["extension vector is missing"]
